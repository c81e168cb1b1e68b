"""Doubles that implement the pipeline's ports: tags in memory, and a store that is a mapping."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from cmp.cosign import Claim
from cmp.errors import NotFoundError, RegistryError
from cmp.reference import Repository
from cmp.request import Request
from cmp.rules import Application, Rule
from cmp.store import LastGood, NothingStored
from cmp.tags import Fault, Listing, Needs, Tag

NOW = 1_767_225_600.0  # 2026-01-01T00:00:00Z


@dataclass
class MemoryTags:
    """A `TagSource` of *tags* by repository that counts questions; *error* answers all of them.

    *heads* are digests that a tag has by HEAD where they are not those that a search tells;
    *claims* those about each digest, *unread* what answers who asks for them. *newest_first* is
    that of a listing.
    """

    tags: Mapping[str, Iterable[Tag | str]]
    error: RegistryError | None = None
    asked: Counter[str] = field(default_factory=Counter)
    claims: Mapping[str, Sequence[Claim]] = field(default_factory=dict)
    heads: Mapping[str, str] = field(default_factory=dict)
    unread: RegistryError | None = None
    newest_first: bool | None = None

    def authorised(self, pull_secret: str, /) -> Self:
        """The same tags; which login but the registry's own was asked for is counted."""
        if pull_secret:
            self.asked[f"as {pull_secret}"] += 1
        return self

    def since(self, _instant: float, /) -> Self:
        """The same tags: none is remembered."""
        return self

    async def signatures(self, repository: Repository, digest: str, /) -> Sequence[Claim]:
        """The claims about *digest*."""
        self.asked[f"signatures {repository}"] += 1
        if self.unread is not None:
            raise self.unread
        return self.claims.get(digest, ())

    async def list_tags(self, repository: Repository) -> Listing:
        """All names, in the order given."""
        self.asked[f"list {repository}"] += 1
        return Listing(repository, tuple(self._known(repository)), NOW, self.newest_first)

    async def describe(
        self, repository: Repository, names: Sequence[str], needs: Needs, /
    ) -> Mapping[str, Tag]:
        """The tags as given; who asks for a digest alone gets that of HEAD."""
        self.asked[f"describe {repository}"] += len(names)
        known = self._known(repository)
        tags = {name: known.get(name, Tag(name, fault=Fault.GONE)) for name in names}
        if needs.created or needs.searched:
            return tags
        heads = {name: self.heads.get(name, tag.digest) for name, tag in tags.items()}
        return {name: replace(tag, digest=heads[name]) for name, tag in tags.items()}

    def _known(self, repository: Repository) -> dict[str, Tag]:
        if self.error is not None:
            raise self.error
        if str(repository) not in self.tags:
            raise NotFoundError("RT505", f"there is no repository {repository}")
        tags = [Tag(tag) if isinstance(tag, str) else tag for tag in self.tags[str(repository)]]
        return {tag.name: tag for tag in tags}


class MemoryStore(NothingStored):
    """A `Store` that gives *choices* to every Application, and keeps what it is given in them."""

    def __init__(self, choices: Iterable[LastGood] = ()) -> None:
        self.kept = list(choices)

    async def choices(self, _application: str, /) -> Sequence[LastGood]:
        """All that is kept."""
        return tuple(self.kept)

    async def keep_choices(self, _application: str, choices: Sequence[LastGood], /) -> None:
        """Before what is kept already."""
        self.kept[:0] = choices


def last_good(rule: Rule, tag: str, digest: str | None = None) -> LastGood:
    """That *rule* last gave *tag*."""
    identity = rule.identity
    repository = str(rule.repository)
    return LastGood(identity.rule, identity.fingerprint, repository, tag, digest, NOW)


@dataclass(frozen=True)
class OneApplication:
    """An `ApplicationInfo` that knows one."""

    known: Application

    def application(self, _request: Request, /) -> Application:
        """That one."""
        return self.known
