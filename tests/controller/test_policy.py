"""What the controller's account may write, on a real API server with the policy in force."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from sidecar.controller.autosync import Operation, operation_patch, would_sync
from sidecar.controller.model import target_of
from tests.controller.applications import AUTOMATED, LATER, SOURCE, application, operation_state
from tests.servers.kubernetes import ApiServer

POLICY = Path(__file__).parents[2] / "deploy" / "base" / "controller-policy.yaml"
REFRESH = "argocd.argoproj.io/refresh"
OPERATION: dict[str, Any] = {
    "sync": {"revision": "1" * 40, "prune": True, "source": SOURCE},
    "initiatedBy": {"automated": True},
    "retry": {"limit": 5},
}
PATIENCE = 30.0  # seconds until the policy is in force, on a busy machine


@dataclass(frozen=True)
class Controller:
    """The account that the policy is about; *namespace* is its own."""

    server: ApiServer
    namespace: str
    token: str

    @property
    def path(self) -> str:
        """Of all Applications."""
        return f"/apis/argoproj.io/v1alpha1/namespaces/{self.namespace}/applications"

    def make(self, name: str, **changes: Any) -> str:
        """Have an administrator make an Application; its path."""
        made = application(**changes)
        made["metadata"] = made["metadata"] | {"name": name, "namespace": self.namespace}
        del made["metadata"]["uid"], made["metadata"]["resourceVersion"]
        self.server.request("POST", self.path, made)
        return f"{self.path}/{name}"

    def send(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """What the API server answers to the controller; a list is a JSON Patch."""
        patch = "json-patch" if isinstance(body, list) else "merge-patch"
        kind = f"application/{patch}+json" if method == "PATCH" else "application/json"
        return httpx.request(
            method,
            self.server.url + path,
            json=body,
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": kind},
            verify=ssl.create_default_context(cafile=str(self.server.ca_file)),
            timeout=PATIENCE,
        )


@pytest.fixture(scope="module")
def controller(api_server: ApiServer) -> Iterator[Controller]:
    """The account, with rights on all Applications of its namespace, and the policy in force."""
    namespace = api_server.namespace("policy")
    account = {"kind": "ServiceAccount", "name": "retag-controller", "namespace": namespace}
    rule = {"apiGroups": ["argoproj.io"], "resources": ["*"], "verbs": ["*"]}
    rbac = "rbac.authorization.k8s.io"
    metadata = {"name": "retag-controller", "namespace": namespace}
    api_server.apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": metadata, "rules": [rule]},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": "retag-controller"},
            "subjects": [account],
        },
    )
    # Policies have no namespace, so that this one must be about the account of these tests alone.
    text = POLICY.read_text().replace(":argocd:", f":{namespace}:")
    policies = list(yaml.safe_load_all(text))
    for each in policies:
        api_server.apply(each)
    made = Controller(api_server, namespace, api_server.token_of(namespace, "retag-controller"))
    _wait_until_in_force(made)
    yield made
    for each in policies:
        api_server.request("DELETE", f"{api_server.path_of(each)}/{each['metadata']['name']}")


def _wait_until_in_force(controller: Controller) -> None:
    path = controller.make("in-force")
    deadline = time.monotonic() + PATIENCE
    attempt = {"metadata": {"labels": {"made": "up"}}}
    while controller.send("PATCH", path + "?dryRun=All", attempt).is_success:
        assert time.monotonic() < deadline, "the policy does not take effect"
        time.sleep(0.05)


def annotate(**annotations: str) -> dict[str, Any]:
    return {
        "metadata": {
            "annotations": {REFRESH.replace("refresh", k): v for k, v in annotations.items()}
        }
    }


@pytest.mark.parametrize(
    ("changes", "patch"),
    [
        pytest.param({}, annotate(refresh="hard"), id="a refresh"),
        pytest.param(
            {"metadata": {"annotations": {REFRESH: "normal", "mine": "kept"}}},
            {
                "metadata": {
                    "annotations": {
                        REFRESH: "hard",
                        f"{REFRESH}-timestamp": "2026-01-01T00:00:00.000000001Z",
                    }
                }
            },
            id="a refresh of a pending one, with its time",
        ),
        pytest.param({}, {"operation": OPERATION}, id="a sync"),
        pytest.param(
            {"metadata": {"annotations": {REFRESH: "normal"}}},
            {"operation": OPERATION},
            id="a sync beside a pending refresh",
        ),
        pytest.param(
            {"operation": {"sync": {"revision": LATER}}},
            annotate(refresh="hard"),
            id="a refresh while it is synced",
        ),
        pytest.param(
            {"status": {"resources": [{"name": f"made-up-{n}"} for n in range(5000)]}},
            annotate(refresh="hard"),
            id="a refresh of a large one",
        ),
    ],
)
def test_the_controller_may(
    controller: Controller, request: pytest.FixtureRequest, changes: dict[str, Any], patch: Any
) -> None:
    path = controller.make(_name(request), **changes)

    answer = controller.send("PATCH", path, patch)

    assert answer.is_success, answer.text


def _name(request: pytest.FixtureRequest) -> str:
    name: str = request.node.name
    return name.partition("[")[2].rstrip("]").translate({ord(c): "-" for c in " ,'"})


def sync(**changes: Any) -> dict[str, Any]:
    return {"operation": {**OPERATION, "sync": {**OPERATION["sync"], **changes}}}


MAY = "retag-controller may "
NO_FIELDS = MAY + "change annotations and add an operation, nothing else"
NO_METADATA = MAY + "change no metadata but annotations"
NO_ANNOTATIONS = MAY + "change no annotations but those of a refresh"
ONLY_HARD = MAY + "ask for hard refreshes only"
NOT_THAT = MAY + "not change an operation that is there"
ONLY_SYNC = MAY + "start an automated sync of all resources, nothing else"
NOT_BY_ITSELF = MAY + "sync no Application that is not synced by itself"
NO_OTHER = MAY + "sync no other source or revision than Argo CD has compared"
OWN_POLICY = MAY + "sync with the Application's own policy only"


@pytest.mark.parametrize(
    ("changes", "patch", "message"),
    [
        pytest.param({}, {"spec": {"project": "other"}}, NO_FIELDS, id="the project"),
        pytest.param({}, {"spec": {"source": {"path": "other"}}}, NO_FIELDS, id="the source"),
        pytest.param({}, {"status": {"sync": {"status": "Synced"}}}, NO_FIELDS, id="the status"),
        pytest.param({}, {"status": None}, NO_FIELDS, id="the status, taken away"),
        pytest.param({}, {"other": {}}, NO_FIELDS, id="another field"),
        pytest.param({}, {"metadata": {"labels": {"a": "b"}}}, NO_METADATA, id="a label"),
        pytest.param(
            {"metadata": {"labels": {"a": "b"}}},
            {"metadata": {"labels": None}},
            NO_METADATA,
            id="a label, taken away",
        ),
        pytest.param(
            {}, {"metadata": {"finalizers": ["example.com/it"]}}, NO_METADATA, id="a finalizer"
        ),
        pytest.param({}, annotate(hydrate="hard"), NO_ANNOTATIONS, id="another annotation"),
        pytest.param(
            {"metadata": {"annotations": {"mine": "kept"}}},
            {"metadata": {"annotations": {"mine": "other"}}},
            NO_ANNOTATIONS,
            id="an annotation of others",
        ),
        pytest.param(
            {"metadata": {"annotations": {"mine": "kept"}}},
            {"metadata": {"annotations": None}},
            NO_ANNOTATIONS,
            id="an annotation of others, taken away",
        ),
        pytest.param({}, annotate(refresh="normal"), ONLY_HARD, id="another refresh"),
        pytest.param(
            {"operation": {"sync": {}}}, {"operation": None}, NOT_THAT, id="an end to a sync"
        ),
        pytest.param(
            {"operation": {"sync": {}}}, {"operation": OPERATION}, NOT_THAT, id="another sync"
        ),
        pytest.param({}, {"operation": {}}, ONLY_SYNC, id="no sync"),
        pytest.param(
            {},
            {"operation": {**OPERATION, "initiatedBy": {"username": "admin"}}},
            ONLY_SYNC,
            id="a sync in somebody's name",
        ),
        pytest.param(
            {},
            {"operation": {**OPERATION, "info": [{"name": "a", "value": "b"}]}},
            ONLY_SYNC,
            id="a sync with a word to people",
        ),
        pytest.param({}, sync(manifests=["{}"]), ONLY_SYNC, id="manifests of its own"),
        pytest.param({}, sync(dryRun=True), ONLY_SYNC, id="a dry run"),
        pytest.param({}, sync(resources=[{"kind": "Secret"}]), ONLY_SYNC, id="some resources"),
        pytest.param(
            {}, sync(syncStrategy={"apply": {"force": True}}), ONLY_SYNC, id="a forced sync"
        ),
        pytest.param(
            {"policy": {}}, {"operation": OPERATION}, NOT_BY_ITSELF, id="a sync by hand alone"
        ),
        pytest.param(
            {"policy": {"automated": {"prune": True, "enabled": False}}},
            {"operation": OPERATION},
            NOT_BY_ITSELF,
            id="a sync that is switched off",
        ),
        pytest.param(
            {}, sync(source={**SOURCE, "path": "other"}), NO_OTHER, id="a sync of another source"
        ),
        pytest.param({}, sync(sources=[SOURCE]), NO_OTHER, id="a sync of several sources"),
        pytest.param({}, sync(revision=LATER), NO_OTHER, id="a sync of another revision"),
        pytest.param({}, sync(revisions=[LATER]), NO_OTHER, id="a sync of other revisions"),
        pytest.param({}, sync(revision=None), NO_OTHER, id="a sync of whatever is newest"),
        pytest.param(
            {"policy": {"automated": {}}}, sync(prune=True), OWN_POLICY, id="a sync that prunes"
        ),
        pytest.param({}, sync(syncOptions=["Replace=true"]), OWN_POLICY, id="other options"),
        pytest.param(
            {"policy": {**AUTOMATED, "syncOptions": ["Delete=false"]}},
            {"operation": OPERATION},
            OWN_POLICY,
            id="without its options",
        ),
        pytest.param(
            {"policy": {**AUTOMATED, "retry": {"limit": 1}}},
            {"operation": OPERATION},
            OWN_POLICY,
            id="another retry",
        ),
        pytest.param(
            {},
            {"operation": {**OPERATION, "retry": {"limit": -1}}},
            OWN_POLICY,
            id="a retry without an end",
        ),
    ],
)
def test_the_controller_may_not_change(
    controller: Controller,
    request: pytest.FixtureRequest,
    changes: dict[str, Any],
    patch: Any,
    message: str,
) -> None:
    path = controller.make(_name(request), **changes)

    answer = controller.send("PATCH", path, patch)

    assert answer.status_code == 422
    assert message in answer.json()["message"]


def test_the_controller_may_neither_create_nor_delete(controller: Controller) -> None:
    path = controller.make("there")
    made = controller.server.request("GET", path)
    del made["metadata"]["resourceVersion"], made["metadata"]["uid"]
    made["metadata"]["name"] = "another"

    answers = [
        controller.send("POST", controller.path, made),
        controller.send("DELETE", path),
        controller.send("DELETE", controller.path),
    ]

    for answer in answers:
        assert answer.status_code == 422, answer.text
        assert MAY + "neither create nor delete Applications" in answer.json()["message"]
    assert controller.server.request("GET", path)["metadata"]["name"] == "there"


def test_others_are_not_limited(controller: Controller) -> None:
    path = controller.make("of-others", operation={"sync": {}})

    changed = controller.server.patch(path, {"operation": None, "spec": {"project": "other"}})

    assert changed["spec"]["project"] == "other"
    assert "operation" not in changed


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="whole-one-source"),
        pytest.param(
            {
                "spec": {"source": None, "sources": [SOURCE, SOURCE]},
                "status": {
                    "sync": {"status": "OutOfSync", "revisions": [LATER, LATER]},
                    "operationState": operation_state(
                        revisions=[LATER, LATER], sources=[SOURCE, SOURCE]
                    ),
                },
            },
            id="whole-several-sources",
        ),
        pytest.param(
            {
                "policy": {
                    "automated": {"enabled": True},
                    "syncOptions": ["ServerSideApply=true"],
                    "retry": {"limit": 1, "backoff": {"duration": "5s"}},
                }
            },
            id="whole-own-policy",
        ),
    ],
)
def test_the_sync_that_argo_cd_would_start_is_allowed_once(
    controller: Controller, request: pytest.FixtureRequest, changes: dict[str, Any]
) -> None:
    path = controller.make(_name(request), **changes)
    target = target_of(controller.server.request("GET", path), "shop")
    assert target is not None
    operation = would_sync(target, {}, 0.0)
    assert isinstance(operation, Operation)
    patch = operation_patch(target, operation)

    first, again = (controller.send("PATCH", path, patch) for _ in range(2))

    assert first.is_success, first.text
    assert first.json()["operation"] == operation.body
    assert again.status_code == 422
