"""Opens one document of a stream, and turns what stops its reader into an error with a place."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from cmp.errors import ManifestError
from cmp.manifests.jsontext import JsonText
from cmp.manifests.nodes import Key
from cmp.manifests.reader import Reader
from cmp.manifests.sites import Location
from cmp.manifests.text import Lines, Part, Refusal, Text
from cmp.manifests.yamltext import YamlText

_REMEDIES = {
    "RT401": "nest less",
    "RT402": "write several documents",
    "RT403": "correct what renders it",
}


class Document:
    """The document that *stream* holds in *part*, read; see `Reader` for *wanted*.

    Raises `ManifestError` where it cannot be taken.
    """

    def __init__(self, stream: bytes, part: Part, wanted: AbstractSet[Key] = frozenset()) -> None:
        self._number = part.number
        self._lines = Lines(stream, part.start, part.line)
        if part.fault:
            raise part.fault
        try:
            self.text: Text = (JsonText if part.is_json else YamlText)(stream, part)
            self.content = Reader(self.text, wanted)
            self.text.feed(self.content.read)
        except Refusal as refusal:
            raise self._error(refusal) from None

    def place(self, offset: int) -> Location:
        """The place of *offset* of the stream."""
        return Location(self._number, self._lines.at(offset))

    def _error(self, refusal: Refusal) -> ManifestError:
        where = str(self.place(refusal.offset))
        return ManifestError(
            refusal.code, refusal.what, where=where, remedy=_REMEDIES[refusal.code]
        )
