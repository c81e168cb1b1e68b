"""One HTTP request and its response, as values; who exchanges them is passed in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """*url* is absolute; *headers* may hold a login, so no representation shows them.

    *limit* is how many bytes of a body may come back.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    limit: int = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """*headers* in the order received, their names in lower case; *body* whole.

    *seconds* is how long the exchange took, *tls* what protects it (`TLSv1.3`, "" for nothing).
    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    seconds: float = 0.0
    tls: str = ""

    def header(self, name: str) -> str:
        """The first value of the header *name* (in lower case); "" without one."""
        return next((value for key, value in self.headers if key == name), "")

    def all(self, name: str) -> list[str]:
        """All values of the header *name* (in lower case)."""
        return [value for key, value in self.headers if key == name]


class Exchange(Protocol):
    """Who sends a request and reads the response whole: `cmp.registry.http.client`, or a double.

    No redirect is followed and no status is an error. Raises `cmp.errors.UnreachableError` where
    no response comes within *seconds*, `cmp.errors.DeniedError` for an address that must
    not be asked, `cmp.errors.BadReplyError` for what is no HTTP, or larger than allowed.
    """

    async def __call__(self, request: HttpRequest, /, *, seconds: float) -> HttpResponse: ...
