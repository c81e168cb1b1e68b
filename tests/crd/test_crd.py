"""Our CustomResourceDefinition on a real API server: what it takes whole, refuses and shows."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from cmp.rules.crd import definition
from scripts.crd import FILE
from tests.crd.forms import OFFICIAL, OLDER, OURS, image, with_image
from tests.crd.server import create, in_namespace, path, read, refusal, without_defaults
from tests.rules.updaters import manifest, ref
from tests.servers.kubernetes import ApiServer

FORMS = (
    {f"official: {name}": made for name, made in OFFICIAL.items()}
    | {f"older: {name}": made for name, made in OLDER.items()}
    | {f"ours: {name}": made for name, made in OURS.items()}
)


@pytest.fixture(scope="module")
def namespace(api_server: ApiServer) -> str:
    return api_server.namespace("crd")


def test_the_file_is_what_the_models_say() -> None:
    root = FILE.parent.parent.parent

    done = subprocess.run([sys.executable, "-m", "scripts.crd", "--check"], cwd=root, check=False)

    assert done.returncode == 0
    assert yaml.safe_load(FILE.read_text()) == definition()


def test_a_file_that_differs_is_told(tmp_path: Path) -> None:
    code = "import sys, scripts.crd as c, pathlib; c.FILE = pathlib.Path(sys.argv.pop()); c.main()"
    (tmp_path / "crd.yaml").write_text("kind: Other\n")
    told = [sys.executable, "-c", code, "--check", str(tmp_path / "crd.yaml")]

    done = subprocess.run(
        told, cwd=FILE.parent.parent.parent, capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    assert "run scripts/crd.py" in done.stderr


def test_the_crd_is_small_enough_for_kubectls_own_note_and_comes_before_its_resources() -> None:
    crd = definition()

    assert len(json.dumps(crd)) < 262_144 // 4  # the most that all annotations may have
    assert crd["metadata"]["annotations"] == {"argocd.argoproj.io/sync-wave": "-1"}


@pytest.mark.parametrize("form", FORMS)
def test_each_form_is_taken_and_stays_whole(
    api_server: ApiServer, namespace: str, form: str
) -> None:
    name = f"form-{list(FORMS).index(form)}"
    given = in_namespace(FORMS[form], namespace, name)

    create(api_server, given, "fieldValidation=Strict")

    assert without_defaults(read(api_server, given)) == without_defaults(given)


def settings(**fields: Any) -> Any:
    return with_image(commonUpdateSettings=fields)


def write_back(**fields: Any) -> Any:
    return manifest(ref("web", image()), writeBackConfig=fields)


NO_IMAGES = "images must hold at least one image, unless useAnnotations is true"
ONE_TARGET = "helm, kustomize and plugin exclude one another: state one of them"
ONE_PROVIDER = "state either github or gitlab"
REFUSED: dict[str, tuple[Any, str]] = {
    "no refs": (manifest() | {"spec": {}}, "spec.applicationRefs: Required value"),
    "an empty list of refs": (manifest(), "should have at least 1 items"),
    "a ref without a pattern": (manifest({"images": [image()]}), "namePattern: Required value"),
    "a ref without images": (manifest({"namePattern": "web"}), NO_IMAGES),
    "a ref with an empty list": (manifest(ref("web")), NO_IMAGES),
    "a ref that says no to annotations": (manifest(ref("web", useAnnotations=False)), NO_IMAGES),
    "an image without a name": (manifest(ref("web", {"alias": "a"})), "imageName: Required value"),
    "two targets": (
        with_image(manifestTargets={"helm": {}, "kustomize": {"name": "web"}}),
        ONE_TARGET,
    ),
    "two other targets": (
        with_image(manifestTargets={"plugin": {"name": "A"}, "kustomize": {"name": "web"}}),
        ONE_TARGET,
    ),
    "helm and plugin": (
        with_image(manifestTargets={"plugin": {"name": "A"}, "helm": {}}),
        ONE_TARGET,
    ),
    "a key without a Secret": (
        with_image(imagesVerification={"cosignKey": {"key": "a"}}),
        "cosignKey.secretName: Required value",
    ),
    "a Secret without a key": (
        with_image(imagesVerification={"cosignKey": {"secretName": "a"}}),
        "cosignKey.key: Required value",
    ),
    "a requirement without an operator": (
        manifest(ref("web", image(), labelSelectors={"matchExpressions": [{"key": "a"}]})),
        "operator: Required value",
    ),
    "a method of write-back": (write_back(method="email"), "writeBackConfig.method"),
    "a pull request for nobody": (
        write_back(gitConfig={"pullRequest": {}}),
        ONE_PROVIDER,
    ),
    "a pull request for both": (
        write_back(gitConfig={"pullRequest": {"github": {}, "gitlab": {}}}),
        ONE_PROVIDER,
    ),
    "an empty label": (
        write_back(gitConfig={"pullRequest": {"github": {}, "labels": [""]}}),
        "should be at least 1 chars long",
    ),
    "a label that is too long": (
        write_back(gitConfig={"pullRequest": {"github": {}, "labels": ["a" * 256]}}),
        "Too long: may not be more than 255 bytes",
    ),
    "too many labels": (
        write_back(gitConfig={"pullRequest": {"github": {}, "labels": ["a"] * 101}}),
        "must have at most 100 items",
    ),
    "an age without a unit": (settings(minAge="12"), "minAge in body should match"),
    "an age that is too long": (settings(minAge="1" * 32 + "d"), "may not be more than 32 bytes"),
    "a pin that is no tag": (with_image(pin="v1.4.2@sha256"), "pin in body should match"),
    "a pin that is too long": (with_image(pin="a" * 129), "pin in body should match"),
    "an unknown output": (settings(output="tags"), '"tag", "tag@digest", "digest"'),
    "an unknown order": (settings(orderBy="time"), '"built", "pushed"'),
    "an unknown severity": (
        settings(maxSeverity="worse"),
        '"none", "low", "medium", "high", "critical"',
    ),
    "a filter without a pattern": (
        settings(filterTags={"extract": "$1"}),
        "filterTags.pattern: Required value",
    ),
    "allowTags as a number": (settings(allowTags=5), "should be less than or equal to 0"),
    "allowTags as no number": (settings(allowTags=0.5), "should be less than or equal to 0"),
    "allowTags below zero": (settings(allowTags=-1), "should be greater than or equal to 1"),
    "allowTags as a flag": (settings(allowTags=True), "allowTags"),
    "allowTags as a mapping": (settings(allowTags={"regex": "a"}), "allowTags: Too many"),
    "allowTags as an empty mapping": (settings(allowTags={}), "should have at least 1 properties"),
    "allowTags as an empty list": (settings(allowTags=[]), "should have at least 1 items"),
    "allowTags as strings": (settings(allowTags=["v1"]), "must be of type object"),
    "allowTags of something else": (settings(allowTags=[{"glob": "v"}]), "regex: Required value"),
    "allowTags of more": (
        settings(allowTags=[{"regex": "v", "glob": "v"}]),
        "allowTags[0]: Too many: 2: must have at most 1 item",
    ),
    "allowTags of a number": (settings(allowTags=[{"regex": 1}]), "must be of type string"),
    "the older allowTags as a flag": (with_image(allowTags=False), "allowTags"),
    "a number as a pin": (with_image(pin=1.1), "pin in body must be of type string"),
    "a string as a list": (settings(ignoreTags="latest"), "must be of type array"),
    "a string as a flag": (settings(suspend="yes"), "must be of type boolean"),
    "a field that nobody knows": (settings(denyTag=["v1"]), 'denyTag"'),
    "a field at a wrong level": (with_image(denyTags=["v1"]), 'denyTags"'),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_the_reader_would_disable_is_refused(
    api_server: ApiServer, namespace: str, what: str
) -> None:
    given, why = REFUSED[what]

    told = refusal(api_server, in_namespace(given, namespace))

    assert why in told


def test_many_refs_and_images_are_within_the_budget_for_conditions(
    api_server: ApiServer, namespace: str
) -> None:
    images = [image(alias=f"web-{number}", manifestTargets={"helm": {}}) for number in range(200)]
    many = manifest(*(ref(f"web-{number}", *images) for number in range(20)))

    assert refusal(api_server, in_namespace(many, namespace)) == ""


def test_a_typing_error_is_dropped_where_a_client_does_not_ask_to_be_told(
    api_server: ApiServer, namespace: str
) -> None:
    given = in_namespace(settings(denyTag=["v1"]), namespace, "typing-error")

    stored = create(api_server, given, "fieldValidation=Ignore")

    blocks = stored["spec"]["applicationRefs"][0]["images"][0]["commonUpdateSettings"]
    assert blocks == {}


NOW = "2026-11-22T10:00:00Z"
# As the Image Updater's controller fills it.
STATUS = {
    "observedGeneration": 1,
    "lastCheckedAt": NOW,
    "lastUpdatedAt": NOW,
    "applicationsMatched": 3,
    "imagesManaged": 5,
    "recentUpdates": [
        {
            "alias": "web",
            "image": "registry.example.com/team/web",
            "newVersion": "v1.4.2",
            "applicationsUpdated": 2,
            "updatedAt": NOW,
            "message": "updated web",
        }
    ],
    "conditions": [
        {
            "type": kind,
            "status": status,
            "reason": reason,
            "message": "as it is",
            "lastTransitionTime": NOW,
            "observedGeneration": 1,
        }
        for kind, status, reason in (
            ("Ready", "True", "ReconcileSucceeded"),
            ("Reconciling", "False", "Idle"),
            ("Error", "False", "NoErrors"),
        )
    ],
}


def test_the_status_is_written_for_itself_and_shown_in_columns(
    api_server: ApiServer, namespace: str
) -> None:
    given = in_namespace(with_image(), namespace, "status")
    assert "status" not in create(api_server, given | {"status": STATUS})

    api_server.patch(f"{path(api_server, given)}/status", {"status": STATUS})

    stored = read(api_server, given)
    assert stored["status"] == STATUS
    assert stored["metadata"]["generation"] == 1
    table = _table(api_server, path(api_server, given))
    columns = [each["name"] for each in table["columnDefinitions"]]
    assert columns == ["Name", "Apps", "Images", "Last Checked", "Ready"]
    cells = dict(zip(columns, table["rows"][0]["cells"], strict=True))
    assert (cells["Name"], cells["Apps"], cells["Images"], cells["Ready"]) == (
        "status", 3, 5, "True",
    )  # fmt: skip
    assert cells["Last Checked"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"applicationsMatched": -1},
        {"conditions": [{"type": "Ready", "status": "Yes"}]},
        {"recentUpdates": [{"alias": "web"}]},
        {"lastCheckedAt": "yesterday"},
    ],
    ids=["a count below zero", "a condition's status", "half an update", "no time"],
)
def test_a_status_that_nobody_can_read_is_refused(
    api_server: ApiServer, namespace: str, wrong: Any
) -> None:
    given = in_namespace(with_image(), namespace, "status-refused")
    api_server.apply(given)

    with pytest.raises(httpx.HTTPStatusError, match="422"):
        api_server.patch(f"{path(api_server, given)}/status", {"status": wrong})


def test_kubectl_explains_retags_own_fields(api_server: ApiServer) -> None:
    schema = api_server.request(
        "GET", "/openapi/v3/apis/argocd-image-updater.argoproj.io/v1alpha1"
    )

    assert "not even a pin may name" in json.dumps(schema)


def _table(server: ApiServer, at: str) -> Any:
    """What `kubectl get` is given to print."""
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io"
    headers = {"Authorization": f"Bearer {server.token}", "Accept": accept}
    answer = httpx.get(server.url + at, headers=headers, verify=_trusting(server))
    return answer.raise_for_status().json()


def _trusting(server: ApiServer) -> Any:
    return ssl.create_default_context(cafile=str(server.ca_file))
