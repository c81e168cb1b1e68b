"""What a document's text offers its reader, whether it is YAML or JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

from yaml.events import Event, ScalarEvent

from cmp.errors import ManifestError
from cmp.manifests.sites import Quoting


class Part(NamedTuple):
    """A document's bytes, *start* to *end* of the stream; *number* and first *line* from 1.

    *fault* is set where Argo CD fails before it could read a document: the part then is the rest
    of the stream. *is_json*: read as JSON, by JSON's rules.
    """

    start: int
    end: int
    number: int
    line: int
    is_json: bool = False
    fault: ManifestError | None = None


class Span(NamedTuple):
    """Bytes of the stream between a scalar's quotes, and which quotes."""

    start: int
    end: int
    quoting: Quoting


class Refusal(Exception):  # noqa: N818  # a fact about the text; it becomes a ManifestError
    """Why a document cannot be taken, and at which *offset* of the stream."""

    def __init__(self, code: str, what: str, offset: int) -> None:
        super().__init__(what)
        self.code = code
        self.what = what
        self.offset = offset


class Lines:
    """Line numbers of *stream*, from 1. Each question counts on from the last: ask in order."""

    def __init__(self, stream: bytes, offset: int = 0, line: int = 1) -> None:
        self._stream = stream
        self._known = self._first = (offset, line)

    def at(self, offset: int) -> int:
        """The line of *offset*."""
        known, line = self._known if self._known[0] <= offset else self._first
        line += self._stream.count(b"\n", known, offset)
        self._known = (offset, line)
        return line


def begin(event: Event) -> int:
    """The index where *event* begins. Parsers always say so; the type of a mark is optional."""
    assert event.start_mark is not None
    return event.start_mark.index


def finish(event: Event) -> int:
    """The index where *event* ends."""
    assert event.end_mark is not None
    return event.end_mark.index


class Text(Protocol):
    """A document's text as libyaml's events. Marks are its own; `offset` says what they mean."""

    def feed(self, read: Callable[[Iterator[Event]], None]) -> None:
        """Gives *read* the events from the root's first to the document's end.

        Raises `Refusal`.
        """
        ...

    @property
    def is_doubtful(self) -> bool:
        """Whether scalars must be asked for their `fault`."""
        ...

    def fault(self, event: ScalarEvent, *, in_flow: bool) -> str | None:
        """Why Argo CD's decoder refuses the scalar, *in_flow* (within brackets) or not."""
        ...

    def offset(self, index: int) -> int:
        """The offset in the stream of a mark's *index*."""
        ...

    def span(self, event: ScalarEvent) -> Span | None:
        """Where the scalar's text stands; None if that is no piece of a line in UTF-8."""
        ...

    def dropped(self, end: int) -> int | None:
        """Once fed: the offset of text that Argo CD drops after the document's *end*, if any."""
        ...
