"""Can this text hold a ruled repository, in any spelling? What cannot is never parsed.

Most of a stream is CRDs, ConfigMaps and objects of other images. Every spelling of an image ends
its name with the repository's last path element, so text without that element holds no such image,
unless something in it could spell the element otherwise: escapes and joined lines in double
quotes, base64 under a `binary` tag, or UTF-16. Saying yes too often costs time; no must be true.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from cmp.reference import Repository

# An element begins after `/` or where its scalar begins, and ends before `:`, `@` or where its
# scalar ends: next to one of these bytes stands a longer word (`api` is in every `apiVersion`).
_WORD = "A-Za-z0-9._-"
# What an escape spells: `-`, `.`, `/`, digits, `_` and lower-case letters (2d-39, 5f, 61-7a).
_CODE = r"(?:x|u00|U000000)(2[d-fD-F]|3[0-9]|5[fF]|6[1-9a-fA-F]|7[0-9aA])"
# The breaks of YAML 1.1. Argo CD drops the CR of a CRLF before it reads.
_BREAK = r"(?:\r*\n|\r|\xc2\x85|\xe2\x80[\xa8\xa9])[ \t]*"


def _compile(pattern: str) -> re.Pattern[bytes]:
    return re.compile(pattern.encode("latin-1"))


# An escape of a name's character, or a line joined to the next within a name: in a shell script
# the `\` at the end of a line follows a blank. Both start with `\`, which makes the search fast.
_DISGUISE = _compile(rf"\\(?:{_CODE}|(?<=[/{_WORD}]\\){_BREAK}[\\{_WORD}])")
_ESCAPED = _compile(rf"\\{_CODE}")
_JOINED = _compile(rf"\\{_BREAK}")
# To undo one takes a hundred bytes for a moment; text with more is better read as a document.
_MOST_ESCAPES = 1_000_000
# A tag that is, or that percent signs could spell as, `!!binary`. `%TAG` could give it any name.
_BINARY = tuple(map(_compile, (r"!(?:<|!(?:binary|[binary]{0,5}%))", r"%TAG")))
# How a document begins that Argo CD reads as UTF-16. No text in UTF-8 holds these bytes.
_UTF_16 = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}


class Spelling:
    """Knows the last path elements of *repositories*, and text that could spell one of them."""

    def __init__(self, repositories: Collection[Repository]) -> None:
        self._elements = [
            # The element first: a literal start is what makes the search fast.
            _compile(rf"{element}(?<![{_WORD}]{element})(?![/{_WORD}])")
            for element in sorted({re.escape(r.last_element) for r in repositories})
        ]

    def may_stand_in(self, text: bytes, start: int, end: int) -> bool:
        """Whether the document that *text* holds from *start* to *end* could spell one."""
        if encoding := _UTF_16.get(text[start : start + 2]):
            plain = text[start:end].decode(encoding, "replace").encode()
            return self.may_stand_in(plain, 0, len(plain))
        if _any_found(self._elements, text, start, end):
            return True
        return self._may_hide_in(text, start, end)

    def may_stand_anywhere(self, stream: bytes) -> bool:
        """Whether any document of *stream* could spell one of the repositories."""
        return self.may_stand_in(stream, 0, len(stream)) or any(map(stream.count, _UTF_16))

    def _may_hide_in(self, text: bytes, start: int, end: int) -> bool:
        if _any_found(_BINARY, text, start, end):
            return True
        if not _DISGUISE.search(text, start, end):
            return False
        if text.count(b"\\", start, end) > _MOST_ESCAPES:
            return True
        plain = _undisguised(text[start:end])
        return _any_found(self._elements, plain, 0, len(plain))


def _any_found(patterns: Iterable[re.Pattern[bytes]], text: bytes, start: int, end: int) -> bool:
    return any(pattern.search(text, start, end) for pattern in patterns)


def _undisguised(text: bytes) -> bytes:
    """*text* with joined lines joined, and escapes of a name's characters as those."""
    return _ESCAPED.sub(lambda escape: bytes.fromhex(escape[1].decode()), _JOINED.sub(b"", text))
