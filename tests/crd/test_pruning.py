"""What a schema drops, where it says little of what lies below."""

from __future__ import annotations

from typing import Any

import pytest

from cmp.rules.pruning import dropped_fields, lacking_fields

KEEPS = {"x-kubernetes-preserve-unknown-fields": True}
TEXTS = {"additionalProperties": {"type": "string"}}
BLOCKS: dict[str, Any] = {"additionalProperties": {"properties": {"known": {}}}}


@pytest.mark.parametrize(
    ("field", "value", "dropped"),
    [
        (KEEPS, {"a": {"b": 1}}, []),
        (KEEPS, [{"a": 1}], []),
        ({"additionalProperties": True}, {"a": 1}, []),
        (TEXTS, {"a": "b"}, []),
        (BLOCKS, {"a": {"known": 1, "other": 1}}, ["spec.a.other"]),
        ({"items": {"properties": {"known": {}}}}, [{"known": 1, "other": 1}], ["spec[0].other"]),
        ({}, {"a": {"b": 1}}, ["spec.a"]),
    ],
    ids=["all is kept", "also in lists", "any", "texts", "blocks by name", "a list", "nothing"],
)
def test_only_what_no_schema_keeps_is_dropped(
    field: dict[str, Any], value: Any, dropped: list[str]
) -> None:
    manifest = {"apiVersion": "v1", "kind": "It", "metadata": {"name": "a"}, "spec": value}

    assert dropped_fields({"properties": {"spec": field}}, manifest) == dropped


def test_a_schema_that_keeps_all_lacks_nothing() -> None:
    assert lacking_fields(KEEPS) == []
    assert lacking_fields({"properties": {"spec": KEEPS, "status": KEEPS}}) == []
