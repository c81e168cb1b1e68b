"""The choice for one repository: what is asked of its registry, in which order, and what follows.

The listing, then what the policy must know of the tags that are left, and of the one it chooses
the digest by HEAD, since a search may be behind; then the signatures of that digest. A tag that is
not verified gives way to the next, newest first. What takes long is done in a thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from cmp.cosign import PublicKey, Unverified, verify
from cmp.errors import RegistryError, RuleError
from cmp.policy import Choice, Chosen, Keep, Kept, Policy, choose
from cmp.policy.policy import MOST_TRIED, Survey
from cmp.reference import Repository
from cmp.registry.places import describe
from cmp.registry.port import TagSource
from cmp.tags import Fault, Listing, Needs, Tag
from cmp.threads import work

# Names that are ranked in some 4 ms, and signatures that are tried in 2 (`cmp.cosign.verify`).
_MANY_NAMES = 500
_MANY_SIGNATURES = 20


@dataclass(frozen=True, slots=True)
class Verdict:
    """What *policy* chose of *repository*; *listing* is None where it was not asked."""

    repository: Repository
    policy: Policy
    choice: Choice
    listing: Listing | None = None
    error: RegistryError | RuleError | None = None

    @property
    def passed_over(self) -> tuple[str, ...]:
        """The tags that are allowed, and are not the newest: best first, if names tell that.

        Their signatures were not looked at.
        """
        if self.listing is None or not isinstance(self.choice, Chosen):
            return ()
        others = {self.choice.tag.name, *(refusal.tag for refusal in self.choice.refusals)}
        names = [name for name in dict.fromkeys(self.listing.names) if name not in others]
        if self.policy.time is None:
            names.sort(key=lambda name: (self.policy.judge(name), name), reverse=True)
        return tuple(names)


async def judge(
    repository: Repository, policy: Policy, tags: TagSource, keys: Sequence[PublicKey] = ()
) -> Verdict:
    """The choice of *policy* among the tags that the registry holds. Never raises.

    With imagesVerification a tag must be signed by one of *keys*; without any, nothing is chosen.
    """
    choice, listing = policy.decided(), None
    if choice is None and policy.settings.verify and not keys:
        choice = Kept(Keep.DISABLED, "imagesVerification has no key to verify with")
    try:
        if choice is None:
            listing = await tags.list_tags(repository)
            choice = await _look(policy, listing, tags, keys)
    except RegistryError as error:
        return Verdict(repository, policy, Kept(Keep.UNREACHABLE, str(error)), listing, error)
    return Verdict(repository, policy, choice, listing)


async def _look(
    policy: Policy, listing: Listing, tags: TagSource, keys: Sequence[PublicKey]
) -> Choice:
    """The choice among the tags of *listing*. Raises `RegistryError`."""
    names = listing.names
    # Once: the largest are not remembered, and a choice may be made twenty times.
    survey = await work(lambda: policy.survey(names), is_long=len(names) > _MANY_NAMES)
    return await _Looking(policy, listing, survey, tags, keys).choice()


_DOCUMENTS = Needs(created=True, digest=True)
_EVERYTHING = replace(_DOCUMENTS, pushed=True, severity=True, trusted=True)


async def with_facts(verdict: Verdict, tags: TagSource) -> Verdict:
    """*verdict* with all that the registry tells of the chosen tag, for people to see.

    Where it cannot be told, or is that of another image by now, all stays as it is. Never raises.
    """
    choice = verdict.choice
    if not isinstance(choice, Chosen):
        return verdict
    known, name = choice.tag, choice.tag.name
    for needs in (_EVERYTHING, _DOCUMENTS):
        try:
            seen = (await tags.describe(verdict.repository, [name], needs)).get(name)
        except RegistryError:
            return verdict
        if seen is None or seen.fault is not None:
            return verdict
        if seen.digest is not None:
            break
    else:
        return verdict
    if known.digest not in (None, seen.digest):
        return verdict
    if known.detail:  # its place in the listing, by which it was chosen
        seen = replace(seen, created=known.created, detail=known.detail)
    return replace(verdict, choice=replace(choice, tag=seen))


@dataclass(slots=True)
class _Looking:
    """What was found out so far: tags that are *described*, and why some are *refused*."""

    policy: Policy
    listing: Listing
    survey: Survey
    tags: TagSource
    keys: Sequence[PublicKey]
    described: dict[str, Tag] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    async def choice(self) -> Choice:
        """The newest tag that will do. Raises `RegistryError`."""
        while True:
            await self._describe()
            choice = await work(self._choose, is_long=len(self.described) > _MANY_NAMES)
            if isinstance(choice, Kept) or not self.policy.needs.digest:
                return choice
            if len(self.refused) == MOST_TRIED:
                why = f"the {MOST_TRIED} best tags are gone or not verified, others were not tried"
                return Kept(Keep.INCOMPLETE, why, choice.refusals)
            found = await self._with_digest(choice)
            if isinstance(found, Chosen) and self.policy.settings.verify:
                found = await self._verified(found)
            if found is not None:
                return found

    def _choose(self) -> Choice:
        return choose(self.policy, self.listing, self.described, self.refused, survey=self.survey)

    async def _describe(self) -> None:
        """Describe what the policy needs: all candidates, or the best until one will do."""
        needs, names = self.policy.needs, self._candidates()
        if needs.names_only or not names:
            return
        if self.policy.compares_described:
            if not self.described:
                # A search tells digests unasked; where there is none, a gate refuses each tag
                # whatever its digest, so that none need be asked for.
                asked = replace(needs, digest=needs.digest and not needs.searched)
                self.described |= await self._ask(names, asked)
            return
        for name in names:
            if name not in self.described:
                self.described |= await self._ask([name], needs)
            if not self._is_refused(name):
                return

    def _candidates(self) -> Sequence[str]:
        if self.policy.broken is not None and self.policy.settings.pin is None:
            return ()  # whatever is known of them, none is chosen
        return self.survey.survivors

    def _is_refused(self, name: str) -> bool:
        """Whether *name* is refused for good, so that the next may be chosen."""
        tag = self.described[name]
        key = self.policy.judge_described(tag, self.listing.observed_at)
        return name in self.refused or (isinstance(key, str) and tag.fault is not Fault.UNREADABLE)

    async def _ask(self, names: Sequence[str], needs: Needs) -> Mapping[str, Tag]:
        return await describe(self.tags, self.listing, names, needs)

    async def _with_digest(self, choice: Chosen) -> Choice | None:
        """*choice* with the digest that its tag has now, by HEAD; None if the tag is gone by now.

        A bare tag must not stand in for a digest that is due; and where a gate or a signature
        vouches for the image, it is for the one digest that was looked at.
        """
        tag, needs = choice.tag, self.policy.needs
        now = tag
        if needs.created or needs.searched:
            asked = await self._ask([tag.name], Needs(digest=True))
            now = asked.get(tag.name, Tag(tag.name))
        if now.fault is Fault.GONE:
            self.refused[tag.name] = "it was deleted while it was looked at"
            return None
        if now.digest is None:
            detail = f": {now.detail}" if now.detail else ""
            why = f"the registry gave no digest for {tag.name}{detail}"
            return Kept(Keep.INCOMPLETE, why, choice.refusals)
        if self.policy.guarded and now.digest != tag.digest:
            why = f"the tag {tag.name} moved while it was looked at"
            return Kept(Keep.INCOMPLETE, why, choice.refusals)
        return replace(choice, tag=replace(tag, digest=now.digest))

    async def _verified(self, choice: Chosen) -> Choice | None:
        """*choice* with the signature that vouches for it; None if the next is to be tried."""
        tag = choice.tag
        assert tag.digest is not None
        try:
            claims = await self.tags.signatures(self.listing.repository, tag.digest)
        except RegistryError as error:
            why = f"the signatures of {tag.name} could not be read: {error.brief}"
            return Kept(Keep.INCOMPLETE, why, choice.refusals)
        digest, keys = tag.digest, self.keys
        verified = await work(
            lambda: verify(claims, digest, keys),
            is_long=len(claims) * len(keys) > _MANY_SIGNATURES,
        )
        if isinstance(verified, Unverified):
            if verified.incomplete:
                why = f"{tag.name} has more signatures than were read: {verified}"
                return Kept(Keep.INCOMPLETE, why, choice.refusals)
            self.refused[tag.name] = f"imagesVerification: {verified}"
            return None
        return replace(choice, verified=str(verified))
