"""A log line is one line, in either form, and holds no secret."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.logs import FORMATS, LEVELS, TRACE, JsonLines, TextLines, clean, configure


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """The process' own logging is put back."""
    root = logging.getLogger()
    handlers, level, raising = root.handlers, root.level, logging.raiseExceptions
    yield
    root.handlers, logging.raiseExceptions = handlers, raising
    root.setLevel(level)
    for name in ("asyncio", "httpcore", "httpx"):
        logging.getLogger(name).setLevel(logging.NOTSET)


def logged(form: str, level: str = "info") -> tuple[io.StringIO, logging.Logger]:
    """Where lines go to, and a logger that writes them."""
    stream = io.StringIO()
    configure(level, form, stream)
    return stream, logging.getLogger("retag.test")


def test_a_json_line_has_time_level_logger_message_and_what_else_is_given() -> None:
    stream, log = logged("json")

    log.warning("configuration %s", "loaded", extra={"resources": 3, "file": None, "ok": True})

    line = json.loads(stream.getvalue())
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "warn",
        "logger": "retag.test",
        "msg": "configuration loaded",
        "file": None,
        "ok": True,
        "resources": 3,
    }


def test_a_text_line_is_as_logrus_writes_it() -> None:
    stream, log = logged("text")

    log.error('it says "no"', extra={"count": 2, "name_of": "a b"})

    time, _, line = stream.getvalue().partition(" ")
    assert time.startswith('time="20')
    assert line == ('level=error logger=retag.test msg="it says \\"no\\"" count=2 name_of="a b"\n')


def test_time_is_utc_with_milliseconds() -> None:
    record = logging.makeLogRecord({"created": 1_767_225_600.1234, "msg": "x"})

    assert JsonLines().pairs(record)["time"] == "2026-01-01T00:00:00.123Z"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("GET https://user:pa@ss@reg.example.com/v2/", "GET https://reg.example.com/v2/"),
        ("sent Authorization: Basic dXNlcjpwYXNz", "sent Authorization: Basic …"),
        ("authorization: bearer abc.def-ghi", "authorization: bearer …"),
        ("GET /token?access_token=abc&scope=x", "GET /token?access_token=…&scope=x"),
        ("password=hunter2 failed", "password=… failed"),
        ("two\nlines \x1b[31mred", "two lines  [31mred"),
        ("a basic error of a kind", "a basic error of a kind"),
        ("x" * 5000, "x" * 3999 + "…"),
    ],
    ids=[
        "user info",
        "basic login",
        "bearer token",
        "token in a query",
        "password",
        "lines and colours",
        "ordinary words",
        "overlong",
    ],
)
def test_what_is_written_is_clean(text: str, expected: str) -> None:
    assert clean(text) == expected
    stream, log = logged("json")
    log.info("%s", text, extra={"other": text})
    line = json.loads(stream.getvalue())
    assert (line["msg"], line["other"]) == (expected, expected)


def test_an_exception_is_told_by_its_kind_and_place_without_its_text() -> None:
    stream, log = logged("text")

    try:
        int("the data of a tenant")
    except ValueError:
        log.exception("a request ended in a bug")

    written = stream.getvalue()
    assert 'exception="ValueError at test_logs.py:' in written
    assert "tenant" not in written
    assert written.count("\n") == 1


def test_an_exception_that_is_none_is_left_out() -> None:
    record = logging.makeLogRecord({"msg": "x", "exc_info": (None, None, None)})

    assert "exception" not in JsonLines().pairs(record)


@pytest.mark.parametrize("level", LEVELS)
def test_the_levels_of_the_image_updater_say_what_is_logged(level: str) -> None:
    stream, log = logged("json", level.upper())

    for number in LEVELS.values():
        log.log(number, "x")

    levels = [json.loads(line)["level"] for line in stream.getvalue().splitlines()]
    names = list(LEVELS)
    assert levels == names[names.index(level) :]


def test_requests_to_registries_are_told_at_trace_only() -> None:
    stream, _ = logged("text", "debug")
    logging.getLogger("httpx").info("HTTP Request: GET …")
    assert stream.getvalue() == ""

    stream, _ = logged("text", "trace")
    logging.getLogger("httpx").log(TRACE, "HTTP Request: GET …")
    assert "logger=httpx" in stream.getvalue()


def test_other_libraries_write_in_the_same_form() -> None:
    stream, _ = logged("json")

    logging.getLogger("uvicorn.error").error("it broke")

    assert json.loads(stream.getvalue())["logger"] == "uvicorn.error"


@given(
    message=st.text(), value=st.text() | st.integers() | st.none(), form=st.sampled_from(FORMATS)
)
def test_whatever_is_logged_is_one_line(message: str, value: object, form: str) -> None:
    stream, log = logged(form)

    log.info("%s", message, extra={"value": value})

    written = stream.getvalue()
    assert written.splitlines() == [written[:-1]]
    if form == "json":
        assert set(json.loads(written)) == {"time", "level", "logger", "msg", "value"}


def test_a_stream_that_is_closed_ends_nothing() -> None:
    stream, log = logged("json")
    stream.close()

    log.error("nobody reads this")


def test_both_forms_have_the_same_pairs() -> None:
    record = logging.makeLogRecord({"msg": "x", "levelname": "INFO", "levelno": 20})

    assert [pair.partition("=")[0] for pair in TextLines().format(record).split()] == list(
        json.loads(JsonLines().format(record))
    )
