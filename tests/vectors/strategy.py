"""strategy: settings, the tags of a repository and what runs; which tag is chosen and written."""

from __future__ import annotations

import re
from typing import Any

from cmp.policy import (
    Choice,
    Chosen,
    Keep,
    Kept,
    Output,
    Policy,
    Refusal,
    Settings,
    choose,
    compile_policy,
    successor,
)
from cmp.reference import Reference, Repository
from cmp.registry.instant import parse_instant
from cmp.tags import Fault, Listing, Platform, Tag, positions_as_times, wants
from tests.vectors import Case

_IMAGE = "registry.example.com/team/app"
_REPOSITORY = Repository("registry.example.com", "team/app")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_SIGNATURE = re.compile(r"sha256-[0-9a-f]{64}(\.(sig|att|sbom))?")
_RELEASE = re.compile(r"v?[0-9]{1,9}(\.[0-9]{1,9}){0,2}")


def answer(case: Case) -> Any:
    """The choice, what passes the filters, and what becomes of the tag that runs."""
    policy = compile_policy(_settings(case))
    names = tuple(tag["name"] for tag in case["tags"])
    described = _described(case)
    choice = choose(policy, Listing(_REPOSITORY, names, 0), described)
    return _chosen(policy, choice, described) | _action(case, policy, choice)


def expected(case: Case) -> Any:
    """All of it."""
    return case["expect"]


def difference(case: Case) -> str | None:
    """Names that are no image tags, manifests that cannot be read, forceUpdate."""
    expect, got = case["expect"], answer(case)
    if any(map(_is_foreign, expect.get("filtered", []))) and _is_without_foreign(case, got):
        return "signature tags, and tags outside the OCI grammar, are never candidates"
    kept = {key: value for key, value in expect.items() if key not in {"image", "digest"}}
    kept |= {"tag": None} | ({"action": "no-candidate"} if "action" in expect else {})
    unread = [tag["name"] for tag in case["tags"] if tag.get("error")]
    looked_into = unread if case["strategy"].lower() != "digest" else [case["constraint"]]
    if _looks_inside(case) and set(unread) & set(looked_into) and got == kept:
        return "a manifest that cannot be read for a passing reason makes the choice incomplete"
    still = {key: value for key, value in expect.items() if key != "image"}
    forced = case.get("forceUpdate") and case.get("current") == "(not-live)"
    if forced and got == still | {"action": "not-live"}:
        return "forceUpdate has no effect"
    return None


def _looks_inside(case: Case) -> bool:
    return case["strategy"].lower() in {"newest-build", "latest", "digest"}


def _is_foreign(name: str) -> bool:
    return bool(_SIGNATURE.fullmatch(name)) or not _TAG.fullmatch(name)


def _is_without_foreign(case: Case, got: Case) -> bool:
    """Whether *got* is the peer's answer less foreign names; another tag only if one had won."""
    expect = case["expect"]
    left = [name for name in expect["filtered"] if not _is_foreign(name)]
    if expect["tag"] is None or not _is_foreign(expect["tag"]):
        return bool(got == expect | {"filtered": left})
    unbound = case["constraint"] is None and any(map(_RELEASE.fullmatch, left))
    chosen = got.get("tag") in left or (got.get("tag") is None and not unbound)
    return chosen and got.get("filtered") == left and ("action" in got) == ("action" in expect)


def _settings(case: Case) -> Settings:
    return Settings(
        strategy=case["strategy"],
        constraint=case["constraint"],
        allow_tags=(case["allowTags"],) if "allowTags" in case else (),
        ignore_tags=tuple(case.get("ignoreTags", ())),
        platforms=tuple(case.get("platforms", ())),
    )


def _described(case: Case) -> dict[str, Tag]:
    """The tags as a registry describes them; one that is sorted by age looks at none."""
    tags = {tag["name"]: tag for tag in case["tags"]}
    mode = case.get("tagSortMode", "none")
    if mode in {"latest-first", "latest-last"}:
        times = positions_as_times(tags, newest_first=mode == "latest-first")
        return {name: Tag(name, created=created) for name, created in times.items()}
    platforms = tuple(case.get("platforms", ()))
    return {name: _tag(tag, platforms) for name, tag in tags.items()}


def _tag(tag: Case, platforms: tuple[str, ...]) -> Tag:
    """An image whose config has no build time, or another platform, is of no use."""
    created = parse_instant(tag.get("created", ""))
    platform = Platform(*tag.get("platform", "/").split("/"))
    if tag.get("error"):
        return Tag(tag["name"], fault=Fault.UNREADABLE)
    if created is None or not wants(platforms, platform):
        return Tag(tag["name"], fault=Fault.MALFORMED)
    return Tag(tag["name"], tag.get("digest"), created)


def _chosen(policy: Policy, choice: Choice, described: dict[str, Tag]) -> dict[str, Any]:
    if isinstance(choice, Kept) and choice.keep is Keep.DISABLED:
        needs_tag = policy.output is Output.TAG_AND_DIGEST
        return {"tag": None, "error": "tags" if needs_tag else "constraint"}
    filtered = sorted(name for name, tag in described.items() if _passes(policy, tag))
    if isinstance(choice, Kept):
        return {"tag": None, "filtered": filtered}
    digest = {"digest": choice.tag.digest} if policy.needs.digest and choice.tag.digest else {}
    return {"tag": choice.tag.name, "filtered": filtered} | digest


def _passes(policy: Policy, tag: Tag) -> bool:
    """Whether the filters pass *tag*, and its metadata where the policy asks for any."""
    if not policy.needs.names_only:
        return not isinstance(policy.rank(tag, 0), Refusal)
    filters = policy.filters
    return filters.denial(tag.name) is None and filters.refusal(tag.name) is None


def _action(case: Case, policy: Policy, choice: Choice) -> dict[str, Any]:
    current = case.get("current")
    match choice:
        case _ if current is None:
            return {}
        case _ if current == "(not-live)":
            return {"action": "not-live"}
        case Kept(Keep.DISABLED):
            return {"action": "error"}
        case Kept():
            return {"action": "no-candidate"}
        case Chosen(tag):
            new = successor(_reference(current), tag, policy.output)
            return {"action": "update", "image": str(new)} if new else {"action": "up-to-date"}


def _reference(current: str) -> Reference:
    """What stands in the manifest: a tag, `tag@digest`, `@digest` or `(untagged)`."""
    if current == "(untagged)":
        return Reference.parse(_IMAGE)
    return Reference.parse(f"{_IMAGE}{'' if current.startswith('@') else ':'}{current}")
