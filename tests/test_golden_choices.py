"""The stories of tests/golden/choices: a folder is a case, from manifests and rules to manifests.

in.yaml            what a renderer printed, of the Application `app`
rules.yaml         its ImageUpdater
tags.json          what the registry tells of each tag of registry.example.com/team/app at the
                   beginning of 2026; *signed* names a signed image of tests/cosign/data
expected.yaml      what comes out
expected.txt       what `explain` says
README             the story

A new folder is a new case; on a mismatch the results are left beside it, as got.yaml and got.txt.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from cmp import report
from cmp.cosign import Claim
from cmp.pipeline import Generated, Operator, generate
from cmp.registry.secrets import SecretFiles
from cmp.registry.signatures import read_claims
from cmp.render import Permissions
from cmp.request import Request
from cmp.rules import Application, rules_in
from cmp.store import NothingStored
from cmp.tags import Tag
from tests.cosign import cases
from tests.memory import NOW, MemoryTags, OneApplication

GOLDEN = Path(__file__).parent / "golden" / "choices"
STORIES = sorted(path.parent for path in GOLDEN.glob("*/in.yaml"))
APP = "registry.example.com/team/app"


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_a_story_ends_as_expected(story: Path, tmp_path: Path) -> None:
    generated = asyncio.run(_generate(story, tmp_path))

    explained = "\n".join(report.explain(generated, now=NOW)) + "\n"
    got = {"yaml": generated.manifests, "txt": explained.encode()}
    left = [_left(story, suffix, result) for suffix, result in got.items()]
    assert not any(left), f"see {', '.join(filter(None, left))}"


def test_every_story_is_told() -> None:
    assert len(STORIES) >= 10
    for story in STORIES:
        assert (story / "README").read_text(encoding="utf-8").strip()


def _left(story: Path, suffix: str, got: bytes) -> str:
    """Where *got* was left, because it is not what was expected; "" if it is."""
    expected, left = story / f"expected.{suffix}", story / f"got.{suffix}"
    left.unlink(missing_ok=True)
    if expected.exists() and expected.read_bytes() == got:
        return ""
    left.write_bytes(got)
    return str(left)


async def _generate(story: Path, folder: Path) -> Generated:
    _write_keys(folder)
    operator = Operator(
        rules=rules_in((story / "rules.yaml").read_text(), "rules.yaml"),
        tags=await _tags(json.loads((story / "tags.json").read_text())),
        permissions=Permissions(),
        secrets=SecretFiles(folder),
    )
    request = Request("app", manifests=(story / "in.yaml").read_bytes())
    known = OneApplication(Application(name="app", labels={}, annotations={}))
    return await generate(request, operator, known, NothingStored())


def _write_keys(folder: Path) -> None:
    secret = folder / "argocd" / "cosign"
    secret.mkdir(parents=True)
    for name in cases.KEYS:
        (secret / f"{name}.pub").write_bytes((cases.DATA / f"{name}.pub").read_bytes())


async def _tags(listed: list[dict[str, Any]]) -> MemoryTags:
    tags: list[Tag] = []
    claims: dict[str, Sequence[Claim]] = {}
    for fields in listed:
        signed = fields.pop("signed", None)
        if signed is not None:
            image = cases.case(signed)
            fields["digest"] = image.digest
            claims[image.digest] = await read_claims(image.content(), image.digest)
        for time in ("pushed", "created"):
            fields[time] = _nanoseconds(fields.get(time))
        fields["signers"] = tuple(fields.get("signers", ()))
        tags.append(Tag(**fields))
    return MemoryTags({APP: tags}, claims=claims)


def _nanoseconds(text: str | None) -> int | None:
    return None if text is None else int(datetime.fromisoformat(text).timestamp()) * 10**9
