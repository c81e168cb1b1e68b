"""Blocks that ImageUpdaters of both forms share, as the official schema has them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from cmp.policy.expression import Expression, InvalidExpressionError
from cmp.rules.model import ImagesVerification

Fields = dict[str, Any]

# In the order in which they are written.
SETTINGS = (
    "updateStrategy", "forceUpdate", "allowTags", "ignoreTags", "pullSecret", "platforms"
)  # fmt: skip
# Strategies by their old names, which the Image Updater is to read no longer one day.
_STRATEGIES = {"latest": "newest-build", "name": "alphabetical"}
_PREFIX = "regexp:"
_NOT_IN_ALIASES = re.compile(r"[^a-zA-Z0-9._-]")
_LONGEST_VARIABLE = 253


def stated(fields: Mapping[str, Any]) -> Fields:
    """*fields* that state something."""
    return {name: value for name, value in fields.items() if value is not None}


def allow_tags(filters: list[str]) -> str | None:
    """One text that allows what any of *filters* allows; None if there is no such text.

    RE2 keeps the flags of a group to that group, so that the expressions stay as they are.
    """
    if len(filters) == 1:
        return filters[0]
    expressions = [each.removeprefix(_PREFIX) for each in filters]
    together = "|".join(f"(?:{each})" for each in expressions)
    try:
        for expression in (*expressions, together):
            Expression(expression)
    except InvalidExpressionError:
        return None
    return _PREFIX + together


def strategy(name: str) -> str:
    """The strategy *name* by the name that it has now."""
    return _STRATEGIES.get(name.lower(), name)


def official_alias(alias: str) -> str:
    """*alias* with what the official CRD refuses replaced."""
    kept = _NOT_IN_ALIASES.sub("_", alias).lstrip("._-")
    return kept or "image"


def verification(
    block: ImagesVerification | None, merged: ImagesVerification | None
) -> Fields | None:
    """*block*, which with those above it is *merged*, as a block that stands for itself.

    The official CRD asks for a key in each block that is on, and makes those on that say nothing.
    """
    if block is None or merged is None:
        return None
    key = merged.cosign_key
    shown = key.model_dump(by_alias=True) if key else None
    if merged.enabled is False:
        return stated({"enabled": False, "cosignKey": shown})
    return stated({"enabled": merged.enabled, "cosignKey": shown}) if shown else None


def targets(fields: Mapping[str, Any]) -> Fields | None:
    """*fields* of manifestTargets that the official CRD takes; None if there are none."""
    for tool, valid in (("kustomize", _named), ("helm", _any), ("plugin", _variables)):
        target = fields.get(tool)
        if target is not None:
            return {tool: stated(target)} if valid(stated(target)) else None
    return None


def _named(target: Fields) -> bool:
    return bool(target.get("name"))


def _any(_target: Fields) -> bool:
    return True


def _variables(target: Fields) -> bool:
    known = all(0 < len(name) <= _LONGEST_VARIABLE for name in target.values())
    return known and ("spec" in target or "name" in target)
