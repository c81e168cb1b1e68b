"""What the two accounts need, as deploy/ gives it to them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from sidecar.controller.lease import LEASE
from sidecar.doctor.result import Result, naming, unread, well, wrong
from sidecar.kubernetes import (
    APPLICATIONS,
    CONFIG_MAPS,
    EVENTS,
    IMAGE_UPDATERS,
    LEASES,
    PROJECTS,
    SECRETS,
    ClusterError,
    Kind,
    Object,
)

REVIEWS = Kind(
    "authorization.k8s.io",
    "v1",
    "subjectaccessreviews",
    "SubjectAccessReview",
    is_namespaced=False,
)

_READ = ("get", "list", "watch")
_NEEDED: Mapping[str, tuple[tuple[Kind, str, tuple[str, ...]], ...]] = {
    "resolver": (
        (IMAGE_UPDATERS, "", _READ),
        (APPLICATIONS, "", _READ),
        (CONFIG_MAPS, "", _READ),
    ),
    "controller": (
        (IMAGE_UPDATERS, "", _READ),
        (IMAGE_UPDATERS, "status", ("patch",)),
        (APPLICATIONS, "", (*_READ, "patch")),
        (PROJECTS, "", _READ),
        (CONFIG_MAPS, "", (*_READ, "create", "update", "delete")),
        (EVENTS, "", ("create", "patch")),
        (LEASES, "", ("get", "create", "update")),
    ),
}


@dataclass(frozen=True, slots=True)
class Right:
    """That *account*, which is the *role*'s, may *verb* the *kind* (of which *part*, or "").

    *place* is the namespace, "" for that of the account; *name* is that of one object, or "".
    """

    role: str
    account: str
    verb: str
    kind: Kind
    part: str = ""
    place: str = ""
    name: str = ""

    def __str__(self) -> str:
        return f"{self.verb} {self.kind}{'/' if self.part else ''}{self.part}"


def needed(role: str, account: str) -> Iterator[Right]:
    """What *account* needs as *role*: `resolver` or `controller`."""
    for kind, part, verbs in _NEEDED[role]:
        for verb in verbs:
            name = LEASE if kind is LEASES else ""  # RBAC names it
            yield Right(role, account, verb, kind, part, name=name)


def review_of(right: Right, namespace: str) -> Object:
    """The question for *right*, where *namespace* is that of the account."""
    asked = {
        "namespace": right.place or namespace,
        "verb": right.verb,
        "group": right.kind.group,
        "resource": right.kind.plural,
        "subresource": right.part,
        "name": right.name,
    }
    groups = ["system:serviceaccounts", f"system:serviceaccounts:{namespace}"]
    spec = {
        "resourceAttributes": asked,
        "user": f"system:serviceaccount:{namespace}:{right.account}",
        "groups": [*groups, "system:authenticated"],
    }
    return {"apiVersion": REVIEWS.api_version, "kind": REVIEWS.name, "spec": spec}


def check_rights(rights: Mapping[Right, bool] | ClusterError) -> Iterable[Result]:
    """Whether each account has what it needs; of Secrets, `check_secrets` tells."""
    subject = "rights"
    if isinstance(rights, ClusterError):
        yield unread(subject, rights)
        return
    for account in sorted({(right.role, right.account) for right in rights}):
        missing = [
            str(right)
            for right, has in rights.items()
            if not has and _is_of(right, account) and right.kind is not SECRETS
        ]
        role, name = account
        if missing:
            what = f"the {role}'s account {name} may not {naming(missing)}"
            yield wrong("RT112", subject, what, f"apply deploy/base/rbac-{role}.yaml")
        else:
            yield well(subject, f"the {role}'s account {name} may do what it needs")


def _is_of(right: Right, account: tuple[str, str]) -> bool:
    return (right.role, right.account) == account
