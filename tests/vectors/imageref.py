"""imageref: what an image identifier names, and where a registry would be asked for it."""

from __future__ import annotations

import re
from typing import Any

from cmp.reference import ImageName, normalise
from tests.vectors import Case

_ALIAS = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9-._]*")
_REGISTRY = re.compile(r".*\..*|localhost|\[.*\]|[^:]+:[0-9]+|\[.*\]:[0-9]+")


def answer(case: Case) -> Any:
    """The parsed `ImageName`; a tag object with an empty part is the peer's word for None."""
    image = ImageName.parse(case["image"])
    tagged = image.constraint is not None or image.digest is not None
    return {
        "alias": image.alias,
        "repository": str(image.repository),
        "tag": (image.constraint or "") if tagged else None,
        "digest": (image.digest or "") if tagged else None,
        "referenceOK": image.legal,
    }


def expected(case: Case) -> Any:
    """Registry and name as one normalised repository: every spelling of it is one image."""
    expect = case["expect"]
    same = {key: expect[key] for key in ("alias", "tag", "digest", "referenceOK")}
    return same | {"repository": str(normalise(expect["registry"], expect["name"]))}


def difference(case: Case) -> str | None:
    """An alias must be legal; a first element with `:` and `localhost` are registries.

    Both show in text that is no strict reference: it is split anew here, by these two rules.
    """
    alias, equals, reference = case["image"].partition("=")
    illegal = bool(equals and alias and not _ALIAS.fullmatch(alias))
    if illegal or not equals:
        alias, reference = "", case["image"]
    if answer(case) != {"alias": alias, "referenceOK": False} | _split(reference):
        return None
    if illegal:
        return "an alias is what stands before the first `=` only if it is a legal alias"
    first, slash, _ = reference.partition("/")
    if not case["expect"]["referenceOK"] and slash and _REGISTRY.fullmatch(first):
        return (
            "a first path element with `:`, and `localhost`, is a registry with a constraint too"
        )
    return None


def _split(reference: str) -> Case:
    """Repository, tag and digest: the tag begins at the first colon, before a digest the last."""
    rest, at, digest = reference.partition("@")
    registry, slash, path = rest.partition("/")
    if not (slash and _REGISTRY.fullmatch(registry)):
        registry, path = "", rest
    colon = path.rfind(":") if at else path.find(":")
    if at and colon < path.rfind("/"):
        colon = -1
    name, tag = (path[:colon], path[colon + 1 :]) if colon >= 0 else (path, "")
    tagged = bool(at) or colon >= 0
    return {
        "repository": str(normalise(registry, name)),
        "tag": tag if tagged else None,
        "digest": digest if tagged else None,
    }
