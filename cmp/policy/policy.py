"""A compiled rule: which tags it allows, in which order, and what it must know of them.

What is wrong with the settings is told by `Policy.faults`, and what that does to the choice is
part of the policy. Pure: no clock, no network, no log.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from heapq import nlargest
from threading import Lock

from cachetools import LRUCache, cached

from cmp.policy.choice import Choice, Chosen, Keep, Kept, Refusal
from cmp.policy.extraction import Extraction
from cmp.policy.fault import PolicyFault
from cmp.policy.filters import NameFilters
from cmp.policy.gates import Gates
from cmp.policy.settings import Settings
from cmp.policy.strategy import Key, OneTag, Strategy, Time
from cmp.policy.successor import Output
from cmp.tags import Fault, Needs, Tag

# How many tags are looked into one after the other, best first, until one will do: is there, and
# its signature holds. Each costs some requests, and one is enough on most days.
MOST_TRIED = 20
_SURVEYED = 200_000  # tag names with their judgement, over all policies: some 30 MB

_FAULTS = {
    Fault.GONE: "its manifest is gone",
    Fault.MALFORMED: "its manifest is not that of an image",
    Fault.UNREADABLE: "it could not be read",
}


@dataclass(frozen=True, slots=True)
class Survey:
    """What names alone tell: *survivors* of the *allowed* names, and why others are refused.

    Where names decide the survivors are in order, best first, and unless gates look into each of
    them these are the best few; where times decide they are all, in no order.
    """

    survivors: tuple[str, ...]
    allowed: int
    refusals: tuple[Refusal, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Policy:
    """A compiled rule.

    *disabled* says why the rule cannot be followed at all, *broken* why its strategy cannot.
    """

    settings: Settings
    strategy: Strategy
    filters: NameFilters
    extraction: Extraction | None
    gates: Gates
    output: Output
    faults: tuple[PolicyFault, ...]
    disabled: str | None
    broken: str | None

    def __str__(self) -> str:
        """The rule in one line, in the words of the resource."""
        settings = self.settings
        filter_tags = settings.filter_tags
        parts = {
            "allowTags": " or ".join(settings.allow_tags),
            "ignoreTags": ", ".join(settings.ignore_tags),
            "denyTags": ", ".join(settings.deny_tags),
            "filterTags": f"{filter_tags.pattern} {filter_tags.extract}" if filter_tags else "",
            "platforms": ", ".join(settings.platforms),
            "orderBy": settings.order_by if settings.order_by != "built" else "",
            "minAge": settings.min_age,
            "maxSeverity": settings.max_severity,
            "output": settings.output if settings.output != Output.TAG else "",
            "pin": settings.pin,
        }
        stated = (f"{field} {value.strip()}" for field, value in parts.items() if value)
        switches = {
            "requireTrusted": settings.require_trusted,
            "imagesVerification": settings.verify,
            "suspended": settings.suspend,
        }
        on = (name for name, is_on in switches.items() if is_on)
        return ", ".join([str(self.strategy), *stated, *on])

    @property
    def needs(self) -> Needs:
        """What must be known of the tags that survive a `survey`."""
        needs = replace(self.gates.needs, digest=self.output is not Output.TAG)
        if not self._looks_inside:
            return needs
        return replace(
            needs,
            created=self.strategy.time is Time.BUILT,
            pushed=needs.pushed or self.strategy.time is Time.PUSHED,
            platforms=self.settings.platforms,
        )

    @property
    def guarded(self) -> bool:
        """Whether something vouches for a digest: a gate, or a signature."""
        return self.gates.any or self.settings.verify

    @property
    def compares_described(self) -> bool:
        """Whether all candidates must be described; else the best alone, until one will do."""
        return self.time is not None or self.gates.any

    @property
    def time(self) -> Time | None:
        """Which time decides; None where names do."""
        return self.strategy.time if self.settings.pin is None else None

    @property
    def _looks_inside(self) -> bool:
        """Whether more than a digest counts of an image: then its platform does too (the peer)."""
        looks = self.strategy.time is not None or isinstance(self.strategy, OneTag)
        return looks and self.settings.pin is None

    @property
    def only(self) -> str | None:
        """The one tag that can be chosen, whatever else is listed; None if there are several."""
        if self.settings.pin is None and self.extraction is None:
            return self.strategy.name if isinstance(self.strategy, OneTag) else None
        return self.settings.pin

    def may_move(self, name: str) -> bool:
        """Whether the tag *name* looks like one that is pushed again: followed, or numberless."""
        followed = isinstance(self.strategy, OneTag) and self.settings.pin is None
        return followed or not any(map(str.isdigit, name))

    def decided(self) -> Choice | None:
        """The choice that needs no registry: rule disabled, pinned or suspended; else None."""
        if self.disabled is not None:
            return Kept(Keep.DISABLED, self.disabled)
        if self.settings.pin is not None:
            return self._pinned(self.settings.pin)
        if self.settings.suspend:
            return Kept(Keep.SUSPENDED, "the rule is suspended")
        if self.broken is not None and isinstance(self.strategy, OneTag):
            return Kept(Keep.DISABLED, self.broken)
        return None

    def survey(self, names: tuple[str, ...]) -> Survey:
        """What *names* alone tell; remembered for equal settings and names."""
        return _survey(self, names)

    def allows(self, name: str) -> bool:
        """Whether *name* is the kind of tag that the rule is about.

        Only what selects counts: not denyTags, gates, pin or suspend, which hold a tag of that
        kind back, nor metadata. It says nothing where the rule is `unclear`.
        """
        if self.disabled is not None or self.broken is not None:
            return False
        return self.filters.foreign(name) is None and not isinstance(self._select(name), str)

    @property
    def unclear(self) -> str | None:
        """Why it cannot be told which tags the rule is about, in a line; None if it can be.

        Any fault but one of platforms, which names do not show, leaves open what was meant.
        """
        faults = (fault for fault in self.faults if not fault.field.startswith("platforms["))
        return next(map(str, faults), None)

    def may_stay(self, name: str) -> bool:
        """Whether *name*, which an image got before, may stay, as far as the name tells.

        A pin is left out of account. Where the rule is `unclear`, only what is denied may not.
        """
        if self.filters.denial(name) is not None:
            return False
        return self.unclear is not None or not isinstance(self._select(name), str)

    def rank(self, tag: Tag, now: float) -> Key | Refusal:
        """The key of *tag* at *now*, comparable within this policy, or why it is refused."""
        by_name = self.judge(tag.name)
        key = by_name if isinstance(by_name, str) else self.judge_described(tag, now)
        return Refusal(tag.name, key) if isinstance(key, str) else (by_name, key, tag.name)

    def judge(self, name: str) -> Key | str:
        """The key of *name* as far as the name alone tells, or why it is refused."""
        reason = self.filters.denial(name)
        if reason is not None:
            return reason
        if self.settings.pin is not None:
            return () if name == self.settings.pin else f"not the pinned tag {self.settings.pin}"
        return self._select(name)

    def judge_described(self, tag: Tag, now: float) -> Key | str:
        """The same of what is known of *tag* beyond its name; *now* in seconds since the epoch."""
        if tag.fault is not None and (self._looks_inside or tag.digest is None):
            return _told(tag.fault, tag.detail)
        reason = self.gates.refusal(tag, now)
        if reason is not None:
            return reason
        if self.time is None:
            return ()
        if self.time is Time.PUSHED and tag.pushed is None and tag.unanswered:
            return f"orderBy pushed: {tag.unanswered}"
        built = self.time is Time.BUILT
        return self.strategy.rank(tag.name, tag.created if built else tag.pushed)

    def why(self, allowed: int) -> str:
        """By which rule the greatest of *allowed* tags is chosen."""
        return "pinned" if self.settings.pin is not None else self.strategy.why(allowed)

    def _select(self, name: str) -> Key | str:
        """The same for a name that neither deny, gates nor pin decide about."""
        reason = self.filters.refusal(name)
        if reason is not None:
            return reason
        value = self.extraction.value(name) if self.extraction is not None else name
        if value is None:
            return "not matched by filterTags"
        return () if self.strategy.time is not None else self.strategy.rank(value, None)

    def _pinned(self, pin: str) -> Choice | None:
        reason = self.judge(pin)
        if isinstance(reason, str):
            refusals = (Refusal(pin, reason),)
            return Kept(Keep.NOTHING_ALLOWED, f"the pin {pin} is refused: {reason}", refusals)
        return None if self.needs.digest else Chosen(Tag(pin), "pinned")


def _told(fault: Fault, detail: str) -> str:
    """What *fault* means, and *detail*; which says it all of a manifest that is no use."""
    if not detail:
        return _FAULTS[fault]
    return detail if fault is Fault.MALFORMED else f"{_FAULTS[fault]}: {detail}"


@cached(
    LRUCache(_SURVEYED, getsizeof=lambda survey: 1 + survey.allowed + len(survey.refusals)),
    key=lambda policy, names: (policy.settings, names),
    lock=Lock(),
)
def _survey(policy: Policy, names: tuple[str, ...]) -> Survey:
    keys: list[tuple[Key, str]] = []
    refusals: list[Refusal] = []
    for name in sorted(set(names)):
        key = policy.judge(name)
        if isinstance(key, str):
            refusals.append(Refusal(name, key))
        else:
            keys.append((key, name))
    best = keys
    if policy.time is None:
        best = nlargest(len(keys) if policy.gates.any else MOST_TRIED, keys)
    return Survey(tuple(name for _, name in best), len(keys), tuple(refusals))
