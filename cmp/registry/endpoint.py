"""A registry as registries.conf describes it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from cmp.located import StrictModel
from cmp.registry.duration import parse_duration


class Kind(StrEnum):
    """What speaks at a registry's api_url; "" is found out."""

    UNKNOWN = ""
    ZOT = "zot"
    OCI = "oci"
    LAYOUT = "layout"


class SortMode(StrEnum):
    """How the registry orders its tags, where their order tells their age."""

    NONE = "none"
    LATEST_FIRST = "latest-first"
    LATEST_LAST = "latest-last"


def _not_empty(text: str) -> str:
    if not text:
        raise ValueError("must not be empty")
    return text


def _sort_mode(text: Any) -> SortMode:
    try:
        return SortMode(str(text).lower() or SortMode.NONE)
    except ValueError:
        modes = ", ".join(SortMode)
        raise ValueError(f"there is no tag sort mode {text!r}, only {modes}") from None


def _kind(text: Any) -> Kind:
    try:
        return Kind(str(text))
    except ValueError:
        kinds = ", ".join(filter(None, Kind))
        raise ValueError(f"there is no kind {text!r}, only {kinds}") from None


def _whole(number: Any) -> Any:
    """*number* without its fraction, which Go's YAML readers drop; none of more than 64 bits."""
    if isinstance(number, int | float) and not abs(number) < 2**63:
        raise ValueError("must be a whole number of at most 64 bits")
    return int(number) if isinstance(number, float) else number


def _nanoseconds(value: Any) -> Any:
    return parse_duration(value) if isinstance(value, str) else _whole(value)


class Endpoint(StrictModel):
    """A registry: one entry of registries.conf, or one that is built in or inferred.

    *credsexpire* is in nanoseconds, 0 is never; *limit* in requests a second, 0 and less is none.
    """

    name: Annotated[str, AfterValidator(_not_empty)]
    api_url: Annotated[str, AfterValidator(_not_empty)]
    prefix: str = ""
    ping: bool = False  # the Image Updater's, without effect there and here
    credentials: str = ""
    credsexpire: Annotated[int, BeforeValidator(_nanoseconds)] = 0
    tagsortmode: Annotated[SortMode, BeforeValidator(_sort_mode)] = SortMode.NONE
    insecure: bool = False
    ca_file: str = ""
    ca_data: str = ""
    client_cert: str = ""
    client_key: str = ""
    token_hosts: list[str] = Field(default_factory=list)
    defaultns: str = ""
    limit: Annotated[int, BeforeValidator(_whole)] = 0
    default: bool = False
    kind: Annotated[Kind, BeforeValidator(_kind)] = Kind.UNKNOWN

    @property
    def base_url(self) -> str:
        """*api_url* without one slash at its end."""
        return self.api_url.removesuffix("/")

    @property
    def scheme(self) -> str:
        """What stands before the first colon of *api_url*, in lower case; else all of it."""
        return self.api_url.partition(":")[0].lower()

    @property
    def is_layout(self) -> bool:
        """Whether it lies on disk."""
        return self.scheme == "file"

    def folder(self, base: Path) -> Path:
        """Where a layout lies: `file:///absolute`, `file:relative` or `file://./relative`.

        What is relative is so to *base*. Raises `ValueError`.
        """
        url = urlsplit(self.api_url)
        relative = url.netloc in (".", "..")
        path = unquote((url.netloc if relative else "") + url.path)
        on_this_machine = relative or url.netloc in ("", "localhost")
        if url.query or url.fragment or "\0" in path or not on_this_machine:
            raise ValueError("this URL names no folder: write file:///path or file:path")
        return base / path
