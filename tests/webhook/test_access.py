"""Who may send events."""

from __future__ import annotations

import base64
import logging
from pathlib import Path

import pytest

from cmp.errors import UsageError
from sidecar.webhook.access import Access
from tests.webhook.zot import SECRET

PAIR = "zot:made-up-password-of-zot"


def basic(pair: str) -> tuple[bytes, bytes]:
    """The header of Zot's `username` and `password`."""
    return (b"authorization", b"Basic " + base64.b64encode(pair.encode()))


@pytest.mark.parametrize(
    ("secret", "header"),
    [
        pytest.param(SECRET, (b"authorization", f"Bearer {SECRET}".encode()), id="bearer"),
        pytest.param(SECRET, (b"authorization", f"bEARER  {SECRET} ".encode()), id="spelling"),
        pytest.param(SECRET, (b"x-webhook-secret", SECRET.encode()), id="header"),
        pytest.param(SECRET, basic(f"zot:{SECRET}"), id="password of anybody"),
        pytest.param(PAIR, basic(PAIR), id="user and password"),
        pytest.param(f"other-{SECRET}\n\n {SECRET} \n", basic(f"zot:{SECRET}"), id="second line"),
    ],
)
def test_who_has_the_secret_may(secret: str, header: tuple[bytes, bytes]) -> None:
    assert Access(text=secret).allows([(b"host", b"webhook.example.com"), header])


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([], id="nothing"),
        pytest.param([(b"authorization", b"Bearer")], id="no token"),
        pytest.param([(b"authorization", b"")], id="empty"),
        pytest.param([(b"authorization", PAIR.encode())], id="no scheme"),
        pytest.param([(b"authorization", b"Digest " + PAIR.encode())], id="other scheme"),
        pytest.param([(b"authorization", b"Bearer made-up-password-of-zot")], id="half of it"),
        pytest.param([basic("admin:made-up-password-of-zot")], id="another user"),
        pytest.param([basic("zot:made-up-password-of-zoT")], id="almost"),
        pytest.param([(b"authorization", b"Basic !!!")], id="no base64"),
        pytest.param([(b"x-webhook-secret", b"\xff\xfe")], id="no text"),
        pytest.param([(b"x-webhook-secret", PAIR.encode())] * 2, id="twice"),
        pytest.param([basic(PAIR), basic(PAIR)], id="twice, as Basic"),
        pytest.param([(b"cookie", PAIR.encode())], id="elsewhere"),
    ],
)
def test_nobody_else_may(headers: list[tuple[bytes, bytes]]) -> None:
    assert not Access(text=PAIR).allows(headers)


@pytest.mark.parametrize(
    "secret",
    [
        pytest.param("", id="none"),
        pytest.param(" \n\n", id="blank"),
        pytest.param("short", id="short"),
        pytest.param("x" * 1025, id="long"),
        pytest.param("pässwort-for-the-webhook", id="not ASCII"),
        pytest.param("made-up\x00secret-of-zot", id="control character"),
        pytest.param(f"{SECRET}\n" * 11, id="too many"),
    ],
)
def test_what_is_no_secret_is_refused_without_being_told(secret: str) -> None:
    with pytest.raises(UsageError, match=r"\[RT271\]") as caught:
        Access(text=secret)
    assert not secret.strip() or secret not in str(caught.value)


def test_a_file_counts_before_the_text(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(SECRET)

    access = Access(file=file, text=PAIR)

    assert access.allows([(b"x-webhook-secret", SECRET.encode())])
    assert not access.allows([basic(PAIR)])


def test_a_file_is_read_again_when_it_changes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "secret"
    file.write_text(SECRET)
    access = Access(file=file)
    first, second = ([(b"x-webhook-secret", each.encode())] for each in (SECRET, PAIR))

    file.write_text(PAIR)
    assert (access.allows(first), access.allows(second)) == (False, True)
    with caplog.at_level(logging.WARNING, "retag.webhook"):
        file.write_text("short")
        assert access.allows(second)
        file.unlink()
        assert access.allows(second)
        assert access.allows(second)
    assert [record.getMessage().partition(": ")[0] for record in caplog.records] == [
        "the secrets of the webhook stay as they were"
    ] * 2
    assert "short" not in caplog.text


@pytest.mark.parametrize("content", [None, "x" * 70_000])
def test_a_file_that_cannot_be_used_is_said_with_its_place(
    tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_text(content)

    with pytest.raises(UsageError, match=rf"{file}: .*\[RT271\]"):
        Access(file=file)
