"""Checks of the ValidatingAdmissionPolicies that hold for the controller besides its Roles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sidecar.doctor.result import Result, unread, warning, well
from sidecar.kubernetes import ClusterError, Kind

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


def check_policies(there: Mapping[tuple[Kind, str], bool] | ClusterError) -> Iterator[Result]:
    """Whether each policy and its binding are *there*."""
    subject = "policies"
    if isinstance(there, ClusterError):
        yield unread(subject, there)
        return
    for name, file in NAMES.items():
        missing = [kind.name for kind in (POLICIES, BINDINGS) if not there[kind, name]]
        if missing:
            what = (
                f"there is no {' and no '.join(missing)} {name}, so nothing but its Role "
                "limits the controller"
            )
            yield warning("RT131", subject, what, f"apply {file}")
    if all(there.values()):
        yield well(subject, "both that limit the controller are there, and bound")
