"""Flags are checked before anything is started."""

from __future__ import annotations

import os

import pytest

from cmp.errors import UsageError
from sidecar.settings import Address, default_uids, parse_address, parse_age


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (":8080", Address("", 8080)),
        ("127.0.0.1:9000", Address("127.0.0.1", 9000)),
        ("[::1]:9000", Address("::1", 9000)),
        ("localhost:0", Address("localhost", 0)),
        ("0", None),
        ("", None),
    ],
)
def test_an_address_is_as_controller_runtime_takes_it(text: str, address: Address | None) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text", ["8080", ":", ":http", ":65536", ":-1", "::1:8080", "host", "[::1]", ":\uff18\uff10"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"write :8080 or HOST:8080; .* \[RT248\]"):
        parse_address(text)


@pytest.mark.parametrize(
    ("text", "whose"), [(":8081", "its gRPC"), ("127.0.0.1:8084", "its metrics")]
)
def test_the_ports_of_repo_server_are_refused(text: str, whose: str) -> None:
    with pytest.raises(UsageError, match=rf"repo-server .*{whose}; take another.*\[RT249\]"):
        parse_address(text)


@pytest.mark.parametrize(("text", "seconds"), [("168h", 604800), ("90s", 90), ("0", 0)])
def test_an_age_is_a_duration_as_go_writes_it(text: str, seconds: float) -> None:
    assert parse_age(text) == seconds


@pytest.mark.parametrize("text", ["7d", "", "-1h", "week"])
def test_what_is_no_age_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"--max-stale.*\[RT250\]"):
        parse_age(text)


def test_argo_cds_user_and_our_own_may_connect() -> None:
    assert default_uids() == {999, os.getuid()}
