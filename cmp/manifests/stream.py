"""Where the documents of a stream begin and end, exactly as Argo CD splits what a plugin prints.

Argo CD's `SplitYAMLToString` (gitops-engine) reads with apimachinery's `YAMLOrJSONDecoder`
(v0.36): a stream that begins with `{` is read as JSON values one after the other, and as YAML from
the place where that fails, unless more than one value was read. YAML is cut into documents at
lines that begin with `---`, whatever scalar they stand in. Nothing here looks into a document.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator

from cmp.errors import ManifestError
from cmp.manifests.jsontext import JsonError, value_at
from cmp.manifests.text import Lines, Part

# Argo CD's own limit for what a plugin prints (ARGOCD_GRPC_MAX_SIZE_MB, 100 by default).
MAX_BYTES = 100 * 1024 * 1024
# More objects than any Application has; a megabyte of bare separators would otherwise be 250,000.
MAX_DOCUMENTS = 100_000

# Go's unicode.IsSpace, as UTF-8.
_SPACE = (
    rb"(?:[\t-\r ]|\xc2[\x85\xa0]|\xe1\x9a\x80|\xe2\x80[\x80-\x8a\xa8\xa9\xaf]"
    rb"|\xe2\x81\x9f|\xe3\x80\x80)"
)
_SPACES = re.compile(_SPACE + rb"*+")
_SPACES_OF_LINE = re.compile(rb"(?:(?!\n)" + _SPACE + rb")*+\n?")
# Four bytes that begin with a whole character.
_FOUR_BYTES = re.compile(
    rb"(?s)(?=....)(?:[\x00-\x7f]|[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3})"
)
_SEPARATOR = re.compile(rb"---" + _SPACE + rb"*+(?:#|\Z)")
# How far the decoder looks for the `{` that means JSON (SplitYAMLToString's buffer size).
_LOOKAHEAD = 4096


class Splitter:
    """Cuts *stream* into parts, in order."""

    def __init__(self, stream: bytes) -> None:
        self._stream = stream
        self._number = 0
        self._lines = Lines(stream)

    def __iter__(self) -> Iterator[Part]:
        start = 0
        if self._looks_like_json():
            start = yield from self._json_values()
        yield from self._yaml_documents(start)

    def _looks_like_json(self) -> bool:
        head = self._stream[:_LOOKAHEAD]
        spaces = _SPACES.match(head)
        return spaces is not None and head.startswith(b"{", spaces.end())

    def _json_values(self) -> Generator[Part, None, int]:
        """The JSON values; returns where reading goes on as YAML."""
        offset = count = 0
        try:
            while span := value_at(self._stream, offset):
                yield self._part(*span, is_json=True)
                offset = span[1]
                count += 1
        except JsonError as error:
            yaml = self._after_space(offset)
            if count > 1 or yaml is None:
                yield self._rest(offset, self._json_fault(error))
                return len(self._stream)
            return yaml
        return len(self._stream)

    def _after_space(self, offset: int) -> int | None:
        """Where YAML begins after JSON: past the line's blank end, or at its first character.

        None if Argo CD does not go on: it looks at four bytes at a time, and wants all four.
        """
        spaces = _SPACES_OF_LINE.match(self._stream, offset)
        assert spaces is not None
        end = spaces.end()
        last = end - 1 if spaces[0].endswith(b"\n") else end
        return end if _FOUR_BYTES.match(self._stream, last) else None

    def _yaml_documents(self, start: int) -> Iterator[Part]:
        stream = self._stream
        while start < len(stream):
            end = self._separator(start)
            after = self._line_end(end)
            fault = self._separator_fault(end, after)
            # A separator that nothing stands before is a line of the document that it opens.
            if stream.startswith(b"---", start):
                fault = self._separator_fault(start, self._line_end(start)) or fault
            if fault:
                yield self._rest(start, fault)
                return
            yield self._part(start, end)
            start = after

    def _separator(self, start: int) -> int:
        """Where the next separator after the line at *start* stands; the end if there is none."""
        found = self._stream.find(b"\n---", start)
        return found + 1 if found >= 0 else len(self._stream)

    def _line_end(self, start: int) -> int:
        found = self._stream.find(b"\n", start)
        return found + 1 if found >= 0 else len(self._stream)

    def _separator_fault(self, start: int, end: int) -> ManifestError | None:
        """Why Argo CD refuses a separator's line: it allows nothing but a comment after `---`."""
        if start == end or _SEPARATOR.match(self._stream, start, end):
            return None
        text = self._stream[start:end].decode("utf-8", "replace").strip()
        return ManifestError(
            "RT404",
            f"Argo CD refuses the separator {text[:40]!r}",
            where=f"line {self._lines.at(start)}",
            remedy="let nothing but a comment stand in a line that begins with ---",
        )

    def _json_fault(self, error: JsonError) -> ManifestError:
        return ManifestError(
            "RT403",
            f"Argo CD cannot read on: {error}",
            where=f"line {self._lines.at(error.offset)}",
            remedy="a stream that begins with JSON values must go on with JSON values",
        )

    def _rest(self, start: int, fault: ManifestError) -> Part:
        return self._part(start, len(self._stream), fault=fault)

    def _part(
        self, start: int, end: int, *, is_json: bool = False, fault: ManifestError | None = None
    ) -> Part:
        self._number += 1
        if self._number > MAX_DOCUMENTS:
            raise ManifestError(
                "RT402", f"more than {MAX_DOCUMENTS:,} documents", remedy="split the Application"
            )
        return Part(start, end, self._number, self._lines.at(start), is_json, fault)
