"""Checks of the ValidatingAdmissionPolicies that hold for the controller besides its Roles."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from sidecar.doctor.result import Result, unread, warning, well
from sidecar.kubernetes import ClusterError, Kind, Object

_GROUP = "admissionregistration.k8s.io"
POLICIES = Kind(
    _GROUP,
    "v1",
    "validatingadmissionpolicies",
    "ValidatingAdmissionPolicy",
    is_namespaced=False,
)
BINDINGS = Kind(
    _GROUP,
    "v1",
    "validatingadmissionpolicybindings",
    "ValidatingAdmissionPolicyBinding",
    is_namespaced=False,
)
# Each with its binding of the same name, as deploy/base has them.
NAMES: Mapping[str, str] = {
    "retag-controller-applications": "deploy/base/controller-policy.yaml",
    "retag-controller-records": "deploy/base/records-policy.yaml",
}
# What `mark_of` makes of these; a test tells the new one where a policy is changed.
MARKS: Mapping[str, str] = {
    "retag-controller-applications": "f4ba6f6b157dfd2b",
    "retag-controller-records": "712bea7edd97ab60",
}
_RULE = ("apiGroups", "apiVersions", "operations", "resources", "resourceNames")

Found = Mapping[tuple[Kind, str], Object | None]  # by kind and name; None for what is not there


def check_policies(found: Found | ClusterError, account: str) -> Iterator[Result]:
    """Whether each policy and its binding are among *found*, and limit *account*.

    That is the controller's, as the API server calls it (`system:serviceaccount:…`).
    """
    subject = "policies"
    if isinstance(found, ClusterError):
        yield unread(subject, found)
        return
    faults = list(_faults(found, account))
    for code, what, file in faults:
        yield warning(code, subject, what, f"apply {file}")
    if not faults:
        yield well(subject, "both that limit the controller are there, and bound")


def mark_of(policy: Object) -> str:
    """The same for each policy that decides the same, for whomever it does."""
    spec = policy.get("spec") or {}
    matched = spec.get("matchConstraints") or {}
    said = {
        "failurePolicy": spec.get("failurePolicy") or "Fail",
        "matches": [_rule(each) for each in matched.get("resourceRules") or ()],
        "excludes": [_rule(each) for each in matched.get("excludeResourceRules") or ()],
        "selects": [matched.get(f"{each}Selector") or {} for each in ("namespace", "object")],
        "variables": [[each["name"], each["expression"]] for each in spec.get("variables") or ()],
        "validations": [each["expression"] for each in spec.get("validations") or ()],
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]


def _faults(found: Found, account: str) -> Iterator[tuple[str, str, str]]:
    """What is wrong: a code, what, and the file that mends it."""
    for name, file in NAMES.items():
        policy, binding = found[POLICIES, name], found[BINDINGS, name]
        if policy is None or binding is None:
            absent = {POLICIES: policy, BINDINGS: binding}
            missing = [kind.name for kind, each in absent.items() if each is None]
            what = (
                f"there is no {' and no '.join(missing)} {name}, so nothing but its Role "
                "limits the controller"
            )
            yield "RT131", what, file
        if policy is not None and mark_of(policy) != MARKS[name]:
            what = f"the ValidatingAdmissionPolicy {name} is not that of this version"
            yield "RT133", what, file
        elif policy is not None and not _is_about(policy, account):
            what = f"the ValidatingAdmissionPolicy {name} is for another account than {account}"
            yield "RT133", what, f"{file}, with that account in its matchConditions"
        if binding is not None and not _denies(binding, name):
            what = f"the ValidatingAdmissionPolicyBinding {name} does not have it deny everywhere"
            yield "RT133", what, file


def _is_about(policy: Object, account: str) -> bool:
    """Whether *account* is whom *policy* limits, under no further condition."""
    conditions = (policy.get("spec") or {}).get("matchConditions") or ()
    stated = [each["expression"] for each in conditions]
    return stated == [f'request.userInfo.username == "{account}"']


def _denies(binding: Object, name: str) -> bool:
    spec = binding.get("spec") or {}
    return (
        spec.get("policyName") == name
        and "Deny" in (spec.get("validationActions") or ())
        and not spec.get("matchResources")
    )


def _rule(rule: Mapping[str, Any]) -> list[list[str]]:
    return [sorted(rule.get(field) or ()) for field in _RULE]
