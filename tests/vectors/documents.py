"""documents: how many objects Argo CD's decoder makes of a stream, and whether it fails."""

from __future__ import annotations

import base64
import re
from typing import Any

from cmp.errors import ManifestError
from cmp.manifests import objects
from tests.vectors import Case

# A tag with a character that ends a tag in YAML 1.2, and not in Argo CD's decoder.
_ODD_TAG = re.compile(rb"![^\s]*[\[\]{},]")


def answer(case: Case) -> Any:
    """`{objects, error}`: the objects before the error, and whether there is one."""
    count, fault = _read(case)
    return {"objects": count, "error": fault is not None}


def expected(case: Case) -> Any:
    """The same; the wording of the error is the peer's own."""
    expect = case["expect"]
    return {"objects": expect["objects"], "error": "error" in expect}


def difference(case: Case) -> str | None:
    """Retag refuses some text that the decoder takes: loudly, and only around ruled images."""
    count, fault = _read(case)
    expect, refusal = case["expect"], {"objects": count, "error": True}
    if fault is None or "error" in expect or count > expect["objects"]:
        return None
    if answer(case) != refusal:
        return None
    if fault.code in ("RT401", "RT402"):
        return "Retag follows less nesting, fewer documents, values and aliases than Argo CD"
    if fault.code == "RT403" and _ODD_TAG.search(_stream(case)):
        return "libyaml ends a tag at a bracket or comma"
    return None


def _stream(case: Case) -> bytes:
    return base64.b64decode(case["stream"])


def _read(case: Case) -> tuple[int, ManifestError | None]:
    count = 0
    try:
        for _ in objects(_stream(case)):
            count += 1
    except ManifestError as error:
        return count, error
    return count, None
