"""Kubernetes label selectors, as apimachinery's `LabelSelectorAsSelector` reads them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from cmp.rules.model import LabelSelector, MatchExpression

# apimachinery's validation.IsQualifiedName and IsValidLabelValue.
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?", re.ASCII)
_DOMAIN = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*")
_LONGEST_DOMAIN = 253


def selector_fault(selector: LabelSelector) -> str | None:
    """Why *selector* is invalid, and hence matches nothing; None if it is valid."""
    for key, value in selector.match_labels.items():
        if fault := _key_fault(key) or _value_fault(value):
            return fault
    for expression in selector.match_expressions:
        if fault := _expression_fault(expression):
            return fault
    return None


def selects(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    """Whether the valid *selector* matches *labels*; an empty one matches everything."""
    equal = all(labels.get(key) == value for key, value in selector.match_labels.items())
    return equal and all(_holds(each, labels) for each in selector.match_expressions)


def _holds(expression: MatchExpression, labels: Mapping[str, str]) -> bool:
    there = expression.key in labels
    match expression.operator:
        case "In":
            return there and labels[expression.key] in expression.values
        case "NotIn":
            return not there or labels[expression.key] not in expression.values
        case "Exists":
            return there
    return not there


def _expression_fault(expression: MatchExpression) -> str | None:
    match expression.operator, bool(expression.values):
        case ("In" | "NotIn", False):
            return f"{expression.operator} needs values"
        case ("Exists" | "DoesNotExist", True):
            return f"{expression.operator} takes no values"
        case ("In" | "NotIn" | "Exists" | "DoesNotExist", _):
            faults = map(_value_fault, expression.values)
            return _key_fault(expression.key) or next(filter(None, faults), None)
    return f"{expression.operator!r} is not In, NotIn, Exists or DoesNotExist"


def _key_fault(key: str) -> str | None:
    domain, slash, name = key.rpartition("/")
    legal = _NAME.fullmatch(name) and (
        not slash or (len(domain) <= _LONGEST_DOMAIN and _DOMAIN.fullmatch(domain))
    )
    return None if legal else f"{key!r} is not a label's key"


def _value_fault(value: str) -> str | None:
    return None if not value or _NAME.fullmatch(value) else f"{value!r} is not a label's value"
