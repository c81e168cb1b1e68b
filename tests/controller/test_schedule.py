"""When which repository is looked at."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmp.reference import Repository
from sidecar.controller.schedule import AT_ONCE, HINTED, LEAST, LONGEST, Outcome, Schedule
from sidecar.controller.targets import Login

INTERVAL = 300.0


def login(path: str = "team/app", registry: str = "registry.example.com") -> Login:
    """A repository with the registry's own login."""
    return Login(Repository(registry, path))


def schedule(chance: Callable[[], float] = lambda: 0.0) -> Schedule:
    """A schedule of five minutes."""
    return Schedule(INTERVAL, chance)


def look(plan: Schedule, now: float, outcome: Outcome = Outcome.READ) -> list[Login]:
    """What is looked at now, at once and with that outcome."""
    taken = plan.take(now)
    for each in taken:
        plan.done(each, now, outcome)
    return taken


def test_what_is_added_is_looked_at_now_and_then_once_an_interval() -> None:
    plan = schedule()
    plan.add(login(), 10.0)
    plan.add(login(), 11.0)

    assert len(plan) == 1
    assert plan.unread == 1
    assert plan.next == 10.0
    assert look(plan, 10.0) == [login()]
    assert plan.unread == 0
    assert look(plan, 309.9) == []
    assert look(plan, 310.0) == [login()]
    assert plan.next == 610.0


def test_the_second_look_comes_earlier_so_that_looks_spread() -> None:
    plan = schedule(lambda: 0.5)
    plan.add(login(), 0.0)
    look(plan, 0.0)

    assert plan.next == 225.0
    assert look(plan, 225.0) == [login()]
    assert plan.next == 525.0


def test_a_registry_is_asked_a_few_things_at_a_time_and_others_do_not_wait() -> None:
    plan = schedule()
    for number in range(AT_ONCE + 2):
        plan.add(login(f"team/{number}"), 0.0)
    elsewhere = login(registry="other.example.com")
    plan.add(elsewhere, 0.0)

    taken = plan.take(0.0)

    assert len(taken) == AT_ONCE + 1
    assert elsewhere in taken
    assert plan.take(1.0) == []
    assert plan.lag(3.0) == 3.0
    plan.done(taken[0], 2.0, Outcome.READ)
    assert plan.take(2.0) == [login(f"team/{AT_ONCE}")]


def test_a_hint_is_a_look_now_and_two_a_moment_later() -> None:
    plan = schedule()
    plan.add(login(), 0.0)
    look(plan, 0.0)

    assert plan.hint("registry.example.com", "team/app", 100.0)
    assert [now for now in range(100, 140) if look(plan, float(now))] == [
        100 + int(seconds) for seconds in HINTED
    ]


def test_hints_without_a_registry_are_for_all_that_have_the_repository() -> None:
    plan = schedule()
    both = [login(), login(registry="other.example.com")]
    for each in both:
        plan.add(each, 0.0)
    look(plan, 0.0)

    assert plan.hint("", "team/app", 50.0)
    assert set(plan.take(50.0)) == set(both)


@pytest.mark.parametrize(
    ("registry", "path"),
    [("other.example.com", "team/app"), ("registry.example.com", "team/other"), ("", "team")],
    ids=["another registry", "another repository", "a part of the path"],
)
def test_what_no_rule_names_is_not_looked_at(registry: str, path: str) -> None:
    plan = schedule()
    plan.add(login(), 0.0)
    look(plan, 0.0)

    assert not plan.hint(registry, path, 50.0)
    assert look(plan, 100.0) == []


def test_a_flood_of_hints_is_one_look_in_a_few_seconds() -> None:
    plan = schedule()
    plan.add(login(), 0.0)
    look(plan, 0.0)

    looks = 0
    for tenth in range(100, 700):
        plan.hint("", "team/app", tenth / 10)
        looks += len(look(plan, tenth / 10))

    assert looks == 60 / LEAST


def test_who_is_silent_is_asked_less_and_less_often() -> None:
    plan = schedule()
    plan.add(login(), 0.0)
    begun = [now for now in range(0, 20_000, 10) if look(plan, float(now), Outcome.SILENT)]

    pauses = [later - sooner for sooner, later in itertools.pairwise(begun)]
    assert pauses[:5] == [300, 600, 1200, 2400, LONGEST]
    assert set(pauses[5:]) == {LONGEST}


def test_once_one_answers_all_that_were_silent_are_asked_again() -> None:
    plan = schedule()
    silent, other = login("team/silent"), login("team/other")
    elsewhere = login("team/silent", "other.example.com")
    for each in (silent, elsewhere):
        plan.add(each, 0.0)
    look(plan, 0.0, Outcome.SILENT)
    plan.add(other, 100.0)

    assert look(plan, 100.0) == [other]
    assert plan.take(100.0) == [silent]


def test_a_refusal_is_an_answer() -> None:
    plan = schedule()
    plan.add(login(), 0.0)
    look(plan, 0.0, Outcome.REFUSED)
    look(plan, 300.0, Outcome.REFUSED)

    assert plan.next == 600.0


def test_what_is_dropped_is_not_looked_at_wherever_it_stands() -> None:
    plan = schedule()
    for number in range(AT_ONCE + 1):
        plan.add(login(f"team/{number}"), 0.0)
    taken = plan.take(0.0)
    waiting = login(f"team/{AT_ONCE}")
    plan.drop(waiting)
    plan.drop(waiting)
    plan.drop(taken[0])
    plan.done(taken[0], 1.0, Outcome.READ)
    plan.add(login("queued"), 1.0)
    plan.drop(login("queued"))

    assert plan.take(2.0) == []
    assert not plan.hint("", "queued", 2.0)
    assert len(plan) == AT_ONCE - 1


def test_of_nothing_nothing_is_due() -> None:
    assert schedule().next is None
    assert schedule().lag(5.0) == 0.0
    assert schedule().take(5.0) == []


@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=1), st.integers(1, 30))
def test_no_repository_is_looked_at_twice_in_an_interval_after_its_second_look(
    chances: list[float], repositories: int
) -> None:
    each = iter(chances * repositories)
    plan = schedule(lambda: next(each))
    for number in range(repositories):
        plan.add(login(f"team/{number}"), 0.0)
    begun: dict[Login, list[int]] = {}
    for now in range(0, 1500, 5):
        for taken in look(plan, float(now)):
            begun.setdefault(taken, []).append(now)

    assert len(begun) == repositories
    for times in begun.values():
        later = times[1:]
        assert all(b - a >= INTERVAL for a, b in itertools.pairwise(later))
        assert len(times) >= 4
