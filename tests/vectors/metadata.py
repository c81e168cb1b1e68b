"""Vectors of kind `metadata`: a whole repository, and what a policy chooses of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from cmp.policy import Chosen, Keep, Kept, Output, Settings, choose, compile_policy
from cmp.reference import Repository
from cmp.registry.documents import Descriptor
from cmp.registry.instant import NO_DATE, parse_instant
from cmp.registry.metadata import Describer
from cmp.tags import Listing, Tag, is_signature, is_tag
from tests.registry.memory import MemoryContent, digest_of
from tests.vectors import Case


def answer(case: Case) -> dict[str, Any]:
    """Tag and digest, or error; and what was learned of each tag that was looked at."""
    policy = compile_policy(_settings(case))
    described = describe(case, content(case))
    match choose(policy, _listing(case), described):
        case Kept(Keep.DISABLED):
            return {"error": "constraint" if case.get("constraint") else "tags"}
        case Kept():
            chosen: dict[str, Any] = {"tag": None}
        case Chosen(tag) if policy.output is Output.TAG:
            chosen = {"tag": tag.name}
        case Chosen(tag):
            chosen = {"tag": tag.name, "digest": tag.digest}
    known = {name: _metadata(tag) for name, tag in described.items() if tag.fault is None}
    return chosen | {"metadata": known}


def expected(case: Case) -> Any:
    """All but labels and requests; dates as numbers, where one was looked for."""
    expect = case["expect"]
    if "error" in expect:
        return {"error": expect["error"]}
    known = {
        name: {"created": parse_instant(found["created"]), "digest": found["manifestDigest"]}
        for name, found in expect["metadata"].items()
        if "manifestDigest" in found
    }
    chosen = {key: expect[key] for key in ("tag", "digest") if key in expect}
    return chosen | {"metadata": known}


def difference(case: Case) -> str | None:
    """Names that are never candidates: the rest is as for the Image Updater."""
    survivors = set(case["expect"].get("metadata", ()))
    signatures = {name for name in survivors if is_signature(name)}
    foreign = signatures | {name for name in survivors if not is_tag(name)}
    if not foreign or answer(case) != _without(foreign, survivors, expected(case)):
        return None
    if signatures:
        return "signature and attestation tags are never candidates"
    return "tags outside the OCI grammar are never candidates"


def _without(foreign: set[str], survivors: set[str], expect: dict[str, Any]) -> dict[str, Any]:
    """What *expect* is where the *foreign* ones of *survivors* are no candidates.

    Where one of them is chosen, dates or names decide, for it is no version.
    """
    known = {name: found for name, found in expect["metadata"].items() if name not in foreign}
    if expect["tag"] not in foreign:
        return expect | {"metadata": known}
    left = survivors - foreign
    dates = {name: known[name]["created"] if name in known else 0 for name in left}
    return {"tag": max(left, key=lambda name: (dates[name], name), default=None)} | {
        "metadata": known
    }


def content(case: Case) -> MemoryContent:
    """The repository of *case*."""
    registry = case["registry"]
    missing = set(registry.get("missing", ()))
    tags = {
        tag: Descriptor(manifest["mediaType"], digest_of(manifest["body"].encode()))
        for manifest in registry["manifests"]
        for tag in manifest.get("tags", ())
        if tag not in missing
    }
    # A digest is served as one media type; tags of another are those that name it so.
    served = {
        digest_of(manifest["body"].encode()): manifest["mediaType"]
        for manifest in registry["manifests"]
        if not manifest.get("tags")
    }
    texts = [manifest["body"] for manifest in registry["manifests"]] + registry["blobs"]
    bodies = [text.encode() for text in texts]
    # What is missing under its digest is there under its tag.
    missing -= {descriptor.digest for descriptor in tags.values()}
    there = [body for body in bodies if digest_of(body) not in missing]
    return MemoryContent(tags, there, served=served)


def describe(case: Case, repository: MemoryContent) -> Mapping[str, Tag]:
    """What is learned from *repository* of the tags that the policy wants to know."""
    policy = compile_policy(_settings(case))
    if policy.decided() is not None or policy.needs.names_only:
        return {}
    listing = _listing(case)
    names = policy.survey(listing.names).survivors
    looking = Describer().describe(listing.repository, repository, names, policy.needs)
    return asyncio.run(looking)


def _settings(case: Case) -> Settings:
    return Settings(
        strategy=case["strategy"],
        constraint=case.get("constraint"),
        allow_tags=(case["allowTags"],) if "allowTags" in case else (),
        ignore_tags=tuple(case.get("ignoreTags", ())),
        platforms=tuple(case.get("platforms", ())),
    )


def _listing(case: Case) -> Listing:
    registry = case["registry"]
    pushed = [tag for manifest in registry["manifests"] for tag in manifest.get("tags", ())]
    names = registry.get("tagOrder", pushed) or ()
    return Listing(Repository("registry.example.com", registry["repo"]), tuple(names), 0)


def _metadata(tag: Tag) -> dict[str, Any]:
    return {"created": NO_DATE if tag.created is None else tag.created, "digest": tag.digest}
