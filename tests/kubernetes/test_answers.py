"""Whatever an API server, or what stands in its place, may answer, it is an object or one line."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.kubernetes import ClusterError, GoneError
from sidecar.kubernetes.answers import read_change, read_object, read_page, refusal
from sidecar.kubernetes.errors import (
    AbsentError,
    ConflictError,
    ForbiddenError,
    RefusedError,
    UnknownAccountError,
    UnservedError,
)
from sidecar.kubernetes.port import Happened

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "metadata",
                    "items",
                    "type",
                    "object",
                    "name",
                    "code",
                    "details",
                    "causes",
                    "message",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
ANY = JSON.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=40)


def dumped(value: Any) -> bytes:
    return json.dumps(value).encode()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"<html>", id="a page for people"),
        pytest.param(b"\xff\xfe{}", id="no UTF-8"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"{}", id="no metadata"),
        pytest.param(dumped({"metadata": "x"}), id="metadata that are a text"),
        pytest.param(dumped({"metadata": {}}), id="no name"),
        pytest.param(dumped({"metadata": {"name": 1}}), id="a name that is a number"),
        pytest.param(
            dumped({"metadata": {"name": "x", "namespace": {}}}), id="a namespace that is none"
        ),
        pytest.param(b'{"a":' * 100_000, id="nesting without an end"),
        pytest.param(b'{"a":' * 100_000 + b"1" + b"}" * 100_000, id="deep nesting"),
    ],
)
def test_what_is_no_object_is_one_line(body: bytes) -> None:
    with pytest.raises(
        ClusterError, match=r"^cannot read secrets: the answer is none .*RT658"
    ) as e:
        read_object(body, "read secrets")
    assert "\n" not in str(e.value)


@given(ANY)
def test_any_answer_is_an_object_or_an_error_of_ours(body: bytes) -> None:
    for read in (read_object, read_page, read_change):
        with contextlib.suppress(ClusterError):
            read(body, "x")
    assert isinstance(refusal(500, body, "x"), ClusterError)


def test_a_page_has_its_objects_and_what_comes_next() -> None:
    item = {"metadata": {"name": "a"}}
    page, following = read_page(
        dumped({"metadata": {"resourceVersion": "7", "continue": "c"}, "items": [item]}), "x"
    )
    assert (page.objects, page.version, following) == ([item], "7", "c")


def test_a_page_with_an_object_without_a_name_is_none() -> None:
    with pytest.raises(ClusterError, match="RT658"):
        read_page(dumped({"metadata": {}, "items": [{"metadata": {"name": "a"}}, {}]}), "x")


def test_a_page_without_items_is_empty() -> None:
    page, following = read_page(b'{"metadata": {}, "items": null}', "x")
    assert (list(page.objects), following) == ([], "")


@pytest.mark.parametrize(
    "event",
    [
        pytest.param({"type": "ADDED"}, id="no object"),
        pytest.param({"type": "ADDED", "object": []}, id="an object that is a list"),
        pytest.param({"type": "ADDED", "object": {"metadata": {}}}, id="an object without a name"),
        pytest.param({"type": "SHUFFLED", "object": {"metadata": {"name": "x"}}}, id="unknown"),
        pytest.param([], id="a list"),
    ],
)
def test_a_line_of_a_watch_that_is_no_event_is_an_error(event: Any) -> None:
    with pytest.raises(ClusterError, match="RT658"):
        read_change(dumped(event), "watch secrets")


@pytest.mark.parametrize("metadata", [{"resourceVersion": "5"}, "x", None])
def test_a_bookmark_needs_no_name(metadata: Any) -> None:
    change = read_change(dumped({"type": "BOOKMARK", "object": {"metadata": metadata}}), "x")
    assert change.happened is Happened.BOOKMARK
    expected = metadata if isinstance(metadata, dict) else {}
    assert change.object == {"metadata": expected}


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        pytest.param(401, {}, UnknownAccountError, id="unknown account"),
        pytest.param(403, {}, ForbiddenError, id="lacks a right"),
        pytest.param(404, {"details": {"name": "x"}}, AbsentError, id="no such object"),
        pytest.param(404, {"message": "404 page not found"}, UnservedError, id="no such kind"),
        pytest.param(409, {}, ConflictError, id="conflict"),
        pytest.param(410, {}, GoneError, id="too far back"),
        pytest.param(
            504,
            {"details": {"causes": [{"reason": "ResourceVersionTooLarge"}]}},
            GoneError,
            id="ahead of a cluster that was restored",
        ),
        pytest.param(422, {}, RefusedError, id="refused"),
        pytest.param(301, {}, ClusterError, id="redirect"),
        pytest.param(500, {"details": "x"}, ClusterError, id="a status that is none"),
    ],
)
def test_each_refusal_is_the_error_for_what_comes_next(
    code: int, status: dict[str, Any], kind: type[ClusterError]
) -> None:
    assert type(refusal(code, dumped(status), "x")) is kind
    if code != 301:
        event = {"type": "ERROR", "object": {**status, "code": code}}
        with pytest.raises(ClusterError) as caught:
            read_change(dumped(event), "x")
        assert isinstance(caught.value, ClusterError)


@pytest.mark.parametrize(
    ("code", "remedy"), [(401, "token or certificate"), (403, "deploy/ has the Roles")]
)
def test_a_token_that_is_not_taken_is_not_mended_by_a_role(code: int, remedy: str) -> None:
    assert remedy in refusal(code, b"", "read leases").remedy


def test_no_message_shows_the_token() -> None:
    said = refusal(500, dumped({"message": "not you, made-up-token\nno"}), "x", "made-up-token")
    assert "made-up-token" not in str(said)
    assert "\n" not in str(said)
