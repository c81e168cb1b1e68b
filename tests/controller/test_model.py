"""What is kept of an Application, whoever wrote it and however large it is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmp.rules import RuleSet, rules_in
from sidecar.cluster.applications import keep_application, read_application
from sidecar.controller import autosync
from sidecar.controller.heal import ailment
from sidecar.controller.model import LARGEST, Target, target_of
from sidecar.controller.targets import Planner
from tests.controller.applications import application, operation_state

RULES = """\
apiVersion: argocd-image-updater.argoproj.io/v1alpha1
kind: ImageUpdater
metadata: {name: all, namespace: argocd}
spec:
  applicationRefs:
    - namePattern: "*"
      images: [{alias: app, imageName: "registry.example.com/app:1.x"}]
    - namePattern: "*a*"
      useAnnotations: true
"""
PADDING = "x" * LARGEST
SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
VALUES = st.recursive(
    SCALARS,
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=4), each),
    max_leaves=5,
)


def target(manifest: dict[str, Any]) -> Target:
    found = target_of(manifest, "web")
    assert found is not None
    return found


def plugin(**fields: Any) -> dict[str, Any]:
    source = {"repoURL": "https://git.example.com/r", "plugin": {"name": "retag", **fields}}
    return application(spec={"source": source})


@pytest.mark.parametrize(
    "manifest",
    [
        pytest.param(plugin(parameters=[{"name": "a"}] * 30_000), id="parameters"),
        pytest.param(plugin(env=[{"name": "A", "value": PADDING}]), id="a variable"),
        pytest.param({**plugin(), "operation": {"info": [PADDING]}}, id="its operation"),
    ],
)
def test_an_application_that_would_fill_the_memory_is_left_alone(manifest: dict[str, Any]) -> None:
    assert target_of(manifest, "web") is None


def test_of_a_status_nothing_large_is_kept() -> None:
    manifest = plugin()
    resource = {"status": "OutOfSync", "name": PADDING, "requiresPruning": True}
    condition = {"type": "ComparisonError", "message": PADDING, "more": PADDING}
    manifest["status"] = {
        "sync": {"status": "OutOfSync", "revision": "1", "comparedTo": {"source": PADDING}},
        "operationState": operation_state() | {"message": PADDING, "operation": PADDING},
        "history": [{"source": PADDING}],
        "resources": [resource] * 1000,
        "conditions": [condition] * 1000,
    }

    kept = target(manifest).status

    assert len(json.dumps({**kept, "resources": None})) < LARGEST
    assert len({id(each) for each in kept["resources"]}) == 1
    assert len(kept["resources"]) == kept["resourceCount"] == 1000


def test_no_more_running_images_are_looked_at_than_any_application_has() -> None:
    manifest = plugin()
    manifest["status"] = {
        "summary": {"images": [f"registry.example.com/{n}" for n in range(9000)]}
    }

    assert len(target(manifest).application.images or ()) == 5000
    assert len(read_application(keep_application(manifest)).images or ()) == 5000


@given(st.data())
def test_whatever_stands_in_an_application_ends_in_a_plan_and_an_answer(
    data: st.DataObject,
) -> None:
    def maybe(value: Any) -> Any:
        return data.draw(st.just(value) | VALUES)

    env = maybe([{"name": maybe("RETAG_PINS"), "value": maybe("app=1.0.0")}])
    parameters = maybe([{"name": maybe("pins"), "map": maybe({"app": maybe("1.0.0")})}])
    source = {"plugin": {"name": "retag", "env": env, "parameters": parameters}}
    manifest = {
        "metadata": {
            "name": "a",
            "namespace": "argocd",
            "labels": maybe({}),
            "annotations": maybe({"argocd-image-updater.argoproj.io/image-list": maybe("a=b:1")}),
            "generation": 1,
        },
        "spec": {
            "project": maybe("default"),
            "sources": [source, maybe({})],
            "destination": maybe({"name": maybe("x"), "namespace": maybe("y")}),
            "syncPolicy": maybe({"automated": maybe({"enabled": maybe(True)})}),
        },
        "operation": maybe(None),
        "status": maybe(
            {
                "reconciledAt": maybe("2026-01-01T00:00:00Z"),
                "sync": maybe({"status": maybe("OutOfSync"), "revisions": maybe(["1", "2"])}),
                "operationState": maybe({"phase": maybe("Failed"), "syncResult": maybe({})}),
                "conditions": maybe(
                    [{"type": maybe("ComparisonError"), "message": maybe("[RT501]")}]
                ),
                "resources": maybe([{"status": maybe("OutOfSync")}]),
                "summary": maybe({"images": maybe(["registry.example.com/app:1.0.0"])}),
            }
        ),
    }

    found = target(manifest)

    Planner(RuleSet.of(rules_in(RULES, "rules.yaml").resources)).plan(found)
    project = {"metadata": {"name": "default"}, "spec": {}}
    autosync.would_sync(found, project, 1_800_000_000.0)
    ailment(found)
    read_application(keep_application(manifest))
