"""From a listing to a choice: the greatest key wins, ties go by name, in any order of listing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from types import MappingProxyType

from cmp.policy.choice import Choice, Chosen, Keep, Kept, Refusal
from cmp.policy.policy import Policy, Survey
from cmp.policy.strategy import Key
from cmp.tags import Fault, Listing, Tag

_NOTHING: Mapping[str, str] = MappingProxyType({})


def choose(
    policy: Policy,
    listing: Listing,
    described: Mapping[str, Tag],
    refused: Mapping[str, str] = _NOTHING,
    *,
    survey: Survey | None = None,
) -> Choice:
    """The newest tag of *listing* that *policy* allows, or why there is none.

    *described* holds what `policy.needs` asks of the survivors of `policy.survey`, and may be
    empty where names are enough. A survivor that is missing there counts as unreadable; but where
    it is the best that is looked for, those after the first that will do need not be there.
    *refused* are survivors that are held back for reasons found elsewhere. The age of a tag is
    that at the time of the listing, *survey* that of its names, for who has it already.
    """
    decided = policy.decided()
    if decided is not None:
        return decided
    survey = survey or policy.survey(listing.names)
    if not survey.survivors:
        return Kept(Keep.NOTHING_ALLOWED, _nothing(policy, survey.refusals), survey.refusals)
    if policy.broken is not None and policy.settings.pin is None:
        return Kept(Keep.DISABLED, policy.broken, survey.refusals)
    if policy.needs.names_only:
        best = Tag(survey.survivors[0])
        return Chosen(best, policy.why(survey.allowed), survey.refusals)

    def look(name: str) -> tuple[Tag, Key | str]:
        tag = described.get(name) or Tag(name, fault=Fault.UNREADABLE, detail="not described")
        return tag, refused.get(name) or policy.judge_described(tag, listing.observed_at)

    return _choose_described(policy, survey, look)


def _choose_described(
    policy: Policy, survey: Survey, look: Callable[[str], tuple[Tag, Key | str]]
) -> Choice:
    """The choice among survivors of whom more than the name counts."""
    found: dict[str, tuple[Key, Tag]] = {}
    refusals = list(survey.refusals)
    for name in survey.survivors:
        tag, key = look(name)
        if not isinstance(key, str):
            found[name] = key, tag
            if not policy.compares_described:
                break
        # It may be the newest, so the rest decides nothing; unless the best was found already.
        elif tag.fault is Fault.UNREADABLE and (policy.time is not None or not found):
            return Kept(Keep.INCOMPLETE, f"{name}: {key}", tuple(refusals))
        else:
            refusals.append(Refusal(name, key))
    if not found:
        return _all_refused(policy, survey, tuple(refusals))
    _, best = found[_best(policy, found)]
    why = policy.why(survey.allowed - len(refusals) + len(survey.refusals))
    return Chosen(best, why, tuple(refusals))


def _best(policy: Policy, found: Mapping[str, tuple[Key, Tag]]) -> str:
    """The name with the greatest key; where names decide they are in order, the best first."""
    if policy.time is None:
        return next(iter(found))
    return max(found, key=lambda name: (found[name][0], name))


def _all_refused(policy: Policy, survey: Survey, refusals: tuple[Refusal, ...]) -> Kept:
    seen = len(survey.survivors)
    if seen < survey.allowed:
        why = f"the {seen} best tags are refused, and the others were not looked into"
        return Kept(Keep.INCOMPLETE, why, refusals)
    # What holds back tags with the right names says more than how many have other names.
    held = refusals[len(survey.refusals) :]
    return Kept(
        Keep.NOTHING_ALLOWED,
        _nothing(policy, held, "an allowed name" if survey.refusals else ""),
        refusals,
    )


def _nothing(policy: Policy, refusals: tuple[Refusal, ...], those: str = "") -> str:
    """Why nothing is allowed: the one tag that could be is not, or what most are refused for.

    *those* says which tags the *refusals* are about, if not about all.
    """
    if not refusals:
        return "the repository has no tags"
    if policy.only is not None:
        reasons = (refusal.reason for refusal in refusals if refusal.tag == policy.only)
        reason = next(reasons, None)
        what = "is not in the registry" if reason is None else f"is refused: {reason}"
        return f"the tag {policy.only} {what}"
    [(reason, count)] = Counter(refusal.reason for refusal in refusals).most_common(1)
    of = f" with {those}" if those else ""
    if len(refusals) == 1:
        return f"the only tag{of}, {refusals[0].tag}, is refused: {reason}"
    none = f"none of the {len(refusals)} tags{of} is allowed"
    if count == len(refusals):
        return f"{none}: {reason}"
    return f"{none}; the commonest reason ({count}): {reason}"
