"""What may pass is asked for again, as late as the registry says, and never beyond a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmp.errors import BadReplyError, DeniedError, MisconfiguredError, UnreachableError
from cmp.registry.http.exchange import HttpRequest, HttpResponse
from cmp.registry.http.retry import ATTEMPTS, Deadline, Retry, is_passing, stated_wait
from tests.registry.http.wire import OK, Answer, Clock, Wire, recorded, response

DATE = "Sun, 22 Nov 2026 11:46:21 GMT"
SOON = "Sun, 22 Nov 2026 11:46:28 GMT"
REQUEST = HttpRequest("GET", "https://registry.example.com/v2/a/tags/list")
NO_ANSWER = UnreachableError("RT540", "no answer")


def run(
    answers: Iterable[Answer], clock: Clock, *, seconds: float = 20.0, jitter: float = 1.0
) -> tuple[HttpResponse, int]:
    """The last answer, and how many requests were made."""
    wire = Wire(answers)
    retry = Retry(sleep=clock.sleep, jitter=lambda: jitter)
    last = retry.run(lambda: wire(REQUEST, seconds=1), Deadline(seconds, clock=clock))
    return asyncio.run(last), len(wire.requests)


@pytest.mark.parametrize("status", [200, 206, 304, 307, 400, 401, 403, 404, 405, 416, 422])
def test_an_answer_is_not_asked_for_again(status: int) -> None:
    clock = Clock()

    assert (response(status), 1) == run([response(status)], clock)
    assert clock.slept == []


@pytest.mark.parametrize("passing", [408, 429, 500, 501, 502, 503, 504, 599])
def test_what_may_pass_is_asked_for_again(passing: int) -> None:
    assert run([response(passing), OK], Clock()) == (OK, 2)


def test_no_answer_is_asked_for_again() -> None:
    assert run([NO_ANSWER, NO_ANSWER, OK], Clock()) == (OK, 3)


def test_what_a_person_must_mend_is_told_at_once() -> None:
    clock = Clock()

    with pytest.raises(MisconfiguredError):
        run([MisconfiguredError("RT542", "its certificate has expired"), OK], clock)

    assert clock.slept == []


def test_pauses_double_and_attempts_end() -> None:
    clock = Clock()

    last, count = run([response(503)], clock)

    assert (last.status, count) == (503, ATTEMPTS)
    assert clock.slept == [0.5, 1.0, 2.0]


def test_who_says_how_long_to_wait_is_asked_again_until_the_deadline() -> None:
    clock = Clock()
    throttled = response(429, ratelimit_reset="1")

    assert run([*[throttled] * 9, OK], clock, jitter=0.0) == (OK, 10)
    assert clock.slept == [1.0] * 9

    last, count = run([throttled], Clock(), jitter=0.0)
    assert (last.status, count) == (429, 20)


def test_a_stated_wait_of_less_than_a_second_ends_with_the_attempts() -> None:
    last, count = run([response(429, retry_after="0")], Clock())

    assert (last.status, count) == (429, ATTEMPTS)


def test_no_answer_after_many_waits_is_the_last_attempt() -> None:
    throttled = response(429, ratelimit_reset="1")

    with pytest.raises(UnreachableError):
        run([*[throttled] * (ATTEMPTS + 1), NO_ANSWER, OK], Clock(), jitter=0.0)


def test_pauses_are_by_chance() -> None:
    clock = Clock()

    run([response(503)], clock, jitter=0.25)

    assert clock.slept == [0.125, 0.25, 0.5]


def test_no_answer_at_all_is_the_error_in_the_end() -> None:
    clock = Clock()

    with pytest.raises(UnreachableError) as caught:
        run([NO_ANSWER], clock)

    assert caught.value is NO_ANSWER
    assert len(clock.slept) == ATTEMPTS - 1


@pytest.mark.parametrize("error", [DeniedError("RT541", "x"), BadReplyError("RT542", "x")])
def test_other_errors_are_not_tried_again(error: Exception) -> None:
    clock = Clock()

    with pytest.raises(type(error)):
        run([error], clock)

    assert clock.slept == []


@pytest.mark.parametrize(
    ("first", "slept"),
    [
        pytest.param(response(429, retry_after="7"), 7.5, id="seconds"),
        pytest.param(response(503, retry_after="7"), 7.5, id="seconds of a 503"),
        pytest.param(response(429, retry_after=SOON, date=DATE), 7.5, id="a date"),
        pytest.param(recorded("errors/ratelimit_429"), 1.5, id="Zot's Ratelimit-Reset"),
        pytest.param(response(429, x_ratelimit_reset="3"), 3.5, id="X-RateLimit-Reset"),
        pytest.param(
            response(429, x_ratelimit_reset="1795347988", date=DATE), 7.5, id="since the epoch"
        ),
        pytest.param(response(429, retry_after="2", ratelimit_reset="9"), 2.5, id="both"),
        pytest.param(response(429, retry_after="0"), 0.5, id="nothing to wait for"),
    ],
)
def test_what_the_registry_says_to_wait_is_waited(first: HttpResponse, slept: float) -> None:
    clock = Clock()

    assert run([first, OK], clock) == (OK, 2)
    assert [slept] == clock.slept


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"retry_after": "-5"}, id="negative"),
        pytest.param({"retry_after": "soon"}, id="a word"),
        pytest.param({"retry_after": "1e9"}, id="not digits"),
        pytest.param({"retry_after": "٣"}, id="digits of another script"),
        pytest.param({"retry_after": SOON}, id="a date, of an answer without one"),
        pytest.param({"retry_after": SOON, "date": "x"}, id="a date, of an answer with a bad one"),
        pytest.param({"retry_after": DATE, "date": SOON}, id="a date that is past"),
        pytest.param(
            {"retry_after": "Sun, 22 Nov 2026 11:46:28 -0000", "date": DATE}, id="no zone"
        ),
        pytest.param({"retry_after": "Sun, 22 Nov 99999999999 11:46:28 GMT"}, id="a far year"),
        pytest.param({"ratelimit_reset": "x"}, id="a reset that is none"),
        pytest.param({"x_ratelimit_reset": "1795347988"}, id="an epoch, without a date"),
    ],
)  # fmt: skip
def test_what_says_nothing_sensible_counts_as_nothing(headers: dict[str, str]) -> None:
    assert stated_wait(response(429, **headers)) == 0.0


def test_a_reset_counts_for_too_many_requests_alone() -> None:
    assert stated_wait(response(503, ratelimit_reset="9")) == 0.0


@pytest.mark.parametrize("stated", ["20", "1000000000", "9" * 400])
def test_a_wait_beyond_the_deadline_ends_at_once(stated: str) -> None:
    clock = Clock()

    last, count = run([response(429, retry_after=stated), OK], clock)

    assert (last.status, count) == (429, 1)
    assert clock.slept == []


def test_no_answer_near_the_deadline_is_an_error_at_once() -> None:
    clock = Clock()

    with pytest.raises(UnreachableError):
        run([NO_ANSWER, OK], clock, seconds=0.4)

    assert clock.slept == []


@given(
    st.lists(st.sampled_from([408, 429, 500, 503]), min_size=1, max_size=6),
    st.text(max_size=20) | st.integers(-5, 50).map(str),
    st.floats(0, 30),
)
def test_no_wait_passes_the_deadline(statuses: list[int], stated: str, seconds: float) -> None:
    clock = Clock()

    run([response(status, retry_after=stated) for status in statuses], clock, seconds=seconds)

    assert sum(clock.slept) <= seconds


@given(st.integers(100, 599))
def test_only_passing_statuses_are_passing(status: int) -> None:
    assert is_passing(status) == (status in {408, 429} or status // 100 == 5)
