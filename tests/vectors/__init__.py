"""The Image Updater's real answers, held against Retag's own modules.

A file is a kind (the name's prefix), a line a case. Each kind's module answers a case through the
product: `answer(case)` in the shape of `case["expect"]`; where the kind looks at a part of the
expectation only, `expected(case)` says which. `difference(case)` gives the written reason where
Retag differs on purpose (docs/image-updater.md), as a predicate on the case, else None.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, cast

KINDS = (
    "strategy", "constraint", "version", "imageref", "namepattern", "effective", "filter",
    "metadata", "registries", "credential", "pullsecret", "documents",
)  # fmt: skip
DATA = Path(__file__).parent / "data"

Case = dict[str, Any]


class Kind(Protocol):
    """What each module `tests.vectors.<kind>` offers."""

    def answer(self, case: Case) -> Any:
        """What Retag says of *case*."""
        ...

    def expected(self, case: Case) -> Any:
        """The part of `case["expect"]` that is compared."""
        ...

    def difference(self, case: Case) -> str | None:
        """Why Retag answers otherwise on purpose; None where it must not."""
        ...


@dataclass
class Outcome:
    """How one file of vectors went."""

    name: str
    agree: int = 0
    explained: dict[str, list[str]] = field(default_factory=dict)  # reason → ids
    differing: list[tuple[str, Any, Any]] = field(default_factory=list)  # id, expected, got

    def __str__(self) -> str:
        explained = sum(map(len, self.explained.values()))
        return (
            f"{self.name}: {self.agree} agree, {len(self.differing)} differ, {explained} explained"
        )


def kind_of(path: Path) -> Kind:
    """The module that answers the cases of *path*, told by the file name's prefix."""
    for name in KINDS:
        if path.name.startswith(name):
            return cast("Kind", importlib.import_module(f"tests.vectors.{name}"))
    raise ValueError(f"{path.name}: no kind of vectors starts like this ({', '.join(KINDS)})")


def cases(path: Path) -> Iterator[Case]:
    """The cases of *path*, one JSON object a line; a line ends with a line feed alone."""
    for line in path.read_text(encoding="utf-8").split("\n"):
        if line.strip():
            yield json.loads(line)


def check(path: Path) -> Outcome:
    """Each case of *path* answered, compared and, where it differs, explained."""
    kind = kind_of(path)
    outcome = Outcome(path.stem)
    for case in cases(path):
        expected, got = kind.expected(case), kind.answer(case)
        if expected == got:
            outcome.agree += 1
        elif reason := kind.difference(case):
            outcome.explained.setdefault(reason, []).append(case["id"])
        else:
            outcome.differing.append((case["id"], expected, got))
    return outcome
