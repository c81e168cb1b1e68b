"""Streams made to take time or memory: all end early, with an error of their own."""

from __future__ import annotations

import pytest

from cmp.errors import ManifestError
from cmp.manifests import find_images
from cmp.manifests.reader import MAX_ALIASES, MAX_DEPTH, MAX_EVENTS
from cmp.manifests.stream import MAX_BYTES
from tests.manifests.streams import RULED, retagged

APP = "registry.example.com/team/app"
POD = f"containers:\n- image: {APP}:1\n"


def bomb(levels: int, width: int) -> str:
    """Lists of aliases of lists of aliases: *width* to the power of *levels* values."""
    lines = [f"a0: &a0 {APP}"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, levels)]
    return "\n".join(lines) + "\n"


HOSTILE = {
    "too many bytes": (b" " * (MAX_BYTES + 1), "RT400"),
    "brackets": (f"# {APP}\n" + "[" * 100_000, "RT401"),
    "braces": (f"# {APP}\n" + "{a: " * 100_000, "RT401"),
    "dashes": (f"# {APP}\n" + "- " * 100_000, "RT401"),
    "indentation": (f"# {APP}\n" + "".join(" " * n + "a:\n" for n in range(1000)), "RT401"),
    "brackets of JSON": (f'{{"a":"{APP}","b":' + "[" * 100_000, "RT401"),
    "aliases": (f"{POD}a: &a 1\nb: [" + "*a, " * (MAX_ALIASES + 1) + "]", "RT402"),
    "an alias bomb": (POD + bomb(50, 9), "RT403"),
    "a small alias bomb": (POD + bomb(5, 9), "RT403"),
    "a merge bomb": (
        f"a0: &a0 {{b: {APP}}}\n"
        + "".join(f"a{n}: &a{n} {{<<: [{f'*a{n - 1}, ' * 9}]}}\n" for n in range(1, 50)),
        "RT403",
    ),
    "directives": ("%TAG !a! b\r" * 100 + f"---\r{POD}".replace("\n", "\r"), "RT402"),
    "values": (f"# {APP}\n[" + "1," * MAX_EVENTS + "]", "RT402"),
}


@pytest.mark.parametrize(("stream", "code"), HOSTILE.values(), ids=HOSTILE)
def test_a_limit_stops_it(stream: str | bytes, code: str) -> None:
    text = stream.encode() if isinstance(stream, str) else stream

    with pytest.raises(ManifestError) as caught:
        find_images(text, {RULED})

    assert caught.value.code == code
    assert len(str(caught.value)) < 300


LARGE = {
    "a few aliases of aliases": POD + bomb(3, 9),
    "a long line": f"a: {'x' * 10**6}\n{POD}",
    "a long quoted scalar": f'a: "{"x " * 10**6}"\n{POD}',
    "escapes": 'a: "' + '\\"' * 10**6 + f'\\\\/"\n{POD}',
    "brackets in a block": f"a: |\n  {'[' * 10**6}\nb: c?d\n{POD}",
    "exclamations": f"# {'!' * 10**6}\n{POD}",
    "joined lines": 'a: "b' + "\\\n" * 10**5 + f'"\n{POD}',
    "a long string in JSON": f'{{"a":"{chr(92) * 10**6}","containers":[{{"image":"{APP}:1"}}]}}',
    "a long image": f"{POD}- image: {'a-' * 10**6}\n",
    "many containers": POD + f"- image: {APP}:1\n" * 10**4,
    "many documents": f"a: 1\n---\n{POD}---\n" * 10**3,
}


@pytest.mark.parametrize("stream", LARGE.values(), ids=LARGE)
def test_large_is_not_hostile(stream: str) -> None:
    assert retagged(stream.encode()).decode() == stream.replace(f"{APP}:1", f"{APP}:2.0.0")


def nested(levels: int) -> bytes:
    """A list *levels* deep below the root, and an image."""
    return f"a: {'[' * levels}{']' * levels}\n{POD}".encode()


def test_nesting_is_followed_to_the_last_level() -> None:
    assert b":2.0.0" in retagged(nested(MAX_DEPTH - 1))


def test_nesting_is_followed_no_further() -> None:
    with pytest.raises(ManifestError, match="more than 200 levels of nesting"):
        retagged(nested(MAX_DEPTH))
