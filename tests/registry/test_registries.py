"""Only listed registries are asked, each the repository that is its own."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from cmp.errors import RegistryError
from cmp.reference import Repository
from cmp.registry import Registries, RoutedSource
from cmp.tags import Fault, Needs
from examples.zot_storage import Image, write_repository

APP = Repository("registry.example.com", "team/app")
CONF = """\
registries:
- name: storage
  prefix: registry.example.com
  api_url: file:zot
- name: one
  prefix: oci.example.com/team/app
  api_url: file://./one
- name: sorted
  prefix: sorted.example.com
  api_url: file:zot
  tagsortmode: latest-first
- name: hub
  prefix: docker.io
  api_url: file:zot
- name: remote
  prefix: remote.example.com
  api_url: https://remote.example.com
"""


@pytest.fixture
def registries(tmp_path: Path) -> Registries:
    """The registries of CONF, with what lies in them."""
    tags = {"v2": Image("2024-02-01T00:00:00Z"), "v1": Image("2024-01-01T00:00:00Z")}
    write_repository(tmp_path / "zot", "team/app", tags)
    write_repository(tmp_path / "zot", "library/nginx", {"1.25": Image(None)})
    write_repository(tmp_path, "one", {"o1": Image(None)})
    (tmp_path / "registries.conf").write_text(CONF)
    loaded, findings = Registries.load(tmp_path / "registries.conf", clock=lambda: 7.0)
    assert findings == []
    return loaded


@pytest.mark.parametrize(
    ("registry", "path", "names"),
    [
        ("registry.example.com", "team/app", ("v2", "v1")),
        ("oci.example.com", "team/app", ("o1",)),
        ("docker.io", "library/nginx", ("1.25",)),
    ],
)
def test_each_repository_is_listed_by_its_registry(
    registries: Registries, registry: str, path: str, names: tuple[str, ...]
) -> None:
    repository = Repository(registry, path)

    listing = asyncio.run(RoutedSource(registries).list_tags(repository))

    assert (listing.repository, listing.names, listing.observed_at) == (repository, names, 7.0)


def test_tags_are_described_by_their_registry(registries: Registries) -> None:
    source = RoutedSource(registries)

    tags = asyncio.run(source.describe(APP, ["v1", "v3"], Needs(created=True, digest=True)))

    assert tags["v1"].digest is not None
    assert tags["v3"].fault is Fault.GONE


@pytest.mark.parametrize("mode", ["latest-first", "latest-last"])
def test_where_tags_are_sorted_by_age_their_place_is_their_time(
    tmp_path: Path, mode: str, registries: Registries
) -> None:
    conf = tmp_path / "registries.conf"
    conf.write_text(CONF.replace("latest-first", mode))
    registries, _ = Registries.load(conf)
    source = RoutedSource(registries)
    repository = Repository("sorted.example.com", "team/app")

    tags = asyncio.run(source.describe(repository, ["v1", "v2", "v3"], Needs(created=True)))

    newest = max(("v1", "v2"), key=lambda name: tags[name].created or 0)
    assert newest == ("v2" if mode == "latest-first" else "v1")
    assert tags["v3"].fault is Fault.GONE
    by_name = asyncio.run(source.describe(repository, ["v1"], Needs()))
    assert by_name["v1"].created is None


DIGEST = Needs(digest=True)


@pytest.mark.parametrize("needs", [DIGEST, replace(DIGEST, created=True)], ids=["name", "place"])
def test_where_tags_are_sorted_by_age_their_digests_are_read_if_asked_for(
    tmp_path: Path, registries: Registries, needs: Needs
) -> None:
    write_repository(tmp_path / "zot", "team/app", {"v2": Image(None), "v1": Image(None)})
    source = RoutedSource(registries)
    sorted_by_age = Repository("sorted.example.com", "team/app")

    tags = asyncio.run(source.describe(sorted_by_age, ["v1", "v2", "v3"], needs))
    plain = asyncio.run(source.describe(APP, ["v1", "v2"], DIGEST))

    assert tags["v1"].digest == plain["v1"].digest is not None
    assert tags["v2"].digest == plain["v2"].digest is not None
    assert tags["v3"].fault is Fault.GONE


def test_a_tag_whose_manifest_is_gone_has_neither_place_nor_digest(
    tmp_path: Path, registries: Registries
) -> None:
    for blob in (tmp_path / "zot/team/app/blobs/sha256").iterdir():
        blob.unlink()
    source = RoutedSource(registries)
    repository = Repository("sorted.example.com", "team/app")

    tags = asyncio.run(source.describe(repository, ["v1"], replace(DIGEST, created=True)))

    assert tags["v1"].fault is Fault.GONE


def test_a_registry_keeps_its_source_so_that_it_can_remember(registries: Registries) -> None:
    first, _ = registries.source(APP)
    second, asked = registries.source(Repository("registry.example.com", "other"))

    assert first is second
    assert asked == Repository("registry.example.com", "other")


@pytest.mark.parametrize(
    ("registry", "message"),
    [
        ("other.example.com", "other.example.com is not listed in registries.conf"),
        ("registry.example.com:5000", "not listed"),
        ("remote.example.com", "registries over HTTP are not in this version"),
    ],
)
def test_no_other_registry_is_asked(registries: Registries, registry: str, message: str) -> None:
    source = RoutedSource(registries)

    with pytest.raises(RegistryError, match=message):
        asyncio.run(source.list_tags(Repository(registry, "team/app")))
    with pytest.raises(RegistryError, match=message):
        asyncio.run(source.describe(Repository(registry, "team/app"), [], Needs()))


def test_a_mirror_that_lacks_its_namespace_is_told_to_state_it(tmp_path: Path) -> None:
    write_repository(tmp_path / "zot", "library/nginx", {"1.25": Image(None)})
    conf = tmp_path / "registries.conf"
    conf.write_text("registries: [{name: mirror, default: true, api_url: 'file:zot'}]")
    nginx = Repository("docker.io", "library/nginx")
    bare, _ = Registries.load(conf)

    with pytest.raises(RegistryError) as caught:
        asyncio.run(RoutedSource(bare).list_tags(nginx))

    assert caught.value.remedy == (
        "there is library/nginx: set the registry's defaultns to library"
    )
    conf.write_text(conf.read_text().replace("default:", "defaultns: library, default:"))
    stated, _ = Registries.load(conf)
    assert asyncio.run(RoutedSource(stated).list_tags(nginx)).names == ("1.25",)


def test_a_broken_file_lists_nothing(tmp_path: Path) -> None:
    (tmp_path / "registries.conf").write_text(CONF + "other: 1\n")

    registries, findings = Registries.load(tmp_path / "registries.conf")

    assert [finding.code for finding in findings] == ["RT304"]
    with pytest.raises(RegistryError, match="not listed"):
        registries.source(APP)
