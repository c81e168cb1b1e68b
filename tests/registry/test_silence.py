"""The log has the beginning of a registry's silence and its end, however many ask meanwhile."""

from __future__ import annotations

import logging

import pytest

from cmp.errors import RegistryError, ThrottledError, UnreachableError
from cmp.registry.silence import FORGOTTEN, PAUSE, Silences
from tests.registry.origin import Clock

ONE, OTHER = "one.example.com", "other.example.com"
REFUSED = UnreachableError("RT540", "the connection is refused", remedy="check the port")
TOO_OFTEN = ThrottledError("RT551", "asked too often")


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """The log, from information on."""
    caplog.set_level(logging.INFO, "retag.registry")
    return caplog


def begun(registry: str, error: RegistryError) -> tuple[str, str]:
    """The line for a silence that begins."""
    return ("WARNING", f"{registry} is silent, so the tags it listed last serve: {error}")


def over(registry: str) -> tuple[str, str]:
    """The line for its end."""
    return ("INFO", f"{registry} answers again")


def told(lines: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """What the log says."""
    return [(each.levelname, each.getMessage()) for each in lines.records]


def test_each_registry_and_kind_of_error_is_told_once(lines: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    silences = Silences(clock)
    for number in range(100):
        clock.now += 3
        silences.failed(ONE, UnreachableError("RT540", f"refused for repository {number}"))
        silences.failed(ONE, TOO_OFTEN)
        silences.failed(OTHER, REFUSED)

    first = UnreachableError("RT540", "refused for repository 0")
    assert told(lines) == [begun(ONE, first), begun(ONE, TOO_OFTEN), begun(OTHER, REFUSED)]


def test_an_answer_after_a_silence_is_told_once(lines: pytest.LogCaptureFixture) -> None:
    silences = Silences(Clock())
    silences.answered(ONE)
    silences.failed(ONE, REFUSED)
    silences.failed(OTHER, REFUSED)
    silences.answered(ONE)
    silences.answered(ONE)

    assert told(lines) == [begun(ONE, REFUSED), begun(OTHER, REFUSED), over(ONE)]


def test_a_registry_that_comes_and_goes_does_not_fill_the_log(
    lines: pytest.LogCaptureFixture,
) -> None:
    clock = Clock()
    silences = Silences(clock)
    for _ in range(10):
        silences.failed(ONE, REFUSED)
        silences.answered(ONE)
    assert told(lines) == [begun(ONE, REFUSED), over(ONE)]

    clock.now += PAUSE
    silences.failed(ONE, REFUSED)
    assert told(lines)[2:] == [begun(ONE, REFUSED)]


def test_a_silence_whose_end_nobody_saw_hides_no_later_one(
    lines: pytest.LogCaptureFixture,
) -> None:
    clock = Clock()
    silences = Silences(clock)
    silences.failed(ONE, REFUSED)
    clock.now += FORGOTTEN
    silences.failed(ONE, REFUSED)

    assert told(lines) == [begun(ONE, REFUSED)] * 2
