"""Rules held against what registries.conf says of their registry: who can answer, what stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from cmp.errors import Finding
from tests.lint.files import MARK, WEB, images, lint_text, marked, registries

ZOT = "api_url: https://registry.example.com, kind: zot"
OCI = "api_url: https://registry.example.com, kind: oci"
UNKNOWN = "api_url: https://registry.example.com"
DISK = "api_url: file:storage"
GATES = [
    "minAge: ▸3d",
    "maxSeverity: ▸high",
    "requireTrusted: ▸true",
    "updateStrategy: newest-build, orderBy: ▸pushed",
]


def found(folder: Path, settings: str, registry: str, *, constraint: str = "1.x") -> list[Finding]:
    config = folder / "registries.conf"
    config.write_text(registries(registry))
    image = f"imageName: '{WEB}:{constraint}', commonUpdateSettings: {{{settings}}}"
    return lint_text(folder, rules(image), registries=config)


def rules(image: str) -> str:
    return images(f"{{alias: web, {image}}}")


@pytest.mark.parametrize("settings", GATES)
@pytest.mark.parametrize(
    ("registry", "what"),
    [
        (OCI, "the registry example is of kind oci"),
        (DISK, "the registry example lies on disk"),
    ],
    ids=["another registry", "a folder"],
)
def test_a_gate_that_its_registry_cannot_answer_is_found(
    tmp_path: Path, settings: str, registry: str, what: str
) -> None:
    (finding,) = found(tmp_path, settings, registry)

    image = f"imageName: '{WEB}:1.x', commonUpdateSettings: {{{settings}}}"
    assert [(finding.place.line, finding.place.column)] == marked(rules(image))
    assert finding.code == "RT383"
    assert f"{what}: every tag is held back" in finding.what


@pytest.mark.parametrize("settings", GATES)
@pytest.mark.parametrize("registry", [ZOT, UNKNOWN], ids=["a Zot", "found out later"])
def test_a_gate_that_its_registry_may_answer_is_fine(
    tmp_path: Path, settings: str, registry: str
) -> None:
    assert found(tmp_path, settings.replace(MARK, ""), registry) == []


MOVING = [
    ("updateStrategy: digest", "latest"),
    ("updateStrategy: digest", "1.2"),
]


@pytest.mark.parametrize(("settings", "tag"), MOVING)
def test_the_digest_of_a_tag_that_moves_is_found_on_a_zot_alone(
    tmp_path: Path, settings: str, tag: str
) -> None:
    (finding,) = found(tmp_path, settings, ZOT, constraint=tag)

    assert (finding.code, str(finding.severity)) == ("RT393", "warning")
    assert f"as {tag} may" in finding.what
    assert found(tmp_path, settings, OCI, constraint=tag) == []
    assert found(tmp_path, settings, UNKNOWN, constraint=tag) == []


@pytest.mark.parametrize(
    "settings",
    ["output: tag@digest", "minAge: 3d", "updateStrategy: newest-build, output: digest"],
    ids=["a version", "a version behind a gate", "builds"],
)
def test_the_digest_of_tags_that_stay_is_fine(tmp_path: Path, settings: str) -> None:
    assert found(tmp_path, settings, ZOT) == []


def test_a_pin_is_fine_without_a_digest_or_with_a_version(tmp_path: Path) -> None:
    config = tmp_path / "registries.conf"
    config.write_text(registries(ZOT))
    image = f"imageName: '{WEB}:1.x', pin: latest"

    assert lint_text(tmp_path, rules(image), registries=config) == []
    version = f"imageName: '{WEB}:1.x', pin: 1.2.3, commonUpdateSettings: {{output: digest}}"
    assert lint_text(tmp_path, rules(version), registries=config) == []
    found = lint_text(
        tmp_path, rules(f"{image}, commonUpdateSettings: {{output: digest}}"), registries=config
    )
    assert [each.code for each in found] == ["RT393"]
