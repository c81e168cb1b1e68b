"""The law of last good choices, the same in every store: nothing older takes a newer one's place.

A choice is identified by rule and fingerprint; how new it is says `observed_at`. Choices are
those of one Application, the last kept first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

from cmp.store.port import LastGood

# Of one Application: one for each image and edit of its rule; the last kept stay.
MOST_CHOICES = 500
# Two clocks that are kept by NTP differ by less (seconds); a time further ahead is a wrong one.
SKEW = 300.0

Identity = tuple[str, str]


def identity(choice: LastGood) -> Identity:
    """What *choice* is the choice of: its rule, with the hash of the fields that select."""
    return choice.rule, choice.fingerprint


def dated(choices: Sequence[LastGood], now: float) -> tuple[LastGood, ...]:
    """*choices*, of which those from after *now* (seconds since the epoch) are as old as can be.

    A clock that was wrong made them, or an attacker: any other takes their place.
    """
    return tuple(
        choice if choice.observed_at <= now + SKEW else replace(choice, observed_at=0.0)
        for choice in choices
    )


def keep(earlier: Sequence[LastGood], choices: Sequence[LastGood]) -> tuple[LastGood, ...]:
    """*earlier* with *choices* before them, each in the place of one that is not newer."""
    kept = {identity(choice): choice for choice in reversed(earlier)}
    for choice in reversed(choices):
        known = kept.get(identity(choice))
        if known is None or known.observed_at <= choice.observed_at:
            kept.pop(identity(choice), None)
            kept[identity(choice)] = choice
    return tuple(reversed(kept.values()))[:MOST_CHOICES]


def merge(
    *, stored: Sequence[LastGood], known: Sequence[LastGood], unwritten: Sequence[LastGood]
) -> tuple[LastGood, ...]:
    """The newest of each identity in a store, in memory, and among what could not be written.

    Of equally new ones that counts which is surely not older: the store may have been asked
    before memory learned better. What could not be written was kept last; what memory alone
    knows the store has lost, so it was kept first.
    """
    newest: dict[Identity, LastGood] = {}
    for choice in chain(stored, known, unwritten):
        other = newest.get(identity(choice))
        if other is None or other.observed_at <= choice.observed_at:
            newest[identity(choice)] = choice
    order = dict.fromkeys(identity(choice) for choice in chain(unwritten, stored, known))
    return tuple(newest[each] for each in order)[:MOST_CHOICES]
