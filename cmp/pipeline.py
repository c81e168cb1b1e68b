"""The whole job as one function: manifests are rendered, images found, decided, rewritten."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from cmp.decide import Asked, Decided, Decision, decide
from cmp.errors import ManifestError
from cmp.held import Held, remembered_repositories
from cmp.judge import with_facts
from cmp.lookups import Direct
from cmp.manifests import ImageField, Site
from cmp.memo import Memo
from cmp.meter import Meter, Unmetered
from cmp.ports import ApplicationInfo, Lookups
from cmp.registry.port import TagSource
from cmp.registry.secrets import NoSecrets, Secrets
from cmp.render import Permissions, render
from cmp.request import Request
from cmp.rules import Matched, RuleSet
from cmp.rules.application import Application
from cmp.store import Store
from cmp.threads import MANY_IMAGES, work


@dataclass(frozen=True, slots=True)
class Operator:
    """What the operator gives each render: rules, registries, keys, what a renderer may do.

    *lookups* make the choices; by default each is made anew. *memo* remembers manifests; by
    default each are read anew. *meter* counts what is kept for want of a choice.
    """

    rules: RuleSet
    tags: TagSource
    permissions: Permissions = field(default_factory=Permissions)
    fields: Sequence[ImageField] = ()
    secrets: Secrets = field(default_factory=NoSecrets)
    lookups: Lookups | None = None
    memo: Memo | None = None
    meter: Meter = field(default_factory=Unmetered)


@dataclass(frozen=True, slots=True)
class Generated:
    """*manifests* is what Argo CD gets, *rendered* what the renderer gave; and why they differ.

    *held* are images of broken rules.
    """

    application: Application
    matched: Matched
    rendered: bytes
    manifests: bytes
    decisions: tuple[Decision, ...]
    held: tuple[Held, ...] = ()


async def generate(
    request: Request, operator: Operator, applications: ApplicationInfo, store: Store
) -> Generated:
    """The manifests of *request* with the newest allowed tags. Raises `RetagError`."""
    rendered = render(request, operator.permissions)
    return await resolve(request, rendered, operator, applications, store)


async def resolve(
    request: Request,
    rendered: bytes,
    operator: Operator,
    applications: ApplicationInfo,
    store: Store,
) -> Generated:
    """The same for manifests that are *rendered* already, elsewhere perhaps."""
    memo = operator.memo or Memo()
    manifests = await memo.manifests(rendered)
    if not request.options.allow_empty and await memo.is_empty(manifests):
        raise ManifestError(
            "RT470",
            "the render has no objects, and Argo CD would prune all that is there",
            remedy="if that is meant, set the parameter allow-empty",
        )
    application = applications.application(request)
    matched = operator.rules.matched(application)
    earlier = await store.choices(request.name)
    repositories = matched.repositories
    if matched.unknown:  # which may have ruled all that was ever ruled
        repositories |= frozenset(remembered_repositories(earlier))
    sites = await memo.sites(manifests, repositories, operator.fields)
    lookups = operator.lookups or Direct(operator.tags)
    asked = Asked(lookups, operator.secrets, earlier, request.options, operator.meter)
    decided = await decide(sites, matched, application, asked)
    edits = await work(lambda: _edits(decided), is_long=len(sites) > MANY_IMAGES)
    written = await memo.rewritten(manifests, edits)
    if decided.records:
        # First, so that no answer can be acted on that is forgotten if the resolver is killed.
        await store.keep_choices(request.name, decided.records)
    return Generated(application, matched, rendered, written, decided.decisions, decided.held)


def _edits(decided: Decided) -> dict[Site, str]:
    images: list[Decision | Held] = [*decided.decisions, *decided.held]
    return {image.site: str(image.after) for image in images if image.changed}


async def look_closer(generated: Generated, tags: TagSource) -> Generated:
    """*generated*, whose verdicts know all that *tags* tell of what they chose. Never raises."""
    known = {decision.rule: decision.verdict for decision in generated.decisions}
    found = await asyncio.gather(
        *(with_facts(known[rule], tags.authorised(rule.pull_secret)) for rule in known)
    )
    verdicts = dict(zip(known, found, strict=True))
    decisions = (replace(each, verdict=verdicts[each.rule]) for each in generated.decisions)
    return replace(generated, decisions=tuple(decisions))
