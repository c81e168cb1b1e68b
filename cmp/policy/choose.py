"""From a listing to a choice: the greatest key wins, ties go by name, in any order of listing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from cmp.policy.choice import Choice, Chosen, Keep, Kept, Refusal
from cmp.policy.policy import Policy, Survey
from cmp.policy.strategy import Key
from cmp.tags import Fault, Listing, Tag


def choose(policy: Policy, listing: Listing, described: Mapping[str, Tag]) -> Choice:
    """The newest tag of *listing* that *policy* allows, or why there is none.

    *described* holds what `policy.needs` asks of `policy.candidates`, and may be empty where names
    are enough. A candidate that is missing there counts as unreadable.
    """
    decided = policy.decided()
    if decided is not None:
        return decided
    survey = policy.survey(listing.names)
    if not survey.survivors:
        return Kept(Keep.NOTHING_ALLOWED, _nothing(policy, survey.refusals), survey.refusals)
    if policy.broken is not None and policy.settings.pin is None:
        return Kept(Keep.DISABLED, policy.broken, survey.refusals)
    if policy.needs.names_only:
        best = Tag(survey.survivors[0])
        return Chosen(best, policy.why(survey.allowed), survey.refusals)
    return _choose_described(policy, survey, described)


def _choose_described(policy: Policy, survey: Survey, described: Mapping[str, Tag]) -> Choice:
    """The choice among survivors of whom more than the name counts."""
    keys: list[tuple[Key, str]] = []
    refusals = list(survey.refusals)
    for name in survey.survivors:
        tag = described.get(name) or Tag(name, fault=Fault.UNREADABLE, detail="not described")
        key = policy.judge_described(tag)
        if isinstance(key, str):
            if tag.fault is Fault.UNREADABLE:  # it may be the newest, so the rest decides nothing
                return Kept(Keep.INCOMPLETE, f"{name}: {key}", survey.refusals)
            refusals.append(Refusal(name, key))
            continue
        keys.append((key, name))
        if not policy.needs.created:
            break  # the best comes first
    if not keys:
        return _all_refused(policy, survey, tuple(refusals))
    best = described[max(keys)[1]]
    why = policy.why(survey.allowed - len(refusals) + len(survey.refusals))
    return Chosen(best, why, tuple(refusals))


def _all_refused(policy: Policy, survey: Survey, refusals: tuple[Refusal, ...]) -> Kept:
    seen = len(survey.survivors)
    if seen < survey.allowed:
        why = f"the {seen} best tags are gone or no images, and the others were not described"
        return Kept(Keep.INCOMPLETE, why, refusals)
    return Kept(Keep.NOTHING_ALLOWED, _nothing(policy, refusals), refusals)


def _nothing(policy: Policy, refusals: tuple[Refusal, ...]) -> str:
    """Why nothing is allowed: the one tag that could be is not, or what most are refused for."""
    if not refusals:
        return "the repository has no tags"
    if policy.only is not None:
        reasons = (refusal.reason for refusal in refusals if refusal.tag == policy.only)
        reason = next(reasons, None)
        what = "is not in the registry" if reason is None else f"is refused: {reason}"
        return f"the tag {policy.only} {what}"
    [(reason, count)] = Counter(refusal.reason for refusal in refusals).most_common(1)
    if len(refusals) == 1:
        return f"the only tag, {refusals[0].tag}, is refused: {reason}"
    if count == len(refusals):
        return f"none of the {count} tags is allowed: {reason}"
    return f"none of the {len(refusals)} tags is allowed; the commonest reason ({count}): {reason}"
