"""YAML documents through libyaml's events, which say where each scalar stands.

Argo CD reads YAML 1.1 with a Go translation of libyaml (go.yaml.in/yaml/v2): grammar, limits and
errors are the same, but for what is named here. Nothing is ever dumped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from yaml._yaml import CParser
from yaml.error import MarkedYAMLError, YAMLError
from yaml.events import DocumentStartEvent, Event, ScalarEvent, StreamEndEvent
from yaml.reader import ReaderError

from cmp.manifests import scalars
from cmp.manifests.sites import Quoting
from cmp.manifests.text import Part, Refusal, Span, begin, finish

# libyaml compares each %TAG with all before it; nobody needs more than a few.
MAX_TAG_DIRECTIVES = 16

_BOM = b"\xef\xbb\xbf"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_BREAK = rb"[\r\n]|\xc2\x85|\xe2\x80[\xa8\xa9]"
_BREAKS = re.compile(_BREAK)
# An anchor, a tag, blanks and comments stand before a scalar, within its marks.
_PROPERTIES = re.compile(rb"(?:[&!](?:(?![ \t]|%b).)*|[ \t]|%b|#(?:(?!%b).)*)*+" % ((_BREAK,) * 3))
_QUOTES = {quoting.value: quoting for quoting in Quoting}
# A mark elsewhere is a character to Argo CD, and nothing to libyaml at the start of a line.
_CHARACTER = "\ufffd".encode()
# In `{a:}` the colon belongs to the text for Argo CD, and is an error to libyaml. Any other
# character that ends no scalar and stands in no reference will do.
_LOST_COLON = re.compile(rb":(?<=[^\s\"'\[\]{},:]:)(?=[,?\[\]{}])")
# Where the decoder may refuse a scalar that libyaml takes: see `fault`, and scalars.fault.
_DOUBTFUL = tuple(
    re.compile(pattern)
    for pattern in (rb"\\/", rb"\.(?:inf|Inf|INF|nan|NaN|NAN)", rb"!!", rb"!<", rb"%TAG")
)
_QUESTION_IN_BRACKETS = re.compile(rb"(?m)^[^\n\[{]*+[\[{][^\n?]*+\?")
_SLASH_ESCAPE = re.compile(rb"(?s)(?:[^\\]|\\[^/])*+\\/")
_CANNOT_READ = "the document cannot be read as YAML 1.1: "


class YamlText:
    """The YAML document that *stream* holds in *part*."""

    def __init__(self, stream: bytes, part: Part) -> None:
        data = stream[part.start : part.end]
        self._is_utf_16 = data.startswith(_UTF_16)
        if self._is_utf_16:
            data = _as_lines(data)
        bom = len(_BOM) if data.startswith(_BOM) else 0  # libyaml does not count it
        self._start = part.start + bom
        self._data = _LOST_COLON.sub(b"!", data[bom:].replace(_BOM, _CHARACTER))
        # Marks count characters: where that is not bytes, they are counted from the last one.
        self._text = None if data.isascii() else self._data.decode("utf-8", "replace")
        self._known = (0, 0)

    def feed(self, read: Callable[[Iterator[Event]], None]) -> None:
        """See `Text`."""
        if self._data.count(b"%TAG") > MAX_TAG_DIRECTIVES:
            raise Refusal("RT402", f"more than {MAX_TAG_DIRECTIVES} %TAG directives", self._start)
        try:
            self._parser = CParser(self._data)
            self._parser.get_event()  # the stream's start
            self._check_start(self._parser.get_event())
            read(iter(self._parser.get_event, None))
        except YAMLError as error:
            raise self._refusal(error) from None

    def _check_start(self, event: Event | None) -> None:
        if isinstance(event, DocumentStartEvent) and event.version not in (None, (1, 1)):
            raise Refusal("RT403", "Argo CD refuses %YAML 1.2", self._start)

    def offset(self, index: int) -> int:
        """See `Text`. In a UTF-16 document every place is its start."""
        return self._start + (0 if self._is_utf_16 else self._byte(index))

    def _byte(self, index: int) -> int:
        if self._text is None:
            return index
        known, byte = self._known if self._known[0] <= index else (0, 0)
        byte += len(self._text[known:index].encode())
        self._known = (index, byte)
        return byte

    def _content(self, event: ScalarEvent) -> tuple[int, int]:
        """The bytes of the scalar with its quotes, without anchor and tag."""
        start, end = self._byte(begin(event)), self._byte(finish(event))
        if event.anchor is not None or event.tag is not None:
            properties = _PROPERTIES.match(self._data, start, end)
            assert properties is not None
            start = properties.end()
        return start, end

    def span(self, event: ScalarEvent) -> Span | None:
        """See `Text`."""
        quoting = _QUOTES.get(event.style or "")
        start, end = self._content(event)
        if quoting is None or self._is_utf_16 or _BREAKS.search(self._data, start, end):
            return None
        inset = len(quoting.value)
        return Span(self._start + start + inset, self._start + end - inset, quoting)

    def dropped(self, end: int) -> int | None:
        """See `Text`. The decoder reads one document, whatever follows it."""
        try:
            event = self._parser.get_event()
        except YAMLError:
            return self.offset(end)
        return None if event is None or isinstance(event, StreamEndEvent) else self.offset(end)

    def _refusal(self, error: YAMLError) -> Refusal:
        """What libyaml found wrong, and where."""
        if isinstance(error, ReaderError):
            return Refusal("RT403", _CANNOT_READ + error.reason, self._start + error.position)
        assert isinstance(error, MarkedYAMLError)
        assert error.problem_mark is not None
        offset = self.offset(error.problem_mark.index)
        return Refusal("RT403", _CANNOT_READ + str(error.problem), offset)

    @property
    def is_doubtful(self) -> bool:
        """See `Text`."""
        if any(pattern.search(self._data) for pattern in _DOUBTFUL):
            return True
        return b"?" in self._data and _QUESTION_IN_BRACKETS.search(self._data) is not None

    def fault(self, event: ScalarEvent, *, in_flow: bool) -> str | None:
        """See `Text`."""
        if event.style == '"' and _SLASH_ESCAPE.match(self._data, *self._content(event)):
            return "YAML 1.1 knows no escape \\/"
        if in_flow and not event.style and "?" in event.value[1:]:
            return "a plain scalar in brackets with a ?"
        return scalars.fault(event)


def _as_lines(data: bytes) -> bytes:
    """*data* as Argo CD's line reader hands it on: to bytes of UTF-16 that makes a difference."""
    lines = data.replace(b"\r\n", b"\n")
    return lines if data.endswith(b"\n") else lines + b"\n"
