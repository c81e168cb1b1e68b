"""`Store`: what outlives a process. It is a cache: losing it is safe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from cmp.tags import Listing, Tag


@dataclass(frozen=True, slots=True)
class LastGood:
    """The tag that a rule last gave an Application, with the digest that was written if one was.

    *rule* is the rule's identity without its *fingerprint*, a hash of the fields that select.
    *repository* is that of the tag. *observed_at* is the age of what it was chosen from (seconds
    since the epoch): a choice never takes the place of one that was made from something newer.
    """

    rule: str
    fingerprint: str
    repository: str
    tag: str
    digest: str | None
    observed_at: float


class Store(Protocol):
    """Last good choices by Application, and observations by key.

    Nothing here raises: what cannot be read is not known, what cannot be written is not kept, and
    the store says so elsewhere. What it gives is well-formed, and no more than a hint.

    An *application* is Argo CD's instance name. A *key* of observations names registry,
    repository, and whose login saw it, so that one tenant's view never serves another.
    """

    async def choices(self, application: str, /) -> Sequence[LastGood]:
        """All that is remembered of *application*, the last kept first."""
        ...

    async def keep_choices(self, application: str, choices: Sequence[LastGood], /) -> None:
        """Remember *choices*, each in the place of an older one of its rule and fingerprint."""
        ...

    async def listing(self, key: str, /) -> Listing | None:
        """The last whole listing under *key*."""
        ...

    async def keep_listing(self, key: str, listing: Listing, /) -> None:
        """Remember *listing* in the place of an older one."""
        ...

    async def tags(self, key: str, names: Sequence[str], /) -> Mapping[str, Tag]:
        """Those of *names* that were described under *key*, as they were last seen."""
        ...

    async def keep_tags(self, key: str, tags: Mapping[str, Tag], /) -> None:
        """Remember *tags* under *key*."""
        ...

    async def seen(self, kind: str, /) -> Mapping[str, bytes] | None:
        """The objects of *kind* as they were last kept, by key; None if never whole.

        Unlike all else that is a whole, or nothing: a part of it would mislead.
        """
        ...

    async def keep_seen(
        self, kind: str, changed: Mapping[str, bytes | None], /, *, whole: bool
    ) -> bool:
        """Remember *changed*: all objects of *kind* if it is *whole*, else what changed of them.

        None is an object that is gone. The key "" is none, and None of it says that the set is
        whole no more. False if all has to be told anew, whole.
        """
        ...

    async def aclose(self) -> None:
        """Write what is to be written, and let go of files and connections."""
        ...


class NothingStored:
    """The store of one run in one process: it remembers nothing."""

    async def choices(self, _application: str, /) -> Sequence[LastGood]:
        """Nothing."""
        return ()

    async def keep_choices(self, _application: str, _choices: Sequence[LastGood], /) -> None:
        """Nothing is kept."""

    async def listing(self, _key: str, /) -> Listing | None:
        """Nothing."""
        return None

    async def keep_listing(self, _key: str, _listing: Listing, /) -> None:
        """Nothing is kept."""

    async def tags(self, _key: str, _names: Sequence[str], /) -> Mapping[str, Tag]:
        """Nothing."""
        return {}

    async def keep_tags(self, _key: str, _tags: Mapping[str, Tag], /) -> None:
        """Nothing is kept."""

    async def seen(self, _kind: str, /) -> Mapping[str, bytes] | None:
        """Nothing."""
        return None

    async def keep_seen(
        self, _kind: str, _changed: Mapping[str, bytes | None], /, *, whole: bool
    ) -> bool:
        """Nothing is kept, nor asked for again."""
        del whole
        return True

    async def aclose(self) -> None:
        """Nothing is open."""
