"""JSON documents: where a value ends, and its events with exact offsets.

The grammar is RFC 8259, as Go's `encoding/json` reads it. Events are libyaml's, so that one reader
serves YAML and JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

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

_SPACES = re.compile(rb"[ \t\r\n]*+")
# Every quantifier keeps what it took, so a token costs no more than its length.
_TOKEN = re.compile(
    rb"""[ \t\r\n]*+(?:
        (?P<object>\{) | (?P<object_end>\}) | (?P<list>\[) | (?P<list_end>\])
      | (?P<comma>,) | (?P<colon>:)
      | (?P<string>"(?:[^"\\\x00-\x1f]++ | \\["\\/bfnrt] | \\u[0-9a-fA-F]{4})*+")
      | (?P<atom>true | false | null
          | -?(?:0 | [1-9][0-9]*+) (?:\.[0-9]++)?+ (?:[eE][-+]?+[0-9]++)?+ (?![.eE]))
    )""",
    re.VERBOSE,
)
# What each token leads to, by what may come next. DONE: the value is complete.
_DONE = "done"
_VALUE = {"object": "first key", "list": "first item", "string": _DONE, "atom": _DONE}
_GRAMMAR = {
    "value": _VALUE,
    "first item": {**_VALUE, "list_end": _DONE},
    "first key": {"string": "colon", "object_end": _DONE},
    "key": {"string": "colon"},
    "colon": {"colon": "value"},
    "after item": {"comma": "value", "list_end": _DONE},
    "after field": {"comma": "key", "object_end": _DONE},
}
_DEEPEST = 10_000  # collections within each other, for Go's decoder
_AFTER = {"object": "after field", "list": "after item"}


class JsonError(ValueError):
    """The text is no JSON value; *offset* says where it stops being one."""

    def __init__(self, what: str, offset: int) -> None:
        super().__init__(what)
        self.offset = offset


def value_at(stream: bytes, offset: int) -> tuple[int, int] | None:
    """Where the next value of *stream* from *offset* begins and ends; None if only blanks follow.

    Raises `JsonError`.
    """
    spaces = _SPACES.match(stream, offset)
    assert spaces is not None
    start = spaces.end()
    if start == len(stream):
        return None
    end = start
    for token in _tokens(stream, start):
        end = token.end()
    return start, end


def _tokens(stream: bytes, offset: int) -> Iterator[re.Match[bytes]]:
    """The tokens of the one value that begins at *offset*. Raises `JsonError`."""
    after: list[str] = []  # for each collection around, what may come after one of its values
    state = "value"
    while True:
        token = _TOKEN.match(stream, offset)
        kind = token.lastgroup if token else None
        following = _GRAMMAR[state].get(kind or "")
        if token is None or following is None:
            raise JsonError(f"no JSON: a {state} is missing", offset)
        if len(after) > _DEEPEST:
            raise JsonError("no JSON: exceeded max depth", offset)
        yield token
        offset = token.end()
        if kind in _AFTER:
            after.append(_AFTER[kind])
        elif following is _DONE:
            if kind in ("object_end", "list_end"):
                after.pop()
            if not after:
                return
            following = after[-1]
        state = following


class JsonText:
    """The one, valid JSON value that *stream* holds in *part*. Marks count bytes of the stream."""

    def __init__(self, stream: bytes, part: Part) -> None:
        self._stream = stream
        self._part = part

    def feed(self, read: Callable[[Iterator[Event]], None]) -> None:
        """See `Text`."""
        read(self._events())

    def _events(self) -> Iterator[Event]:
        for token in _tokens(self._stream, self._part.start):
            if token.lastgroup in _EVENTS:
                yield _EVENTS[token.lastgroup](token)
        end = _mark(self._part.end)
        yield DocumentEndEvent(end, end)

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

    def dropped(self, end: int) -> None:
        """See `Text`."""


def _open_object(token: re.Match[bytes]) -> Event:
    return MappingStartEvent(None, None, True, *_marks(token, "object"))


def _open_list(token: re.Match[bytes]) -> Event:
    return SequenceStartEvent(None, None, True, *_marks(token, "list"))


def _string(token: re.Match[bytes]) -> Event:
    text = token["string"].decode("utf-8", "replace")
    value = json.loads(text) if "\\" in text else text[1:-1]
    return ScalarEvent(None, None, (False, True), value, *_marks(token, "string"), '"')


def _atom(token: re.Match[bytes]) -> Event:
    return ScalarEvent(None, None, (True, False), token["atom"].decode(), *_marks(token, "atom"))


def _marks(token: re.Match[bytes], kind: str) -> tuple[Mark, Mark]:
    return _mark(token.start(kind)), _mark(token.end(kind))


def _mark(offset: int) -> Mark:
    return Mark("", offset, 0, 0, None, 0)


_EVENTS: dict[str, Callable[[re.Match[bytes]], Event]] = {
    "object": _open_object,
    "list": _open_list,
    "string": _string,
    "atom": _atom,
    "object_end": lambda _: MappingEndEvent(),
    "list_end": lambda _: SequenceEndEvent(),
}
