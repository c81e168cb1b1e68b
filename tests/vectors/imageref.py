"""imageref: what an image identifier names, and where a registry would be asked for it."""

from __future__ import annotations

from typing import Any

from cmp.reference import ImageName, is_alias, is_registry, normalise
from tests.vectors import Case

_HUB_API = "https://registry-1.docker.io"


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
    """An alias must be legal; a first element with `:` and `localhost` are registries."""
    alias, equals, reference = case["image"].partition("=")
    if equals and alias and not is_alias(alias):
        return "an alias is what stands before the first `=` only if it is a legal alias"
    first, slash, _ = (reference if equals else case["image"]).partition("/")
    if case["expect"]["referenceOK"] or not slash:
        return None
    if is_registry(first) and "." not in first:
        return (
            "a first path element with `:`, and `localhost`, is a registry with a constraint too"
        )
    return None
