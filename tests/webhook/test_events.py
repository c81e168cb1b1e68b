"""What Zot's events say, and what is no event."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.webhook.events import (
    Hint,
    Ignored,
    NotAnEventError,
    WrongMediaTypeError,
    hint_in,
)
from tests.webhook.zot import RECORDED, Event, event, recorded

LOOK = Hint("", "demo/api")


@pytest.mark.parametrize("name", sorted(path.stem for path in RECORDED.glob("image_*.json")))
def test_whatever_happens_to_an_image_its_repository_is_looked_at(name: str) -> None:
    sent = recorded(name)

    assert hint_in(sent.raw, sent.body) == LOOK


def test_a_scan_may_let_an_image_through_and_is_looked_at() -> None:
    summary = {"count": 1, "maxSeverity": "LOW"}
    sent = event("zotregistry.image.scanned", name="demo/api", reference="v1", summary=summary)

    assert hint_in(sent.raw, sent.body) == LOOK


def test_a_repository_without_tags_is_not_looked_at() -> None:
    sent = recorded("repository_created")

    assert hint_in(sent.raw, sent.body) == Ignored("nothing that could be chosen has changed")


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("zotregistry.image.lint_failed", "nothing that could be chosen has changed"),
        ("zotregistry.image.praised", "it is no event of an image"),
        ("com.example.image.pushed", "it is no event of an image"),
    ],
)
def test_other_events_change_nothing(kind: str, reason: str) -> None:
    sent = event(kind, name="demo/api")

    assert hint_in(sent.raw, sent.body) == Ignored(reason)


def structured(**changed: object) -> Event:
    """The same event in the structured mode; what is changed to None is left out."""
    whole = {
        "specversion": "1.0",
        "type": "zotregistry.image.updated",
        "id": "1",
        "source": "zotregistry.dev",
        "datacontenttype": "application/json",
        "data": {"name": "demo/api"},
        **changed,
    }
    body = {name: value for name, value in whole.items() if value is not None}
    headers = [("Content-Type", "application/cloudevents+json; charset=UTF-8")]
    return Event(headers, json.dumps(body).encode())


@pytest.mark.parametrize("content_type", ["application/json", None])
def test_the_structured_mode_says_the_same(content_type: str | None) -> None:
    sent = structured(datacontenttype=content_type)

    assert hint_in(sent.raw, sent.body) == LOOK


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        pytest.param({"specversion": "0.3"}, "specversion is not 1.0", id="old"),
        pytest.param({"specversion": 1.0}, "specversion is missing", id="version is a number"),
        pytest.param({"id": ""}, "id is missing", id="empty id"),
        pytest.param({"source": None}, "source is missing", id="no source"),
        pytest.param({"type": "t" * 1025}, "type is missing, or no short text", id="long type"),
        pytest.param({"data": None}, "data is no JSON object", id="no data"),
        pytest.param({"data": "{}"}, "data is no JSON object", id="data is text"),
        pytest.param({"datacontenttype": "text/xml"}, "datacontenttype is not", id="XML"),
    ],
)
def test_what_is_no_event_in_the_structured_mode(changed: dict[str, object], what: str) -> None:
    sent = structured(**changed)

    with pytest.raises(NotAnEventError, match=what):
        hint_in(sent.raw, sent.body)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Demo/api",
        "../etc",
        "demo//api",
        "/demo",
        "demo/api:v1",
        "registry.example.com:5000/demo",
        "a" * 256,
        "demo/\u202eipa",
        "demo api",
        7,
        None,
        ["demo/api"],
    ],
)
def test_a_name_that_no_repository_has_is_no_event(name: object) -> None:
    sent = event(name=name)

    with pytest.raises(NotAnEventError, match=r"data\.name is no repository"):
        hint_in(sent.raw, sent.body)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff\xfe", id="not UTF-8"),
        pytest.param(b'{"name": "\xff"}', id="a name that is not UTF-8"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b'"demo/api"', id="a text"),
        pytest.param(b"[" * 100_000, id="deep lists"),
        pytest.param(b'{"a":' * 100_000, id="deep objects"),
        pytest.param(b'{"a": NaN}', id="NaN"),
        pytest.param(b'{"a": %b}' % (b"9" * 10_000), id="a number without end"),
        pytest.param(b'{"name": "demo/api"} {}', id="two objects"),
    ],
)
def test_a_body_that_is_no_json_object_is_no_event(body: bytes) -> None:
    with pytest.raises(NotAnEventError, match="the body is no JSON"):
        hint_in(event().raw, body)


@pytest.mark.parametrize("header", ["Ce-Type", "Ce-Id", "Content-Type", "Ce-Specversion"])
def test_a_header_that_is_there_twice_is_no_event(header: str) -> None:
    sent = event()
    again = next(each for each in sent.headers if each[0] == header)

    with pytest.raises(NotAnEventError, match=f"{header.lower()} is there more than once"):
        hint_in(replace(sent, headers=[*sent.headers, again]).raw, sent.body)


@pytest.mark.parametrize("header", ["Ce-Type", "Ce-Id", "Ce-Source", "Ce-Specversion"])
def test_a_header_that_is_missing_is_no_event(header: str) -> None:
    sent = event()
    headers = [each for each in sent.headers if each[0] != header]

    with pytest.raises(NotAnEventError, match="is missing"):
        hint_in(replace(sent, headers=headers).raw, sent.body)


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/cloudevents-batch+json",
        "application/cloudevents+xml",
        "application/json; charset=latin-1",
        "application/json; charset=utf-8; profile=x",
    ],
)
def test_only_json_is_read_and_one_event_at_a_time(content_type: str) -> None:
    headers = [*event().headers[:4], ("Content-Type", content_type)]

    with pytest.raises(WrongMediaTypeError):
        hint_in(Event(headers, b"{}").raw, b"{}")


@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"ce-type", b"ce-id", b"ce-source", b"ce-specversion"])
            | st.binary(max_size=20),
            st.sampled_from([b"1.0", b"zotregistry.image.updated"]) | st.binary(max_size=50),
        ),
        max_size=8,
    ),
    st.sampled_from([b"application/json", b"application/cloudevents+json"]),
    st.binary(max_size=200)
    | st.recursive(
        st.none() | st.text() | st.floats(allow_nan=False),
        lambda inner: st.dictionaries(
            st.sampled_from(["name", "data", "type", "id", "specversion"]), inner
        ),
    ).map(lambda value: json.dumps(value).encode()),
)
def test_whatever_comes_is_a_hint_or_nothing_or_no_event(
    headers: list[tuple[bytes, bytes]], media_type: bytes, body: bytes
) -> None:
    with suppress(NotAnEventError):
        found = hint_in([*headers, (b"content-type", media_type)], body)
        assert isinstance(found, Hint | Ignored)
