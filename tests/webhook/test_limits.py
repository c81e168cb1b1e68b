"""How many hints come through."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from sidecar.webhook.events import Hint
from sidecar.webhook.limits import SPACING, Limiter, Outcome


class Time:
    """A clock that stands, and calls what is due when it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._due: list[tuple[float, _Handle]] = []

    def clock(self) -> float:
        """The time."""
        return self.now

    def later(self, seconds: float, call: Callable[[], None]) -> _Handle:
        """Have *call* called then."""
        handle = _Handle(call)
        self._due.append((self.now + seconds, handle))
        return handle

    def move(self, seconds: float) -> None:
        """Let so much time pass."""
        until = self.now + seconds
        while due := sorted((each for each in self._due if each[0] <= until), key=lambda e: e[0]):
            self._due.remove(due[0])
            self.now = max(self.now, due[0][0])
            due[0][1].run()
        self.now = until


class _Handle:
    def __init__(self, call: Callable[[], None]) -> None:
        self._call: Callable[[], None] | None = call

    def cancel(self) -> None:
        self._call = None

    def run(self) -> None:
        if self._call is not None:
            self._call()


class Passing:
    """A limiter, its time, and what came through with the time it did."""

    def __init__(self, allowed: int) -> None:
        self.time = Time()
        self.began = self.time.now
        self.passed: list[tuple[float, str]] = []
        self.limiter = Limiter(
            lambda _registry, repository: self.passed.append(
                (self.time.now - self.began, repository)
            ),
            allowed=allowed,
            clock=self.time.clock,
            later=self.time.later,
        )

    def offer(self, repository: str) -> Outcome:
        """Offer a hint."""
        return self.limiter.offer(Hint("", repository))


def test_the_first_is_passed_on_at_once_and_those_after_it_once_more() -> None:
    passing = Passing(100)

    outcomes = [passing.offer("a") for _ in range(5)]
    passing.time.move(60)

    assert outcomes == [Outcome.TAKEN, *[Outcome.MERGED] * 4]
    assert passing.passed == [(0, "a"), (SPACING, "a")]


def test_the_second_look_comes_when_the_first_is_so_long_ago() -> None:
    passing = Passing(100)
    passing.offer("a")
    passing.time.move(SPACING - 1)
    passing.offer("a")
    passing.time.move(60)

    assert passing.passed == [(0, "a"), (SPACING, "a")]


def test_another_repository_does_not_wait() -> None:
    passing = Passing(100)

    assert [passing.offer(name) for name in "abab"] == [
        Outcome.TAKEN,
        Outcome.TAKEN,
        Outcome.MERGED,
        Outcome.MERGED,
    ]
    assert passing.passed == [(0, "a"), (0, "b")]


def test_after_a_while_it_is_passed_on_at_once_again() -> None:
    passing = Passing(100)
    passing.offer("a")
    passing.time.move(SPACING)

    assert passing.offer("a") is Outcome.TAKEN
    assert passing.passed == [(0, "a"), (SPACING, "a")]


def test_a_second_look_at_one_keeps_no_other_back() -> None:
    passing = Passing(100)
    passing.offer("a")
    passing.offer("a")
    passing.time.move(1)
    passing.offer("b")
    passing.time.move(SPACING)

    assert passing.offer("b") is Outcome.TAKEN
    assert [name for _, name in passing.passed] == ["a", "b", "a", "b"]


def test_of_what_is_allowed_in_an_hour_no_more_comes_through_at_once() -> None:
    passing = Passing(3)

    outcomes = [passing.offer(name) for name in "abcde"]

    assert outcomes == [*[Outcome.TAKEN] * 3, *[Outcome.LIMITED] * 2]
    passing.time.move(1199)
    assert passing.offer("d") is Outcome.LIMITED
    passing.time.move(1)
    assert passing.offer("d") is Outcome.TAKEN
    assert passing.offer("e") is Outcome.LIMITED


def test_a_day_of_silence_allows_no_more_than_an_hour() -> None:
    passing = Passing(3)
    passing.time.move(86_400)

    outcomes = [passing.offer(name) for name in "abcde"]

    assert outcomes == [*[Outcome.TAKEN] * 3, *[Outcome.LIMITED] * 2]


def test_the_second_look_counts_as_well() -> None:
    passing = Passing(1)
    passing.offer("a")
    passing.offer("a")
    passing.time.move(60)

    assert passing.passed == [(0, "a")]


def test_so_many_wait_and_no_more() -> None:
    passing = Passing(5000)
    names = [f"r{number}" for number in range(1001)]
    for name in names:
        passing.offer(name)

    outcomes = [passing.offer(name) for name in names]

    assert outcomes == [*[Outcome.MERGED] * 1000, Outcome.LIMITED]


def test_after_the_end_nothing_comes() -> None:
    passing = Passing(100)
    passing.offer("a")
    passing.offer("a")
    passing.limiter.close()
    passing.time.move(60)

    assert passing.passed == [(0, "a")]


@given(
    st.integers(1, 50),
    st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 30)), max_size=80),
)
def test_whatever_is_sent_the_limits_hold_and_the_last_is_looked_at(
    allowed: int, sent: list[tuple[str, float]]
) -> None:
    passing = Passing(allowed)
    offered: dict[str, float] = {}
    for name, pause in sent:
        outcome = passing.offer(name)
        if outcome is not Outcome.LIMITED:
            offered[name] = passing.time.now - passing.began
        passing.time.move(pause)
    passing.time.move(60)

    elapsed = passing.time.now - passing.began
    assert len(passing.passed) <= allowed + elapsed * allowed / 3600
    for name in "abc":
        times = [at for at, each in passing.passed if each == name]
        assert all(later - earlier >= SPACING - 1e-6 for earlier, later in pairwise(times))
        spent = len(passing.passed) >= allowed
        assert name not in offered or spent or times[-1] >= offered[name]
