"""Whatever lies in the files: lint answers, answers alike, and shows no secret."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cmp.errors import Finding
from cmp.lint import lint
from tests.effort import IN_FIXTURE
from tests.lint.files import WEB, application, image, registries

SECRET = "hunter2"

# What means something somewhere, so that structures come near to real ones.
NAMES = """
apiVersion kind metadata spec items data registries name namespace uid annotations labels
applicationRefs namePattern labelSelectors matchLabels matchExpressions key operator values
useAnnotations images alias imageName commonUpdateSettings updateStrategy allowTags regex
ignoreTags denyTags platforms pullSecret forceUpdate filterTags pattern extract pin minAge orderBy
manifestTargets kustomize helm imagesVerification cosignKey writeBackConfig method gitConfig source
sources plugin parameters env string array map value prefix api_url credentials credsexpire limit
registries.conf argocd-image-updater.argoproj.io/image-list
"""
TEXTS = """
argocd-image-updater.argoproj.io/v1alpha1 argoproj.io/v1alpha1 ImageUpdater Application List
ConfigMap retag * [a semver digest any ^v regexp:( :1.x web=a:~1 RETAG_PINS pins In linux
https://a.example.com file:/ env:A secret:a/b#c
"""
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(TEXTS.split()),
)
DATA = st.recursive(
    VALUES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(NAMES.split()), inner, max_size=5)
    ),
    max_leaves=20,
)


def replaced(data: Any, draw: st.DataObject) -> Any:
    """*data*, in which some parts are something else."""
    if draw.draw(st.integers(0, 9)) == 0:
        return draw.draw(DATA)
    if isinstance(data, dict):
        return {key: replaced(value, draw) for key, value in data.items()}
    if isinstance(data, list):
        return [replaced(item, draw) for item in data]
    return data


UPDATER = {
    "apiVersion": "argocd-image-updater.argoproj.io/v1alpha1",
    "kind": "ImageUpdater",
    "metadata": {"name": "a", "namespace": "argocd", "uid": "b"},
    "spec": {
        "commonUpdateSettings": {"updateStrategy": "newest-build"},
        "writeBackConfig": {"method": "git", "gitConfig": {"branch": "main"}},
        "applicationRefs": [
            {
                "namePattern": "web-*",
                "labelSelectors": {"matchLabels": {"a": "b"}, "matchExpressions": []},
                "commonUpdateSettings": {"updateStrategy": "semver", "forceUpdate": False},
                "images": [
                    {"alias": "a", "imageName": WEB, "pin": "v1", "allowTags": [{"regex": "^v"}]},
                    {
                        "imageName": f"{WEB}:1.x",
                        "commonUpdateSettings": {
                            "ignoreTags": ["a"],
                            "pullSecret": "secret:a/b#c",
                            "filterTags": {"pattern": "(.*)", "extract": "$1"},
                        },
                        "manifestTargets": {"kustomize": {"name": "web"}},
                    },
                ],
            }
        ],
    },
}
APPLICATION = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "Application",
    "metadata": {
        "name": "a",
        "annotations": {
            "argocd-image-updater.argoproj.io/image-list": f"web={WEB}:1.x, {WEB}",
            "argocd-image-updater.argoproj.io/web.allow-tags": "regexp:^v",
            "argocd-image-updater.argoproj.io/platforms": "linux/amd64",
        },
    },
    "spec": {
        "source": {"plugin": {"name": "retag", "env": [{"name": "RETAG_PINS", "value": "a=b"}]}},
        "sources": [
            {"plugin": {"name": "retag", "parameters": [{"name": "pins", "map": {"a": "b"}}]}}
        ],
    },
}
CONFIG = {
    "registries": [
        {"name": "a", "prefix": "registry.example.com", "api_url": "https://registry.example.com"},
        {"name": "b", "prefix": "b.example.com", "api_url": "file:b", "credentials": "env:A"},
    ]
}


def found(folder: Path, document: Any) -> list[Finding]:
    """What is found in *document*, in a file of *folder*."""
    path = folder / "any.json"
    path.write_text(json.dumps(document))
    return lint([path], None, environment={"A": SECRET})


@settings(suppress_health_check=IN_FIXTURE)
@given(data=DATA)
def test_any_data_is_answered(tmp_path: Path, data: Any) -> None:
    assert all(finding.code for finding in found(tmp_path, data))


@pytest.mark.parametrize("document", [UPDATER, APPLICATION, CONFIG], ids=["rules", "app", "conf"])
@settings(suppress_health_check=IN_FIXTURE)
@given(draw=st.data())
def test_data_that_is_nearly_right_is_answered(
    tmp_path: Path, document: Any, draw: st.DataObject
) -> None:
    data = replaced(document, draw)

    assert found(tmp_path, data) == found(tmp_path, data)


def test_findings_do_not_depend_on_the_order_of_files(tmp_path: Path) -> None:
    texts = [image(name="a"), image(name="b"), application("allow-tags: any"), registries()]
    paths = []
    for number, text in enumerate(texts):
        paths.append(tmp_path / f"{number}.yaml")
        paths[-1].write_text(text)
    forwards = lint(paths, None, environment={})

    assert [each.code for each in forwards] == ["RT381", "RT392"]
    assert lint(paths[::-1], None, environment={}) == forwards


@settings(suppress_health_check=IN_FIXTURE)
@given(secret=st.text("abcdefghijklmnop0123456789:/#=@ ", min_size=6, max_size=20))
def test_what_stands_for_credentials_is_never_shown(tmp_path: Path, secret: str) -> None:
    place = f"<{secret}>"  # so that it is no part of the messages by chance
    documents = [
        {"registries": [{**CONFIG["registries"][0], "credentials": place}]},
        {"registries": [{**CONFIG["registries"][1], "prefix": "registry.example.com"}]},
        {
            **UPDATER,
            "spec": {"commonUpdateSettings": {"pullSecret": place}, "applicationRefs": []},
        },
    ]
    path = tmp_path / "any.json"
    for document in documents:
        path.write_text(json.dumps(document))
        shown = repr(lint([path], None, environment={"A": place}))
        assert place not in shown
