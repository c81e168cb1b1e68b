"""What the controller records of an Application: choices, how far they came, and what ran.

`record_format` says how that is written into a ConfigMap, and read again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from cmp.store import LastGood

MOST_CHOICES = 200  # of one Application; with texts as long as ours are, a fifth of a ConfigMap
MOST_HISTORY = 20


class State(StrEnum):
    """How far a choice has come."""

    INTENDED = "intended"  # a refresh is to be asked for; nobody knows yet whether it was
    ASKED = "asked"  # the refresh was asked for
    RENDERED = "rendered"  # Argo CD has rendered anew; a sync may be due
    DELIVERED = "delivered"  # nothing is left to do
    FAILED = "failed"  # given up: never again for this choice

    @property
    def is_settled(self) -> bool:
        """Whether nothing is done for such a choice any more."""
        return self in (State.DELIVERED, State.FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A choice of one rule for the Application.

    *after* is its reference and *before* the one that ran ("" for none), *title* names the rule
    and *alias* its image, for people; *live* is whether an image of the repository ran. *good* is
    what the rule's policy chose last itself: a last good choice for resolvers, which a pin is not.
    *attempts* refreshes were intended, the last at *asked_at* (seconds since the epoch) with
    *stamp*, the value of Argo CD's `refresh-timestamp`; before it, *reconciled* was
    `status.reconciledAt`, and *operation* `status.operationState.startedAt`. *reason* says why it
    failed, or why it is left to Argo CD or to people.
    """

    choice: LastGood
    state: State
    after: str
    before: str = ""
    title: str = ""
    alias: str = ""
    why: str = ""
    good: LastGood | None = None
    live: bool = False
    attempts: int = 0
    asked_at: float = 0
    stamp: str = ""
    reconciled: str = ""
    operation: str = ""
    reason: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What it is the choice of: rule and repository."""
        return self.choice.rule, self.choice.repository


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """An image that came to run: at *at* (seconds since the epoch) *after* took *before*'s place.

    Both are references, *before* is "" where none was live.
    """

    at: float
    rule: str
    alias: str
    image: str
    before: str
    after: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """All that is recorded of the Application *namespace*/*name* with *uid*.

    *choices* has one for each rule and repository, the last changed first; *history* the newest
    first.
    """

    namespace: str
    name: str
    uid: str
    choices: tuple[Recorded, ...] = ()
    history: tuple[Past, ...] = ()

    @property
    def last_good(self) -> tuple[LastGood, ...]:
        """What the rules' policies chose last, for resolvers; the last changed first."""
        return tuple(each.good for each in self.choices if each.good is not None)

    def of(self, key: tuple[str, str]) -> Recorded | None:
        """The choice of a rule for a repository."""
        return next((each for each in self.choices if each.key == key), None)

    def in_state(self, *states: State) -> Iterator[Recorded]:
        """The choices in one of *states*."""
        return (each for each in self.choices if each.state in states)

    def with_choice(self, recorded: Recorded) -> Record:
        """*recorded* in its place, before all others; of settled ones the oldest may go."""
        others = [each for each in self.choices if each.key != recorded.key]
        while len(others) >= MOST_CHOICES:
            settled = [each for each in others if each.state.is_settled]
            others.remove(settled[-1] if settled else others[-1])
        return replace(self, choices=(recorded, *others))

    def with_history(self, past: Past) -> Record:
        """*past* as the newest of a bounded history."""
        return replace(self, history=(past, *self.history)[:MOST_HISTORY])
