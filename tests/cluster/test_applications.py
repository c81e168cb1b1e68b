"""Applications of the cluster: what is kept of them, and who may claim to be one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cmp.request import Request
from cmp.rules.annotations import PREFIX
from cmp.rules.application import Application
from sidecar.cluster.applications import (
    REFRESH,
    REFRESH_TIMESTAMP,
    WatchedApplications,
    keep_application,
    read_application,
)
from sidecar.kubernetes.mirror import Key
from tests.cluster.world import REPOSITORY, application
from tests.effort import examples

NOW = 2_000_000_000.0
BUILD = {"ARGOCD_APP_SOURCE_REPO_URL": REPOSITORY, "ARGOCD_APP_SOURCE_PATH": "app"}

texts = st.text(max_size=5)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A mapping with some of *fields*, each of the form it should have or of any other."""
    optional = {key: value | anything for key, value in fields.items()}
    return st.fixed_dictionaries({}, optional=optional)


names = st.lists(some(name=texts, value=texts), max_size=2)
sources = some(repoURL=texts, path=texts, plugin=some(name=texts, env=names), helm=anything)
metadata = st.fixed_dictionaries(
    {"name": texts, "namespace": texts},
    optional={
        "labels": st.dictionaries(texts, texts, max_size=2),
        "annotations": st.dictionaries(texts.map(lambda text: f"{PREFIX}{text}"), texts),
    },
)
manifests = st.fixed_dictionaries(
    {"metadata": metadata},
    optional={
        "spec": some(
            project=texts,
            source=sources,
            sources=st.lists(sources | anything, max_size=2),
            sourceHydrator=some(drySource=sources),
        ),
        "status": some(
            summary=some(images=st.lists(texts, max_size=2)),
            sourceType=texts,
            sourceTypes=st.lists(texts, max_size=2),
        ),
    },
)


def only_texts(manifest: dict[str, Any]) -> bool:
    """Whether its lists of texts hold nothing else: of the rest either reading makes something."""
    status = manifest.get("status")
    status = status if isinstance(status, dict) else {}
    summary = status.get("summary")
    lists = [
        status.get("sourceTypes"),
        (summary if isinstance(summary, dict) else {}).get("images"),
    ]
    return isinstance(status.get("sourceType", ""), str) and all(
        isinstance(each, str) for values in lists if isinstance(values, list) for each in values
    )


@settings(max_examples=examples(50))
@given(manifests.filter(only_texts))
def test_of_what_is_kept_comes_the_same_application(manifest: dict[str, Any]) -> None:
    assert read_application(keep_application(manifest)) == Application.from_manifest(manifest)


@settings(max_examples=examples(50))
@given(manifests)
def test_whatever_an_application_holds_it_is_kept(manifest: dict[str, Any]) -> None:
    assert read_application(keep_application(manifest)).name == manifest["metadata"]["name"]


def test_what_no_rule_reads_is_not_kept() -> None:
    large = {"kubectl.kubernetes.io/last-applied-configuration": "x" * 10_000}
    manifest = application("argocd", annotations=large)
    manifest["status"]["resources"] = [{"kind": "Deployment"}] * 1000

    assert len(keep_application(manifest)) < 300


def test_names_of_variables_are_kept_and_no_values() -> None:
    manifest = application("argocd")
    env = [{"name": "FIRST", "value": "a secret"}, "odd", {"name": "SECOND"}]
    manifest["spec"]["source"]["plugin"]["env"] = env

    kept = keep_application(manifest)

    assert read_application(kept).variables == ("FIRST", "SECOND")
    assert b"secret" not in kept


class Held:
    """Applications as a mirror holds them."""

    def __init__(self, *manifests: dict[str, Any]) -> None:
        self.objects: Mapping[Key, bytes] = {
            (each["metadata"]["namespace"], each["metadata"]["name"]): keep_application(each)
            for each in manifests
        }


def watched(*manifests: dict[str, Any]) -> WatchedApplications:
    return WatchedApplications(Held(*manifests), "argocd", wall=lambda: NOW)


WEB = Request(name="web", project="default", build=BUILD)


def test_an_application_in_argo_cds_namespace_has_its_bare_name() -> None:
    known = watched(application("argocd", labels={"a": "b"}, images=["x:1"]))

    found = known.application(WEB)

    assert (found.namespace, found.labels, found.images) == ("argocd", {"a": "b"}, ("x:1",))
    assert found.recognised


