"""What a store outside the process has to do: raise what it cannot do, and show what it holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from cmp.errors import ResolverError
from cmp.store.port import LastGood, Store


class StoreError(ResolverError):
    """The store cannot be read or written now. One line without secrets."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What is kept of one repository as one login sees it, under *key*.

    *observed_at* is that of its listing (seconds since the epoch; None: there is none), *names*
    how many tags that has, *described* how many tags were described, *size* in bytes.
    """

    key: str
    observed_at: float | None
    names: int
    described: int
    size: int


@dataclass(frozen=True, slots=True)
class Contents:
    """All that a store remembers: choices by Application, observations, *size* in bytes."""

    choices: Mapping[str, Sequence[LastGood]] = field(default_factory=dict)
    observed: Sequence[Observed] = ()
    size: int = 0


class Inspectable(Protocol):
    """A store whose contents people look at and clear. Raises `StoreError`."""

    async def contents(self) -> Contents:
        """All that is remembered and well-formed, sorted by name."""
        ...

    async def clear(self, application: str | None = None, /) -> int:
        """Forget the choices of *application*, or everything; of how many Applications."""
        ...


class Persistent(Store, Inspectable, Protocol):
    """A `Store` that raises `StoreError` where it cannot do what it is asked.

    *kind* names it in metrics (`sqlite`, `redis`), *place* for people, without secrets.
    """

    kind: str
    place: str
