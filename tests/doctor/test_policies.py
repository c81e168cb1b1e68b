"""The policies that limit the controller are those of deploy/, for its account, and in force."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from cmp.cli.doctor import judged
from sidecar.doctor.policies import MARKS, NAMES, mark_of
from sidecar.kubernetes import Object
from tests.doctor.conftest import NOW, Installation

ROOT = Path(__file__).parents[2]
APPLICATIONS = "retag-controller-applications"
_PATH = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolic{}/{}"

Change = Callable[[dict[str, Any]], None]


@pytest.mark.parametrize("name", NAMES)
def test_the_marks_are_those_of_the_policies_that_are_deployed(name: str) -> None:
    policy = next(yaml.safe_load_all((ROOT / NAMES[name]).read_text()))

    assert policy["metadata"]["name"] == name
    assert mark_of(policy) == MARKS[name]


def _of_another_account(spec: dict[str, Any]) -> None:
    account = 'request.userInfo.username == "system:serviceaccount:other:retag-controller"'
    spec["matchConditions"][0]["expression"] = account


def _under_one_more_condition(spec: dict[str, Any]) -> None:
    spec["matchConditions"].append({"name": "never", "expression": "false"})


def _without_a_validation(spec: dict[str, Any]) -> None:
    del spec["validations"][0]


def _of_some_namespaces(spec: dict[str, Any]) -> None:
    spec["matchConstraints"]["namespaceSelector"] = {"matchLabels": {"made-up": "label"}}


def _that_ignores_its_failures(spec: dict[str, Any]) -> None:
    spec["failurePolicy"] = "Ignore"


def _that_only_warns(spec: dict[str, Any]) -> None:
    spec["validationActions"] = ["Warn"]


def _that_only_audits(spec: dict[str, Any]) -> None:
    spec["validationActions"] = ["Audit"]


def _bound_to_some_namespaces(spec: dict[str, Any]) -> None:
    spec["matchResources"] = {"namespaceSelector": {"matchLabels": {"made-up": "label"}}}


TROUBLES: list[tuple[str, Change, str]] = [
    ("ies", _of_another_account, "is for another account than system:serviceaccount:doctor-"),
    ("ies", _under_one_more_condition, "is for another account than system:serviceaccount:doctor"),
    ("ies", _without_a_validation, "is not that of this version"),
    ("ies", _of_some_namespaces, "is not that of this version"),
    ("ies", _that_ignores_its_failures, "is not that of this version"),
    ("ybindings", _that_only_warns, "does not have it deny everywhere"),
    ("ybindings", _that_only_audits, "does not have it deny everywhere"),
    ("ybindings", _bound_to_some_namespaces, "does not have it deny everywhere"),
]


@pytest.mark.parametrize(
    ("kind", "change", "words"), TROUBLES, ids=[each[1].__name__.strip("_") for each in TROUBLES]
)
def test_a_policy_that_does_not_limit_the_controller_is_told(
    installation: Installation, kind: str, change: Change, words: str
) -> None:
    _change(installation, kind, change)

    troubles = installation.troubles()

    assert troubles.keys() == {"RT133"}
    assert f"{APPLICATIONS} {words}" in troubles["RT133"]


def test_a_binding_that_does_not_deny_is_told_besides_a_policy_of_another_version(
    installation: Installation,
) -> None:
    _change(installation, "ies", _without_a_validation)
    _change(installation, "ybindings", _that_only_audits)

    told = [each.what for each in judged(installation.facts(), NOW) if each.code == "RT133"]

    assert told == [
        f"the ValidatingAdmissionPolicy {APPLICATIONS} is not that of this version",
        f"the ValidatingAdmissionPolicyBinding {APPLICATIONS} does not have it deny everywhere",
    ]


def _change(installation: Installation, kind: str, change: Change) -> None:
    path = _PATH.format(kind, APPLICATIONS)
    found = installation.server.request("GET", path)
    change(found["spec"])
    _replace(installation, path, found)


def _replace(installation: Installation, path: str, changed: Object) -> None:
    """Have *changed* there alone: what was applied for another test is not merged into it."""
    installation.server.request("DELETE", path)
    spec, metadata = changed["spec"], {"name": changed["metadata"]["name"]}
    installation.server.apply(
        {"apiVersion": changed["apiVersion"], "kind": changed["kind"], "metadata": metadata}
        | {"spec": spec}
    )
