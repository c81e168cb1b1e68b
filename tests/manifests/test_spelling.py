"""What may spell a ruled repository: yes may be wrong, no never."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmp.manifests.spelling import Spelling
from cmp.reference import Repository
from tests.manifests.streams import retagged

SPELLING = Spelling(
    [Repository("registry.example.com", "team/app"), Repository("x.io", "a.b-c_d")]
)

YES = {
    "the whole image": "image: registry.example.com/team/app:1",
    "at the end of the text": "team/app",
    "another element": "x.io/a.b-c_d@sha256:0",
    "in quotes": '"team/app"',
    "in brackets": "[team/app]",
    "in a comment": "# app",
    "before an escape": '"team/app\\x3a1"',
    "after an escaped slash": '"team\\x2fapp"',
    "after JSON's escaped slash": '"team\\/app"',
    "a hex escape": '"team/\\x61pp"',
    "a hex escape of a digit, upper case": '"x.io/a.b\\x2Dc_d"',
    "a 16-bit escape": '"team/a\\u0070p"',
    "a 32-bit escape": '"team/ap\\U00000070"',
    "all escaped": '"\\x61\\u0070\\U00000070"',
    "a joined line": '"team/a\\\n   pp"',
    "a joined line of CRLF": '"team/a\\\r\n\tpp"',
    "a joined line of CR": '"team/a\\\rpp"',
    "a joined line of NEL": '"team/a\\\x85pp"',
    "a joined line of a line separator": '"team/a\\\u2028pp"',
    "joined lines without text": '"team/a\\\n \\\n  pp"',
    "a line joined after the slash": '"team/\\\n  app"',
    "a line joined after the element": '"team/app\\\n  :1"',
    "an escape in a joined line": '"team/a\\\n  \\x70p"',
    "more joined lines than are joined": '"a' + "\\\n" * 1_000_001 + 'b"',
    "base64": "image: !!binary eA==",
    "base64, percent": "image: !!bin%61ry eA==",
    "a verbatim tag": "image: !<tag:yaml.org,2002:binary> eA==",
    "a tag's handle": "%TAG !b! tag:yaml.org,2002:b",
}


@pytest.mark.parametrize("text", YES.values(), ids=YES)
def test_a_spelling_is_seen(text: str) -> None:
    assert SPELLING.may_stand_in(text.encode(), 0, len(text.encode()))
    assert SPELLING.may_stand_anywhere(b"a\n---\n" + text.encode())


NO = {
    "nothing": "",
    "a longer word": "image: team/apple:1 my-app snap.app",
    "a field": "apiVersion: apps/v1",
    "a directory": "team/app/x:1",
    "escapes of other characters": '"\\u003e \\n \\" \\x1b \\u2019 \\u0041"',
    "escapes of other names": '"te\\x61m/\\u0061ps"',
    "lines of a shell script": "docker run \\\n  --rm \\\n  a\\\n  p\n",
    "a joined line of another name": '"a\\\n b\\\n c"',
    "exclamations": "if [ ! -f x ] || y != z !!! !str",
    "percent signs": "date +%Y%TA",
}


@pytest.mark.parametrize("text", NO.values(), ids=NO)
def test_other_text_is_not_parsed(text: str) -> None:
    assert not SPELLING.may_stand_in(text.encode(), 0, len(text.encode()))
    assert not SPELLING.may_stand_anywhere(text.encode())


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_looked_through(encoding: str) -> None:
    app = "\ufeffimage: team/app:1".encode(encoding)
    other = "\ufeffimage: team/x:1".encode(encoding)

    assert SPELLING.may_stand_in(app, 0, len(app))
    assert not SPELLING.may_stand_in(other, 0, len(other))
    assert SPELLING.may_stand_anywhere(b"a\n---\n" + app)


@st.composite
def double_quoted(draw: st.DrawFn, text: str) -> str:
    """*text* as a double-quoted scalar, with escapes at random."""
    spellings = ["{0}", "\\x{1:02x}", "\\u{1:04X}", "\\U{1:08x}"]
    return "".join(draw(st.sampled_from(spellings)).format(char, ord(char)) for char in text)


@given(content=double_quoted("registry.example.com/team/app:1"))
def test_the_prefilter_hides_no_image_however_it_is_escaped(content: str) -> None:
    stream = f'containers:\n- image: "{content}"\n'

    expected = 'containers:\n- image: "registry.example.com/team/app:2.0.0"\n'
    assert retagged(stream.encode()).decode() == expected


@given(
    content=double_quoted("registry.example.com/team/app:1"),
    at=st.lists(st.integers(0, 31), min_size=1, max_size=3),
    line_break=st.sampled_from(["\n", "\r\n", "\r", "\x85", "\u2028"]),
)
def test_the_prefilter_hides_no_image_however_it_is_joined(
    content: str, at: list[int], line_break: str
) -> None:
    plain = "registry.example.com/team/app:1"
    for place in sorted(at, reverse=True):
        plain = f"{plain[:place]}\\{line_break}  {plain[place:]}"
    text = f'containers:\n- image: "{plain}"\n# {content}'.encode()

    assert SPELLING.may_stand_in(text.partition(b"#")[0], 0, text.index(b"#"))
