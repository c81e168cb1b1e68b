"""Label selectors, as apimachinery reads them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmp.rules.labels import selector_fault, selects
from cmp.rules.model import LabelSelector


def selector(labels: dict[str, str] | None = None, *expressions: Any) -> LabelSelector:
    return LabelSelector.model_validate(
        {"matchLabels": labels or {}, "matchExpressions": list(expressions)}
    )


def expression(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"key": key, "operator": operator, "values": list(values)}


@pytest.mark.parametrize(
    ("labels", "expressions", "given", "matches"),
    [
        ({}, [], {}, True),
        ({"env": "prod"}, [], {"env": "prod", "x": "1"}, True),
        ({"env": "prod"}, [], {"env": "dev"}, False),
        ({"env": ""}, [], {}, False),
        ({}, [expression("env", "In", "a", "b")], {"env": "b"}, True),
        ({}, [expression("env", "In", "a", "b")], {"env": "c"}, False),
        ({}, [expression("env", "In", "a")], {}, False),
        ({}, [expression("env", "NotIn", "a")], {"env": "b"}, True),
        ({}, [expression("env", "NotIn", "a")], {"env": "a"}, False),
        ({}, [expression("env", "NotIn", "a")], {}, True),
        ({}, [expression("env", "Exists")], {"env": ""}, True),
        ({}, [expression("env", "Exists")], {}, False),
        ({}, [expression("env", "DoesNotExist")], {}, True),
        ({}, [expression("env", "DoesNotExist")], {"env": "a"}, False),
        ({"a": "1"}, [expression("b", "Exists")], {"a": "1"}, False),
        ({"a": "1"}, [expression("b", "Exists")], {"a": "1", "b": "2"}, True),
    ],
)
def test_all_requirements_must_hold(
    labels: dict[str, str], expressions: list[Any], given: dict[str, str], *, matches: bool
) -> None:
    checked = selector(labels, *expressions)
    assert selector_fault(checked) is None
    assert selects(checked, given) is matches


@pytest.mark.parametrize(
    ("checked", "fault"),
    [
        (selector({"a": "not valid!"}), "'not valid!' is not a label's value"),
        (selector({"a": "x" * 64}), "is not a label's value"),
        (selector({"": "1"}), "'' is not a label's key"),
        (selector({"bad key!": "1"}), "is not a label's key"),
        (selector({"Upper.example.com/a": "1"}), "is not a label's key"),
        (selector({"/a": "1"}), "is not a label's key"),
        (selector({f"{'a.' * 127}aa/x": "1"}), "is not a label's key"),
        (selector({"-a": "1"}), "is not a label's key"),
        (selector(None, expression("a", "Gt", "1")), "'Gt' is not In, NotIn, Exists"),
        (selector(None, expression("a", "in", "1")), "'in' is not In"),
        (selector(None, expression("a", "In")), "In needs values"),
        (selector(None, expression("a", "Exists", "b")), "Exists takes no values"),
        (selector(None, expression("a b", "Exists")), "'a b' is not a label's key"),
        (selector(None, expression("a", "NotIn", "b", "c!")), "'c!' is not a label's value"),
    ],
)
def test_an_invalid_selector_is_told(checked: LabelSelector, fault: str) -> None:
    assert fault in (selector_fault(checked) or "")


@pytest.mark.parametrize("key", ["a", "A_b.c-d", "example.com/a", "a-b.example/x", "x" * 63])
def test_keys_may_have_a_domain(key: str) -> None:
    assert selector_fault(selector({key: ""})) is None


values = st.sampled_from(["a", "b", "c"])


@given(
    chosen=st.sets(values, min_size=1),
    labels=st.dictionaries(st.just("env"), values),
)
def test_in_and_not_in_are_opposites(chosen: set[str], labels: dict[str, str]) -> None:
    within = selects(selector(None, expression("env", "In", *chosen)), labels)
    without = selects(selector(None, expression("env", "NotIn", *chosen)), labels)
    assert within is not without
