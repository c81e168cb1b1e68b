"""JSON documents: where a value ends, and its events with exact offsets.

The standard decoder judges (and refuses what Go's `encoding/json` refuses); a scan over the tokens
then gives the places, in libyaml's words, so that one reader serves YAML and JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, Never

from yaml.error import Mark
from yaml.events import (
    DocumentEndEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from cmp.manifests.sites import Quoting
from cmp.manifests.text import Part, Span, begin, finish

_SPACES = re.compile(r"[ \t\r\n]*+")
_TOKEN = re.compile(rb'[{}\[\]]|"(?:[^"\\]++|\\.)*+"|[^ \t\r\n,:{}\[\]"]++')


class JsonError(ValueError):
    """The text is no JSON value; *offset* says where it stops being one.

    *too_deep*: it may be one, but nests deeper than the decoder can follow.
    """

    def __init__(self, what: str, offset: int, *, too_deep: bool = False) -> None:
        super().__init__(what)
        self.offset = offset
        self.too_deep = too_deep


def _refuse_constant(name: str) -> Never:
    raise ValueError(f"{name} is no JSON value")


# Numbers stay text: Python refuses to convert very long ones, which Go never reads.
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_refuse_constant)


def value_at(text: str, offset: int) -> tuple[int, int] | None:
    """Where the next value of *text* from *offset* begins and ends; None at the end of the text.

    Raises `JsonError`.
    """
    spaces = _SPACES.match(text, offset)
    assert spaces is not None
    start = spaces.end()
    if start == len(text):
        return None
    try:
        _, end = _DECODER.raw_decode(text, start)
    except json.JSONDecodeError as error:
        raise JsonError(error.msg, error.pos) from None
    except RecursionError:
        raise JsonError("the value nests too deeply", start, too_deep=True) from None
    except ValueError as error:
        raise JsonError(str(error), start) from None
    if text[start] in "-0123456789" and text[end : end + 1] in tuple(".eE"):
        raise JsonError("a number ends in its middle", end)
    return start, end


class JsonText:
    """The one, valid JSON value that *stream* holds in *part*. Marks count bytes of the stream."""

    def __init__(self, stream: bytes, part: Part) -> None:
        self._stream = stream
        self._part = part

    def feed(self, read: Callable[[Iterator[Event]], None]) -> None:
        """See `Text`."""
        read(self._events())

    def _events(self) -> Iterator[Event]:
        for token in _TOKEN.finditer(self._stream, self._part.start, self._part.end):
            yield _event(token)
        yield DocumentEndEvent()

    @property
    def is_doubtful(self) -> bool:
        """See `Text`."""
        return False

    def fault(self, event: ScalarEvent, *, in_flow: bool) -> str | None:
        """See `Text`. The value is valid."""

    def offset(self, index: int) -> int:
        """See `Text`."""
        return index

    def span(self, event: ScalarEvent) -> Span:
        """See `Text`. Only strings are asked for."""
        return Span(begin(event) + 1, finish(event) - 1, Quoting.DOUBLE)

    def dropped(self) -> None:
        """See `Text`."""


_COLLECTIONS: dict[bytes, Any] = {
    b"{": lambda at: MappingStartEvent(None, None, True, at, at),
    b"[": lambda at: SequenceStartEvent(None, None, True, at, at),
    b"}": lambda _: MappingEndEvent(),
    b"]": lambda _: SequenceEndEvent(),
}


def _event(token: re.Match[bytes]) -> Event:
    text = token[0]
    start = _mark(token.start())
    if collection := _COLLECTIONS.get(text):
        event: Event = collection(start)
        return event
    end = _mark(token.end())
    if text.startswith(b'"'):
        return ScalarEvent(None, None, (False, True), _string(text), start, end, '"')
    return ScalarEvent(None, None, (True, False), text.decode(), start, end)


def _string(text: bytes) -> str:
    inner = text[1:-1]
    if b"\\" not in inner:
        return inner.decode("utf-8", "replace")
    return str(json.loads(text.decode("utf-8", "replace")))


def _mark(offset: int) -> Mark:
    return Mark("", offset, 0, 0, None, 0)
