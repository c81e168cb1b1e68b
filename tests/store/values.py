"""Values that stores keep: some by hand, and strategies of all that they have to take."""

from __future__ import annotations

import string
from dataclasses import fields

from hypothesis import strategies as st

from cmp.reference import Repository
from cmp.store import LastGood
from cmp.tags import Fault, Listing, Platform, Tag
from tests.memory import NOW

REPOSITORY = Repository("registry.example.com", "team/app")
DIGEST = "sha256:" + "0123456789abcdef" * 4


def choice(
    tag: str = "v1", *, rule: str = "rule", fingerprint: str = "f", age: float = 0
) -> LastGood:
    """*tag* for *rule*, from what was seen *age* seconds ago."""
    return LastGood(rule, fingerprint, str(REPOSITORY), tag, None, NOW - age)


def listing(*names: str, age: float = 0) -> Listing:
    """A listing of *names* from *age* seconds ago."""
    return Listing(REPOSITORY, names, NOW - age)


def parts(seen: Listing | None) -> tuple[object, ...] | None:
    """What a listing says; listings themselves are compared by identity."""
    if seen is None:
        return None
    return tuple(getattr(seen, field.name) for field in fields(Listing))


# Registries list what they like, lone surrogates and control characters too.
texts = st.text(st.characters(exclude_categories=()), max_size=40)
times = st.floats(0, NOW)
digests = st.sampled_from([DIGEST, "sha512:" + "0" * 128])
names = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", fullmatch=True)
repositories = st.builds(
    Repository,
    st.sampled_from(["registry.example.com", "docker.io", "localhost:5000", "[::1]:5000"]),
    st.lists(st.text(string.ascii_lowercase, min_size=1, max_size=5), min_size=2, max_size=4).map(
        "/".join
    ),
)
choices = st.builds(
    LastGood,
    rule=texts,
    fingerprint=texts,
    repository=repositories.map(str),
    tag=names,
    digest=st.none() | digests,
    observed_at=times,
)
listings = st.builds(
    Listing,
    repository=repositories,
    names=st.lists(texts, max_size=20).map(tuple),
    observed_at=times,
    newest_first=st.none() | st.booleans(),
)
nanoseconds = st.none() | st.integers(-(2**63), 2**63 - 1)
tags = st.builds(
    Tag,
    name=texts,
    digest=st.none() | digests,
    created=nanoseconds,
    fault=st.none() | st.sampled_from(Fault),
    detail=texts,
    pushed=nanoseconds,
    severity=st.sampled_from(
        [None, "", "none", "unknown", "low", "medium", "high", "critical"],
    ),
    trusted=st.none() | st.booleans(),
    signers=st.lists(texts, max_size=3).map(tuple),
    platforms=st.lists(st.builds(Platform, texts, texts, texts), max_size=3).map(tuple),
    unanswered=texts,
)
