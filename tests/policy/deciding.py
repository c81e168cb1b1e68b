"""Choices in a line, for tests."""

from __future__ import annotations

from collections.abc import Iterable

from cmp.policy import Choice, Chosen, Settings, choose, compile_policy
from cmp.reference import Repository
from cmp.tags import Listing, Tag

REPOSITORY = Repository("registry.example.com", "team/app")
SHA = "sha256:" + "0a" * 32
SIGNATURE = "sha256-" + "0a" * 32 + ".sig"


def listing(names: Iterable[str]) -> Listing:
    return Listing(REPOSITORY, tuple(names), 0)


def decide(settings: Settings, names: str | Iterable[str]) -> Choice:
    """The choice by names alone."""
    names = names.split() if isinstance(names, str) else names
    return choose(compile_policy(settings), listing(names), {})


def decide_described(settings: Settings, *tags: Tag) -> Choice:
    """The choice where more than names is known."""
    known = {tag.name: tag for tag in tags}
    return choose(compile_policy(settings), listing(known), known)


def chosen(choice: Choice) -> str | None:
    return choice.tag.name if isinstance(choice, Chosen) else None


def reasons(choice: Choice) -> dict[str, str]:
    return {refusal.tag: refusal.reason for refusal in choice.refusals}
