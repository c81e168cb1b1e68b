"""Applications, read from their manifests."""

from __future__ import annotations

from typing import Any

import pytest

from cmp.rules import Application
from cmp.rules.application import Source

SOURCE: dict[str, Any] = {
    "repoURL": "https://git.example.com/r",
    "path": "deploy",
    "helm": {},
    "plugin": None,
}


def manifest(**parts: Any) -> Any:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": "shop", "namespace": "argocd"},
        **parts,
    }


def test_what_a_rule_asks_of_an_application() -> None:
    application = Application.from_manifest(
        manifest(
            metadata={
                "name": "shop",
                "namespace": "team",
                "labels": {"env": "prod", "odd": 1},
                "annotations": {"a": "b"},
            },
            spec={"project": "web", "source": SOURCE},
            status={"sourceType": "Helm", "summary": {"images": ["nginx:1", "redis"]}},
        )
    )
    assert application == Application(
        name="shop",
        namespace="team",
        project="web",
        labels={"env": "prod"},
        annotations={"a": "b"},
        images=("nginx:1", "redis"),
        sources=(Source("https://git.example.com/r", "deploy", frozenset({"Helm"})),),
        source_types=("Helm",),
    )
    assert str(application) == "team/shop"


def test_an_application_without_labels_is_known_to_have_none() -> None:
    application = Application.from_manifest(manifest())
    assert (application.labels, application.annotations) == ({}, {})
    assert Application(name="shop").labels is None
    assert str(Application(name="shop")) == "shop"


def test_several_sources() -> None:
    application = Application.from_manifest(
        manifest(
            spec={"sources": [{"ref": "values"}, SOURCE]},
            status={"sourceTypes": ["", "Helm"], "sourceType": "Kustomize"},
        )
    )
    assert application.several_sources
    assert application.source_types == ("", "Helm")
    assert [source.path for source in application.sources] == ["", "deploy"]


def test_a_hydrated_source_beats_several() -> None:
    application = Application.from_manifest(
        manifest(
            spec={"sourceHydrator": {"drySource": SOURCE}, "sources": [{}]},
            status={"sourceType": "Directory"},
        )
    )
    assert application.hydrated
    assert not application.several_sources
    assert [source.tools for source in application.sources] == [{"Helm"}]


@pytest.mark.parametrize(
    "odd",
    [None, [], "x", {}, {"metadata": []}, {"metadata": {"name": 1}, "spec": {"sources": {}}}],
)
def test_what_has_the_wrong_type_is_absent(odd: Any) -> None:
    application = Application.from_manifest(odd)
    assert (application.name, application.images, application.sources) == ("", (), ())


def test_the_names_in_plugin_env_are_those_of_all_sources() -> None:
    sources = [
        {"plugin": {"name": "retag", "env": [{"name": "IMAGE_TAG", "value": "v1"}, "odd"]}},
        {"plugin": {"env": [{"name": "OTHER"}, {"value": "nameless"}]}},
        {"plugin": {"env": "none"}},
        "no source",
    ]

    assert Application.from_manifest(manifest(spec={"sources": sources})).variables == (
        "IMAGE_TAG",
        "OTHER",
        "",
    )
