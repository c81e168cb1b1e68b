"""Where documents begin and end."""

from __future__ import annotations

import pytest

from cmp.errors import ManifestError
from cmp.manifests.stream import MAX_DOCUMENTS, Splitter

# The parts, in order; `!` before one that Argo CD fails on, `{` before JSON.
SPLITS = {
    "nothing": ("", []),
    "one document": ("a: 1\n", ["a: 1\n"]),
    "two": ("a: 1\n---\nb: 2\n", ["a: 1\n", "b: 2\n"]),
    "a separator at the start": ("---\na: 1\n", ["---\na: 1\n"]),
    "separators alone": ("---\n---\n---", ["---\n", "---"]),
    "a separator at the end": ("a: 1\n---\n", ["a: 1\n"]),
    "a separator after a separator": ("a: 1\n---\n---\nb\n", ["a: 1\n", "---\nb\n"]),
    "a comment in a separator": ("--- # c\na\n--- # d\nb", ["--- # c\na\n", "b"]),
    "blanks in a separator": ("a\n--- \t\u2003\r\nb", ["a\n", "b"]),
    "within a block": ("a: |\n  b\n---\n  c\n", ["a: |\n  b\n", "  c\n"]),
    "indented": ("a\n ---\nb", ["a\n ---\nb"]),
    "after CR alone": ("a\r---\rb", ["a\r---\rb"]),
    "text in the first separator": ("--- a\n---\nb", ["!--- a\n---\nb"]),
    "text in a later separator": ("a\n---\nb\n---c\n---\nd", ["a\n", "!b\n---c\n---\nd"]),
    "JSON": ('{"a":1}', ['{{"a":1}']),
    "JSON values": (' {"a":[{}]}\n{"b":"}"} ', ['{{"a":[{}]}', '{{"b":"}"}']),
    "other values after JSON": (
        '{}[1]"a"-1.5e3 null true',
        ["{{}", "{[1]", '{"a"', "{-1.5e3", "{null", "{true"],
    ),
    "half a number": ("{}{}1.", ["{{}", "{{}", "!1."]),
    "glued numbers": ("{}01", ["{{}", "{0", "{1"]),
    "YAML that looks like JSON": ("{a: 1}\n", ["{a: 1}\n"]),
    "YAML after one value": ('{"a":1}\n---\nb\n---\nc', ['{{"a":1}', "---\nb\n", "c"]),
    "a comment after one value": ('{"a":1} # c\n', ['{{"a":1}', "# c\n"]),
    "a comment line after one value": ('{"a":1} \n#cc\n', ['{{"a":1}', "#cc\n"]),
    "three bytes after one value": ('{"a":1}#\n\n', ['{{"a":1}', "!#\n\n"]),
    "bytes that are no character": (
        '{"a":1}\udcff\udcfe\udcff\udcff',
        ['{{"a":1}', "!\udcff\udcfe\udcff\udcff"],
    ),
    "YAML after two values": ("{}{}\n---\na\n", ["{{}", "{{}", "!\n---\na\n"]),
    "blanks of all kinds before JSON": ("\u00a0\u2003\n{a: 1}", ["{a: 1}"]),
    "JSON after YAML": ('a\n---\n{"b":1}\n{"c":1}\n', ["a\n", '{"b":1}\n{"c":1}\n']),
    "JSON beyond the first 4,096 bytes": (" " * 4096 + "{}", [" " * 4096 + "{}"]),
    "as many levels as Go reads": (
        f'{{"a":{"[" * 9_999}{"]" * 9_999}}}',
        [f'{{{{"a":{"[" * 9_999}{"]" * 9_999}}}'],
    ),
    "JSON within the first 4,096 bytes": (" " * 4095 + "{}", ["{{}"]),
}


@pytest.mark.parametrize(("stream", "expected"), SPLITS.values(), ids=SPLITS)
def test_documents_are_split_as_argo_cd_does(stream: str, expected: list[str]) -> None:
    text = stream.encode("utf-8", "surrogateescape")

    parts = [
        ("!" if part.fault else "{" if part.is_json else "")
        + text[part.start : part.end].decode("utf-8", "surrogateescape")
        for part in Splitter(text)
    ]

    assert parts == expected


def test_parts_are_numbered_and_know_their_line() -> None:
    parts = list(Splitter(b'\n{"a":\n1}\n\n---\nb\n---\nc\n'))

    assert [(part.number, part.line) for part in parts] == [(1, 2), (2, 4), (3, 6), (4, 8)]


NO_JSON = {
    "a comma at the end": '{"a":1,}',
    "a comma alone": "{,}",
    "no key": "{1:2}",
    "no colon": '{"a" 1}',
    "no value": '{"a":}',
    "the wrong bracket": '{"a":[1}',
    "a bracket too many": "]",
    "unclosed": '{"a":1',
    "an unclosed string": '{"a',
    "a control character": '{"a":"\t"}',
    "an unknown escape": '{"a":"\\x41"}',
    "half an escape": '{"a":"\\u00"}',
    "no number": '{"a":NaN}',
    "half a number": '{"a":1.}',
    "half an exponent": '{"a":1e}',
    "a zero too many": '{"a":01}',
    "half a number on its own": "-",
    "no word": '{"a":nul}',
    "more levels than Go reads": "[" * 10_001 + "]" * 10_001,
}


@pytest.mark.parametrize("text", NO_JSON.values(), ids=NO_JSON)
def test_what_is_no_json_is_read_as_yaml_or_not_at_all(text: str) -> None:
    parts = list(Splitter(b"{}{}" + text.encode()))

    assert [part.fault is None for part in parts] == [True, True, False]


def test_the_number_of_documents_is_bounded() -> None:
    with pytest.raises(ManifestError, match="more than 100,000 documents") as caught:
        list(Splitter(b"a\n---\n" * (MAX_DOCUMENTS + 1)))

    assert caught.value.code == "RT402"
