"""Tag, and what may be asked of one. Values only: who reads them from a registry is elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from cmp.reference import Repository

# OCI distribution specification 1.1, "Pulling manifests": the grammar of a tag.
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", re.ASCII)
# Cosign's tags for signatures, attestations and SBOMs; the referrers tag schema of OCI 1.1.
_SIGNATURE = re.compile(r"sha256-[0-9a-f]{64}(\.(sig|att|sbom))?", re.ASCII)


def is_tag(name: str) -> bool:
    """Whether *name* is in the OCI tag grammar. Zot stores, and lists, others too."""
    return _TAG.fullmatch(name) is not None


def is_signature(name: str) -> bool:
    """Whether *name* is a tag that cosign or the referrers fallback makes."""
    return _SIGNATURE.fullmatch(name) is not None


@dataclass(frozen=True, slots=True)
class Platform:
    """`os/architecture[/variant]`, as in an image config or an index entry."""

    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(filter(None, (self.os, self.architecture, self.variant)))


def wants(platforms: tuple[str, ...], actual: Platform) -> bool:
    """Whether an image of platform *actual* passes the filter *platforms*, as the Image Updater's.

    No filter passes everything. Each entry is `os/arch[/variant]`: without a variant it accepts
    any, with one exactly that. A malformed entry accepts no platform that there is; but an empty
    one does accept an image that states none.
    """
    return not platforms or any(_accepts(entry, actual) for entry in platforms)


def _accepts(entry: str, actual: Platform) -> bool:
    os, _, rest = entry.strip().partition("/")
    architecture, _, variant = rest.partition("/")
    same = (os, architecture) == (actual.os, actual.architecture)
    return same and variant in {"", actual.variant}


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What a policy must know of a tag beyond its name; part of the key of caches.

    *created* is the build time; *pushed* when the tag was pushed or moved, *severity* what a scan
    found and *trusted* whether a signature is trusted, which only Zot's search tells. *platforms*
    narrows the images of an index that count (`os/arch[/variant]`; empty: all).
    """

    created: bool = False
    digest: bool = False
    pushed: bool = False
    severity: bool = False
    trusted: bool = False
    platforms: tuple[str, ...] = ()

    @property
    def names_only(self) -> bool:
        """Whether a listing answers everything."""
        return not (self.created or self.digest or self.searched)

    @property
    def searched(self) -> bool:
        """Whether something is asked that manifests do not hold: Zot's search must answer."""
        return self.pushed or self.severity or self.trusted


class Fault(Enum):
    """Why a tag could not be described."""

    GONE = "gone"  # its manifest is missing: refused for good
    MALFORMED = "malformed"  # it is there and not an image: refused for good
    UNREADABLE = "unreadable"  # a passing trouble: the choice is incomplete


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag and what was asked of it; None: not known, or not asked.

    *created* is the build time and *pushed* the later of the times at which its digest was pushed
    and the tag appeared (nanoseconds since the epoch); *digest* that of the manifest or index the
    tag names (`sha256:…`). *severity* is the worst that a scan found (`none`, `unknown`, `low`,
    `medium`, `high`, `critical`; "" is not scanned), *trusted* whether the registry trusts one of
    its signatures, *signers* who made them, *platforms* what the tag has images for.

    *fault* with *detail* says why it could not be described at all; *unanswered* why the registry
    does not tell *pushed*, *severity* or *trusted*, and which setting would let it.
    """

    name: str
    digest: str | None = None
    created: int | None = None
    fault: Fault | None = None
    detail: str = ""
    pushed: int | None = None
    severity: str | None = None
    trusted: bool | None = None
    signers: tuple[str, ...] = ()
    platforms: tuple[Platform, ...] = ()
    unanswered: str = ""


class StaleTags(dict[str, Tag]):
    """Tags by name as they were once, where the registry tells nothing when it is asked."""


def positions_as_times(names: Iterable[str], *, newest_first: bool) -> dict[str, int]:
    """Stand-ins for the build times of *names*, which a registry lists in the order of age.

    The Image Updater's `tagsortmode`: the place in the listing decides, and nothing is looked at.
    """
    step = -1 if newest_first else 1
    return {name: step * place for place, name in enumerate(names)}


@dataclass(frozen=True, slots=True, eq=False)
class Listing:
    """All tag names of a repository, whole, as seen at *observed_at* (seconds since the epoch).

    *newest_first* says whether the first or the last of *names* is the newest, where the registry
    sorts them by age; then their places stand in for build times. None: their order tells nothing.
    *stale* says why it is an old one, where the registry gave none when it was asked; else "".
    Compared by identity: what was computed from one listing may be remembered with it.
    """

    repository: Repository
    names: tuple[str, ...]
    observed_at: float
    newest_first: bool | None = None
    stale: str = ""
