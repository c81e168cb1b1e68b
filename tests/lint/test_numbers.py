"""Numbers such as 20240131 under semver: what the rule lets pass, and what the registry holds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.lint.files import lint_text, registries


def rule(name: str = "web", settings: str = "") -> str:
    """An ImageUpdater with one image, of any tag or constraint that *name* has."""
    block = f", commonUpdateSettings: {{{settings}}}" if settings else ""
    return f"""\
apiVersion: argocd-image-updater.argoproj.io/v1alpha1
kind: ImageUpdater
metadata: {{name: rules, namespace: argocd}}
spec:
  applicationRefs:
    - namePattern: web
      images: [{{alias: web, imageName: 'registry.example.com/{name}'{block}}}]
"""


@pytest.mark.parametrize(
    ("name", "settings", "found"),
    [
        pytest.param("web", "", ["RT385"], id="no bound at all"),
        pytest.param("web:>=1.2", "", ["RT385"], id="no upper bound"),
        pytest.param("web:1.x", "", [], id="a bound"),
        pytest.param("web", "allowTags: 'regexp:^[0-9]+'", ["RT385"], id="numbers and more"),
        pytest.param("web", "allowTags: 'regexp:^[0-9a-f]{7}$'", ["RT385"], id="commits"),
        pytest.param("web", "allowTags: 'regexp:^[0-9]{8}$'", [], id="numbers alone"),
        pytest.param("web", "allowTags: 'regexp:^v'", [], id="none begins with v"),
        pytest.param("web", "ignoreTags: ['[0-9]*']", [], id="ignored, with all versions"),
        pytest.param("web", "denyTags: ['[0-9][0-9][0-9][0-9]*']", [], id="denied"),
        pytest.param("web", "updateStrategy: newest-build", [], id="another strategy"),
        pytest.param("web:~~1", "", ["RT374"], id="a constraint that does not parse"),
        pytest.param("web", "filterTags: {pattern: '^v(.*)', extract: $1}", [], id="extracted"),
    ],
)
def test_the_rule_decides_where_the_registry_is_unknown(
    tmp_path: Path, name: str, settings: str, found: list[str]
) -> None:
    assert [each.code for each in lint_text(tmp_path, rule(name, settings))] == found


def layout(folder: Path, *tags: str) -> Path:
    """A registries.conf beside a storage root that holds *tags* of `web`."""
    digest = "sha256:" + "0" * 64
    media_type = "application/vnd.oci.image.manifest.v1+json"
    manifests = [
        {
            "mediaType": media_type,
            "digest": digest,
            "size": 2,
            "annotations": {"org.opencontainers.image.ref.name": tag},
        }
        for tag in tags
    ]
    index = {"schemaVersion": 2, "manifests": manifests}
    (folder / "storage" / "web").mkdir(parents=True)
    (folder / "storage" / "web" / "index.json").write_text(json.dumps(index))
    config = folder / "registries.conf"
    config.write_text(registries("api_url: 'file:storage'"))
    return config


def test_a_pinned_image_is_left_in_peace(tmp_path: Path) -> None:
    assert lint_text(tmp_path, rule().replace("{alias: web", "{pin: v1, alias: web")) == []


@pytest.mark.parametrize(
    ("tags", "number"),
    [
        pytest.param(("v1.2.0", "v1.3.0"), None, id="versions"),
        pytest.param(("v1.2.0", "20240131", "20231224"), "20240131", id="and dates"),
        pytest.param(("20240131", "20231224"), None, id="dates alone"),
        pytest.param(("v1.2.0", "42"), None, id="a small number"),
    ],
)
def test_the_tags_decide_where_the_registry_lies_on_disk(
    tmp_path: Path, tags: tuple[str, ...], number: str | None
) -> None:
    config = layout(tmp_path, *tags)
    found = lint_text(tmp_path, rule(), registries=config)

    assert [each.code for each in found] == (["RT385"] if number else [])
    assert all(f"a tag like {number} " in each.what for each in found)


def test_a_repository_that_is_not_on_disk_is_unknown(tmp_path: Path) -> None:
    config = layout(tmp_path, "v1.2.0")
    found = lint_text(tmp_path, rule("other"), registries=config)

    assert [each.code for each in found] == ["RT385"]
