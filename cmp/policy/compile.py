"""From settings as written to a policy. Never fails: every fault is told as a value."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from cmp.policy.expression import InvalidExpressionError
from cmp.policy.extraction import compile_extraction
from cmp.policy.fault import PolicyFault
from cmp.policy.filters import NameFilters, compile_allowed, compile_globs, nothing_allowed
from cmp.policy.gates import Gates, compile_gates
from cmp.policy.policy import Policy
from cmp.policy.settings import Settings
from cmp.policy.strategy import OneTag, Strategy, Time, compile_strategy
from cmp.policy.successor import Output
from cmp.tags import is_tag

_COMPILED = 1024  # policies kept; the settings of a large cluster repeat

# Faults in these fields disable the rule, pins included: they guard, or say what to write.
_FATAL = frozenset({"denyTags", "pin", "output", "orderBy", "minAge", "maxSeverity"})
_ORDERS = frozenset({"built", "pushed"})


@lru_cache(maxsize=_COMPILED)
def compile_policy(settings: Settings) -> Policy:
    """The policy that *settings* spell; equal settings give the same object."""
    faults: list[PolicyFault] = []
    strategy = compile_strategy(settings, faults)
    filters = NameFilters(
        denied=compile_globs("denyTags", settings.deny_tags, faults),
        allowed=compile_allowed(settings.allow_tags, faults),
        ignored=compile_globs("ignoreTags", settings.ignore_tags, faults),
    )
    extraction = None
    if settings.filter_tags is not None:
        try:
            extraction = compile_extraction(settings.filter_tags, faults)
        except InvalidExpressionError as error:
            faults.append(PolicyFault.of("filterTags.pattern", error))
            filters = replace(filters, allowed=nothing_allowed(faults[-1]))
    gates = compile_gates(settings, faults)
    _check_plain_fields(settings, faults)
    _check_order(settings, strategy, faults)
    return Policy(
        settings=settings,
        strategy=strategy,
        filters=filters,
        extraction=extraction,
        gates=gates,
        output=_output(settings, strategy, gates),
        faults=tuple(faults),
        disabled=next((str(f) for f in faults if f.field.partition("[")[0] in _FATAL), None),
        broken=next((str(f) for f in faults if f.field == "imageName"), None),
    )


def _check_plain_fields(settings: Settings, faults: list[PolicyFault]) -> None:
    """Adds to *faults* what is wrong with the fields that need no compiling."""
    if settings.pin is not None and not is_tag(settings.pin):
        faults.append(PolicyFault("pin", f"{settings.pin!r} is not a tag"))
    if settings.output not in set(Output):
        known = ", ".join(Output)
        faults.append(PolicyFault("output", f"{settings.output!r} is not one of {known}"))
    if settings.order_by not in _ORDERS:
        faults.append(PolicyFault("orderBy", f"{settings.order_by!r} is not built or pushed"))
    for index, platform in enumerate(settings.platforms):
        if "/" not in platform:
            what = f"{platform!r} is not os/arch or os/arch/variant, so it matches nothing"
            faults.append(PolicyFault(f"platforms[{index}]", what))


def _check_order(settings: Settings, strategy: Strategy, faults: list[PolicyFault]) -> None:
    """Adds a fault where an order by push times is stated, and would not be followed."""
    if settings.order_by == "pushed" and strategy.time is not Time.PUSHED:
        what = f"pushed is an order of newest-build, and the strategy is {strategy}"
        faults.append(PolicyFault("orderBy", what))


def _output(settings: Settings, strategy: Strategy, gates: Gates) -> Output:
    try:
        output = Output(settings.output)
    except ValueError:
        return Output.TAG  # the rule is disabled
    # The digest strategy is about digests, so it has no bare form; and what was looked at through
    # a gate is one image, not whatever the tag names later.
    due = isinstance(strategy, OneTag) or gates.any or settings.verify
    return Output.TAG_AND_DIGEST if due and output is Output.TAG else output