def test_an_application_elsewhere_has_its_namespace_in_its_name() -> None:
    known = watched(application("argocd"), application("team", labels={"of": "team"}))

    found = known.application(replace(WEB, name="team_web"))

    assert (found.namespace, found.name, found.labels) == ("team", "web", {"of": "team"})
    assert found.recognised


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(replace(WEB, project="other"), id="project"),
        pytest.param(replace(WEB, build={**BUILD, "ARGOCD_APP_SOURCE_PATH": "x"}), id="path"),
        pytest.param(replace(WEB, build={}), id="no source"),
        pytest.param(replace(WEB, name="argocd_web"), id="a name that Argo CD never gives"),
    ],
)
def test_a_claim_that_cannot_be_its_own_is_not_recognised(request_: Request) -> None:
    found = watched(application("argocd", labels={"a": "b"})).application(request_)

    assert (found.labels, found.recognised) == ({"a": "b"}, False)


def test_of_an_application_that_is_not_there_nothing_is_known() -> None:
    found = watched().application(WEB)

    assert found == Application(
        name="web", namespace="argocd", project="default", recognised=False
    )


def refresh(kind: str = "hard", timestamp: str = "") -> bytes:
    """The Application web, which somebody asked to refresh."""
    stamp = {REFRESH_TIMESTAMP: timestamp} if timestamp else {}
    return keep_application(application("argocd", annotations={REFRESH: kind, **stamp}))


WITHOUT = keep_application(application("argocd"))
KEY = ("argocd", "web")


def asked(*seen: bytes | None) -> float:
    """When a refresh was asked for, after the Application was *seen* so."""
    held = Held()
    known = WatchedApplications(held, "argocd", wall=lambda: NOW)
    for before, now in zip((None, *seen), seen, strict=False):
        known.changed(KEY, before, now)
    held.objects = {KEY: seen[-1] or WITHOUT}
    return known.application(WEB).refresh_asked_at


@pytest.mark.parametrize(
    ("seen", "at"),
    [
        pytest.param([WITHOUT], 0, id="never"),
        pytest.param([WITHOUT, refresh("normal")], 0, id="a normal one"),
        pytest.param([WITHOUT, refresh()], NOW, id="now"),
        pytest.param([WITHOUT, refresh(), WITHOUT], NOW, id="and Argo CD has done it"),
        pytest.param([refresh(timestamp="2020-01-01T00:00:00Z")], 1577836800, id="with a time"),
        pytest.param(
            [refresh(timestamp="2020-01-01T02:00:00.5+02:00")], 1577836800.5, id="of a zone"
        ),
        pytest.param([refresh(timestamp="2999-01-01T00:00:00Z")], NOW, id="of the future"),
        pytest.param([refresh(timestamp="soon")], NOW, id="which is none"),
        pytest.param(
            [
                refresh(timestamp="2020-01-01T00:00:00Z"),
                refresh(timestamp="2020-01-01T00:00:01Z"),
            ],
            1577836801,
            id="twice",
        ),
        pytest.param([refresh(), None], 0, id="and it was deleted"),
        pytest.param(
            [keep_application(application("argocd", labels={"x": f'"{REFRESH}":"hard"'}))],
            0,
            id="in other words",
        ),
        pytest.param(
            [keep_application(application("argocd", labels={REFRESH: "hard"}))], 0, id="a label"
        ),
    ],
)
def test_it_is_noted_when_a_hard_refresh_is_asked_for(seen: list[bytes | None], at: float) -> None:
    assert asked(*seen) == at


def test_a_change_of_something_else_asks_for_no_refresh_again() -> None:
    times = iter([1.0, 2.0])
    held = Held()
    known = WatchedApplications(held, "argocd", wall=lambda: next(times))
    labels = application("argocd", annotations={REFRESH: "hard"}, labels={"x": "y"})
    held.objects = {KEY: keep_application(labels)}
    known.changed(KEY, None, refresh())
    known.changed(KEY, refresh(), held.objects[KEY])

    assert known.application(WEB).refresh_asked_at == 1.0


def test_a_refresh_that_was_asked_for_before_the_start_counts_once() -> None:
    times = iter([1.0, 2.0])
    held = Held()
    held.objects = {KEY: refresh()}
    known = WatchedApplications(held, "argocd", wall=lambda: next(times))

    assert [known.application(WEB).refresh_asked_at for _ in range(3)] == [1.0, 1.0, 1.0]
