"""What a plain scalar resolves to."""

from __future__ import annotations

import pytest

from cmp.manifests.scalars import reads_alike, resolved

RESOLVED = {
    "null": ["", "~", "null", "Null", "NULL"],
    "bool": ["y", "Yes", "NO", "n", "true", "False", "ON", "off"],
    "int": ["0", "-1", "+12", "1_000", "0644", "0o17", "0x1f", "0b101", "1_2_"],
    "float": ["1.", ".5", "1.10", "-1e3", "1_0.5", "08", ".inf", "-.Inf", "+.INF", ".nan"],
    "timestamp": ["2001-01-01", "2001-1-1 1:2:3", "2001-01-01T01:02:03.4Z"],
    "str": [
        "app",
        "_1",
        "yES",
        "nUll",
        "0x",
        "1e",
        "1.2.3",
        "190:20",
        "-",
        "0b2",
        "v1",
        ".in",
        ".5_",
        "1e999",
    ],
}


@pytest.mark.parametrize(
    ("text", "kind"), [(text, kind) for kind, texts in RESOLVED.items() for text in texts]
)
def test_a_plain_scalar_is_what_argo_cd_reads(text: str, kind: str) -> None:
    assert resolved(text) == kind


@pytest.mark.parametrize("text", ["190:20", "1:59.5", "12", "1.2", "2001-01-01", "no"])
def test_some_text_is_a_number_to_other_readers(text: str) -> None:
    assert not reads_alike(text)


@pytest.mark.parametrize("text", ["app:1.10", "190:60", "190:20x", "localhost:5000/1:2", "0a"])
def test_an_image_is_mostly_text_to_all(text: str) -> None:
    assert reads_alike(text)
