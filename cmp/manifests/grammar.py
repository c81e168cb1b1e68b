"""Which keys lead to an image, as a grammar that is read from the scalar upwards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cmp.manifests.nodes import Key, Special

ITEM = Special.ITEM
Step = str | Special


@dataclass(frozen=True, slots=True)
class Pattern:
    """The keys that lead to an image; `ITEM` is any item of a list.

    A *rooted* pattern begins at an object of *group*, *version*, *kind* ("" is any), and lists on
    its way need no `ITEM`; any other begins anywhere.
    """

    steps: tuple[Step, ...]
    rooted: bool = False
    group: str = ""
    version: str = ""
    kind: str = ""

    def selects(self, api_version: str, kind: str) -> bool:
        """Whether objects of *api_version* (`group/version` or `version`) and *kind* are meant."""
        group, _, version = api_version.rpartition("/")
        wanted = ((self.group, group), (self.version, version), (self.kind, kind))
        return all(want in ("", have) for want, have in wanted)


# Every container of every list of containers, at any depth of any kind; and image volumes.
EVERYWHERE = (
    Pattern(("containers", ITEM, "image")),
    Pattern(("initContainers", ITEM, "image")),
    Pattern(("ephemeralContainers", ITEM, "image")),
    Pattern(("volumes", ITEM, "image", "reference")),
)


class State:
    """How far patterns have matched: *matches* holds each with the number of steps it lacks."""

    def __init__(self, matches: frozenset[tuple[Pattern, int]]) -> None:
        self.matches = matches
        complete = [pattern for pattern, lacking in matches if not lacking]
        self.is_image = any(not pattern.rooted for pattern in complete)
        self.rooted = [pattern for pattern in complete if pattern.rooted]
        self.is_dead = not matches


class Grammar:
    """Kubernetes' own image fields, and *rooted* ones. States are made once, on demand."""

    def __init__(self, rooted: Iterable[Pattern] = ()) -> None:
        patterns = (*EVERYWHERE, *rooted)
        self.last_keys = frozenset(pattern.steps[-1] for pattern in patterns)
        self._steps = frozenset(step for pattern in patterns for step in (*pattern.steps, ITEM))
        self._states: dict[frozenset[tuple[Pattern, int]], State] = {}
        self._above: dict[tuple[State, Step], State] = {}
        self._dead = self._state(frozenset())
        self.start = self._state(frozenset((p, len(p.steps)) for p in patterns))

    def above(self, state: State, key: Key) -> State:
        """The state one key further up: the value of *state* stands under *key*."""
        step = ITEM if isinstance(key, int) else key
        if step not in self._steps:
            return self._dead
        known = self._above.get((state, step))
        if known is None:
            known = self._state(frozenset(_advance(state, step)))
            self._above[state, step] = known
        return known

    def _state(self, matches: frozenset[tuple[Pattern, int]]) -> State:
        return self._states.setdefault(matches, State(matches))


def _advance(state: State, step: Step) -> Iterator[tuple[Pattern, int]]:
    for pattern, lacking in state.matches:
        if step is ITEM and pattern.rooted:
            yield pattern, lacking
        elif lacking and pattern.steps[lacking - 1] == step:
            yield pattern, lacking - 1
