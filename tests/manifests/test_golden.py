"""The stories of tests/golden: a folder is a case.

in.yaml            what a renderer printed
tags.json          repository → the tag that its images get
fields.json        optional: image fields of custom resources, as in kustomize's fieldSpecs
expected.yaml      what comes out, or
expected-error.txt the error, one line
README             the story

A new folder is a new case. On a mismatch the result is left beside it, as got.yaml.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cmp.errors import ManifestError
from cmp.manifests import ImageField, find_images, rewrite
from cmp.reference import Reference

GOLDEN = Path(__file__).parent.parent / "golden"
CASES = sorted(path.parent for path in GOLDEN.glob("*/in.yaml"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_story_ends_as_expected(case: Path) -> None:
    expected = next(case.glob("expected*")).read_bytes()

    got = _rewritten(case)

    left = case / "got.yaml"
    left.unlink(missing_ok=True)
    if got != expected:
        left.write_bytes(got)
    assert got == expected, f"see {left}"


def test_every_story_is_told() -> None:
    assert len(CASES) >= 12
    for case in CASES:
        assert (case / "README").read_text(encoding="utf-8").strip()


def _rewritten(case: Path) -> bytes:
    """The stream that comes out, or the error's line."""
    stream = (case / "in.yaml").read_bytes()
    tags = {
        Reference.parse(name).repository: tag for name, tag in _json(case / "tags.json").items()
    }
    fields = case / "fields.json"
    specs = _json(fields) if fields.exists() else []
    try:
        sites = find_images(stream, tags.keys(), [ImageField.parse(spec) for spec in specs])
    except ManifestError as error:
        return f"{error}\n".encode()
    edits = {site: str(site.image.with_tag(tags[site.image.repository])) for site in sites}
    return rewrite(stream, edits)


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
