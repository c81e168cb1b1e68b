"""Choosing among 10,000 tags with every filter and all refusals: first time and again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from statistics import median

from benchmarks.row import Row
from cmp.policy import Chosen, Policy, Settings, choose, compile_policy
from cmp.reference import Repository
from cmp.tags import Listing

TAGS = 10_000
ROUNDS = 7

SETTINGS = Settings(
    strategy="semver",
    constraint="~1.2 || >=2.3 <2.40",
    allow_tags=(r"regexp:^v?[0-9]+\.[0-9]+\.[0-9]+(-rc\.[0-9]+)?$",),
    ignore_tags=("*-rc.3", "v1.2?.*", "latest"),
    deny_tags=("2.39.*",),
)
METHOD = f"median of {ROUNDS} rounds in one process, time.process_time"


def run() -> Iterator[Row]:
    """Two rows: a listing never seen before, and the same one again."""
    policy = compile_policy(SETTINGS)
    cold, again = [], []
    for number in range(ROUNDS):
        listing = _listing(number)
        cold.append(_milliseconds(policy, listing))
        again.append(_milliseconds(policy, listing))
    yield Row("semver choice of 10,000 tags, cold", median(cold), "ms CPU", "≤ 80", METHOD)
    yield Row("the same observation again", median(again), "ms CPU", "≤ 1", METHOD)


def _listing(number: int) -> Listing:
    """10,000 tags of four kinds; each *number* makes names of its own."""
    names: list[str] = []
    for index in range(TAGS // 4):
        minor, patch = index % 50, index // 50
        names += [
            f"v1.{minor}.{number}{patch}",
            f"1.{minor}.{number}{patch}-rc.{index % 7}",
            f"2.{minor}.{number}{patch}",
            f"main-{number}{index:07x}",
        ]
    return Listing(Repository("registry.example.com", "team/app"), tuple(names), 0)


def _milliseconds(policy: Policy, listing: Listing) -> float:
    start = time.process_time()
    choice = choose(policy, listing, {})
    spent = time.process_time() - start
    assert isinstance(choice, Chosen)
    assert len(choice.refusals) > TAGS / 2
    return spent * 1000
