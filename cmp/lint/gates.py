"""What a rule asks that its registry, as registries.conf describes it, will never tell or keep."""

from __future__ import annotations

from collections.abc import Iterator

from cmp.errors import Finding, Severity
from cmp.lint.stated import Stated
from cmp.policy import Output, Policy, compile_policy
from cmp.registry.endpoint import Endpoint, Kind


def check_gates(stated: Stated, endpoint: Endpoint) -> Iterator[Finding]:
    """What is wrong with *stated* at the registry *endpoint*.

    Where it is not known what speaks there, nothing is said.
    """
    policy = compile_policy(stated.rule.settings)
    if endpoint.is_layout or endpoint.kind in (Kind.OCI, Kind.LAYOUT):
        for field in _searched(policy):
            yield _unanswered(field, stated, endpoint)
    elif endpoint.kind is Kind.ZOT:
        yield from _check_moving(policy, stated)


def _searched(policy: Policy) -> Iterator[str]:
    """The fields that Zot's search alone can answer."""
    settings = policy.settings
    fields = {
        "minAge": settings.min_age is not None,
        "maxSeverity": settings.max_severity is not None,
        "requireTrusted": settings.require_trusted,
        "orderBy": settings.order_by == "pushed",
    }
    return (field for field, is_stated in fields.items() if is_stated)


def _unanswered(field: str, stated: Stated, endpoint: Endpoint) -> Finding:
    what = "lies on disk" if endpoint.is_layout else f"is of kind {endpoint.kind}"
    return stated.where(field).finding(
        "RT383",
        f"{field} is told by Zot's search alone, and the registry {endpoint.name} {what}: "
        "every tag is held back",
        severity=Severity.WARNING,
        remedy="remove it, or ask a Zot over HTTP",
    )


def _check_moving(policy: Policy, stated: Stated) -> Iterator[Finding]:
    """A digest that is gone as soon as somebody pushes the one tag that is followed."""
    name = policy.only
    if policy.output is Output.TAG or name is None or not policy.may_move(name):
        return
    yield stated.where("output").finding(
        "RT393",
        f"Zot keeps no digest of a tag that moves, as {name} may: after the next push "
        "no new pod can pull what was rendered, until it is rendered again",
        severity=Severity.WARNING,
        remedy="follow tags that are pushed once, or see that each push is followed by a render",
    )
