"""One call to a registry, and who makes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cmp.registry.http.refusal import Who
from cmp.registry.http.retry import Deadline
from cmp.registry.metadata import LARGEST_DOCUMENT


@dataclass(frozen=True, slots=True)
class Call:
    """One call to a registry: *path* below api_url, as `/v2/demo/app/tags/list`.

    *query* is raw, without `?`; *repository* is whose pull scope is asked for, "" for none in
    particular; *headers* go besides *accept*, with names in lower case; *limit* is how many bytes
    the body may have; *pull_secret* is what a rule writes, "" for the registry's own login.
    """

    method: str
    path: str
    query: str = ""
    repository: str = ""
    accept: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)
    limit: int = LARGEST_DOCUMENT
    pull_secret: str = field(default="", repr=False)

    @property
    def subject(self) -> str:
        """What is asked for, for people."""
        return self.repository or self.path

    @property
    def scopes(self) -> tuple[str, ...]:
        """What a token for it must allow, as long as the registry says nothing else."""
        return (f"repository:{self.repository}:pull",) if self.repository else ()

    @property
    def area(self) -> str:
        """What wants the same scopes: all of a repository's paths, any other path by itself."""
        inside = self.repository and self.path.startswith(f"/v2/{self.repository}/")
        return self.repository if inside else self.path


@dataclass(frozen=True, slots=True)
class Asked:
    """A call under way: who makes it, and until when."""

    call: Call
    who: Who
    deadline: Deadline
