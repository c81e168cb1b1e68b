"""`deploy/` on a real API server: it takes all of it, and gives the accounts no more than said."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
import yaml

from tests.deploy.conftest import Deployed, Installed
from tests.deploy.rendering import DEPLOY, Object, build, container_of, pick, pod_of

RESOLVER = "argocd-repo-server"
CONTROLLER = "retag-controller"


def _place(manifest: Object) -> str:
    return f"{manifest['kind']}/{manifest['metadata']['name']}"


@pytest.mark.parametrize("overlay", ["argocd", "all"])
def test_the_api_server_knows_every_field(
    installed: Installed, deployed: Deployed, overlay: str
) -> None:
    objects = [e for e in getattr(deployed, overlay) if e["kind"] != "CustomResourceDefinition"]
    refused = []  # that one was created in the fixture, which is as strict
    for each in objects:
        name = f"again-{each['metadata']['name']}"  # it is there already
        renamed = each | {"metadata": each["metadata"] | {"name": name}}
        try:
            installed.create(renamed, "dryRun=All")
        except httpx.HTTPStatusError as error:
            refused.append(f"{_place(each)}: {error}")

    assert len(objects) > 15
    assert refused == []


def test_who_applied_it_on_the_client_can_apply_it_on_the_server(
    installed: Installed, deployed: Deployed
) -> None:
    """A mapping that is owned whole and left to defaults would be in conflict with itself."""
    ours = [*deployed.all, *build(deployed.folder / "monitoring")]
    refused = []
    for each in ours:
        if each["kind"] == "CustomResourceDefinition":
            continue  # others need it as it is; it is in the fixture already
        name = f"twice-{each['metadata']['name']}"
        renamed = each | {"metadata": each["metadata"] | {"name": name}}
        installed.create(renamed, "fieldManager=kubectl-client-side-apply")
        try:
            installed.server.apply(renamed, force=False)
        except httpx.HTTPStatusError as error:
            refused.append(f"{_place(each)}: {error}")
        finally:
            place = f"{installed.server.path_of(each)}/{name}"
            installed.server.request("DELETE", place)

    assert len(ours) > 20
    assert refused == []


def test_a_field_that_is_none_is_refused(installed: Installed, deployed: Deployed) -> None:
    controller = json.loads(json.dumps(pick(deployed.all, "Deployment", CONTROLLER)))
    controller["metadata"]["name"] = "again"
    controller["spec"]["template"]["spec"]["containers"][0]["securitycontext"] = {}

    with pytest.raises(httpx.HTTPStatusError, match="securitycontext"):
        installed.create(controller, "dryRun=All")


def test_the_application_is_one(installed: Installed) -> None:
    application = yaml.safe_load((DEPLOY / "application.yaml").read_text())

    made = installed.create(application, "dryRun=All")

    source = made["spec"]["source"]
    assert (DEPLOY.parent / source["path"] / "kustomization.yaml").is_file()
    assert "plugin" not in source


def test_kubectl_patches_what_kustomize_patches(installed: Installed, deployed: Deployed) -> None:
    """Who installs Argo CD otherwise gives kubectl the same file: a strategic merge patch."""
    plain = list(yaml.safe_load_all((DEPLOY.parent / "tests/deploy/argocd.yaml").read_text()))
    server = pick(plain, "Deployment", "argocd-repo-server")
    server["metadata"] |= {"name": "by-hand", "namespace": "argocd"}
    installed.create(server)
    path = "/apis/apps/v1/namespaces/argocd/deployments/by-hand?fieldValidation=Strict"
    text = (DEPLOY / "components/repo-server/repo-server.yaml").read_text()
    patch = yaml.safe_load(text)
    patch["metadata"]["name"] = "by-hand"

    kind = "application/strategic-merge-patch+json"
    done = installed.server._send("PATCH", path, patch, kind)  # noqa: SLF001  # kubectl's own form

    patched = done["spec"]["template"]["spec"]
    other = pod_of(deployed.argocd, "argocd-repo-server")
    assert patched["automountServiceAccountToken"] is False
    assert {e["name"] for e in patched["volumes"]} == {e["name"] for e in other["volumes"]}
    for name in ("retag", "retag-resolver", "copyutil"):
        mounts = container_of(patched, name)["volumeMounts"]
        assert mounts == container_of(other, name)["volumeMounts"]


IMAGE_UPDATERS = "argocd-image-updater.argoproj.io/imageupdaters"
ARGO_CD = "argoproj.io"
_READ = ("get", "list", "watch")
_WRITE = ("create", "update", "patch", "delete", "deletecollection")
ALL = (*_READ, *_WRITE)

# account, namespace, resource, name, what it may of ALL
TABLE = [
    (RESOLVER, "argocd", IMAGE_UPDATERS, "", _READ),
    (RESOLVER, "argocd", f"{IMAGE_UPDATERS}/status", "", ()),
    (RESOLVER, "argocd", f"{ARGO_CD}/applications", "", _READ),
    (RESOLVER, "argocd", f"{ARGO_CD}/appprojects", "", ()),
    (RESOLVER, "argocd", "/configmaps", "", _READ),
    (RESOLVER, "argocd", "/secrets", "", ()),
    (RESOLVER, "argocd", "/secrets", "zot-login", ("get",)),
    (RESOLVER, "argocd", "/secrets", "argocd-secret", ()),
    (RESOLVER, "argocd", "/events", "", ()),
    (RESOLVER, "argocd", "/pods", "", ()),
    (RESOLVER, "argocd", "coordination.k8s.io/leases", "", ()),
    (RESOLVER, "team", f"{ARGO_CD}/applications", "", ()),
    (RESOLVER, "team", IMAGE_UPDATERS, "", ()),
    (CONTROLLER, "argocd", IMAGE_UPDATERS, "", _READ),
    (CONTROLLER, "argocd", f"{IMAGE_UPDATERS}/status", "", ("patch",)),
    (CONTROLLER, "argocd", f"{ARGO_CD}/applications", "", (*_READ, "patch")),
    (CONTROLLER, "argocd", f"{ARGO_CD}/appprojects", "", _READ),
    (CONTROLLER, "argocd", "/configmaps", "", (*_READ, "create", "update", "delete")),
    (CONTROLLER, "argocd", "/secrets", "", ()),
    (CONTROLLER, "argocd", "/secrets", "zot-login", ("get",)),
    (CONTROLLER, "argocd", "/secrets", "argocd-secret", ()),
    (CONTROLLER, "argocd", "/events", "", ("create", "patch")),
    (CONTROLLER, "argocd", "coordination.k8s.io/leases", "", ("create",)),
    (
        CONTROLLER,
        "argocd",
        "coordination.k8s.io/leases",
        "retag-controller",
        ("get", "create", "update"),
    ),
    (CONTROLLER, "argocd", "coordination.k8s.io/leases", "other", ("create",)),
    (CONTROLLER, "argocd", "apps/deployments", "", ()),
    (CONTROLLER, "argocd", "/serviceaccounts", "", ()),
    (CONTROLLER, "team", f"{ARGO_CD}/applications", "", ()),
    (CONTROLLER, "team", "/configmaps", "", ()),
    (CONTROLLER, "team", "/secrets", "zot-login", ()),
]


def _as(installed: Installed, account: str) -> httpx.Client:
    token = installed.server.token_of("argocd", account)
    return httpx.Client(
        base_url=installed.server.url,
        verify=False,  # loopback; who asks is what matters here
        headers={"Authorization": f"Bearer {token}"},
        trust_env=False,
    )


def _may(client: httpx.Client, attributes: dict[str, str]) -> bool:
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    answer: dict[str, Any] = client.post(path, json=review).json()
    return bool(answer["status"]["allowed"])


@pytest.mark.parametrize(
    ("account", "namespace", "resource", "name", "allowed"),
    TABLE,
    ids=[f"{a} {ns} {r} {n}" for a, ns, r, n, _ in TABLE],
)
def test_an_account_may_what_the_table_says_and_nothing_else(
    installed: Installed,
    *,
    account: str,
    namespace: str,
    resource: str,
    name: str,
    allowed: tuple[str, ...],
) -> None:
    group, _, rest = resource.partition("/")
    plural, _, sub = rest.partition("/")
    asked = {"namespace": namespace, "group": group, "resource": plural, "subresource": sub}
    if name:
        asked["name"] = name
    with _as(installed, account) as client:
        found = tuple(verb for verb in ALL if _may(client, asked | {"verb": verb}))

    assert sorted(found) == sorted(allowed)


@pytest.mark.parametrize("account", [RESOLVER, CONTROLLER])
def test_a_listing_of_secrets_is_refused_and_the_named_one_is_given(
    installed: Installed, account: str
) -> None:
    path = "/api/v1/namespaces/argocd/secrets"
    with _as(installed, account) as client:
        assert client.get(path).status_code == 403
        assert client.get(f"{path}/zot-login").status_code == 200
        assert client.get(f"{path}/argocd-secret").status_code == 403


def _config_map(name: str) -> Object:
    metadata = {"name": name, "namespace": "argocd"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


def test_the_controller_writes_its_records_and_no_other_configmap(installed: Installed) -> None:
    path = "/api/v1/namespaces/argocd/configmaps"
    # The API server takes up a new policy a moment after it was made.
    with _as(installed, CONTROLLER) as client:
        for _ in range(600):
            other = client.post(path, json=_config_map("argocd-rbac-cm"))
            if other.status_code != 201:
                break
            installed.server.request("DELETE", f"{path}/argocd-rbac-cm")
        assert other.status_code in (403, 422)
        assert "no other ConfigMap than its records" in other.text
        assert client.post(path, json=_config_map("retag.argocd.my-app")).status_code == 201
        assert client.delete(f"{path}/retag.argocd.my-app").status_code == 200
        assert client.delete(f"{path}/argocd-cmd-params-cm").status_code in (403, 422)
        patched = client.patch(
            f"{path}/argocd-cmd-params-cm",
            json={"data": {"x": "y"}},
            headers={"Content-Type": "application/merge-patch+json"},
        )
        assert patched.status_code in (403, 422)


def test_nobody_else_is_kept_from_writing_configmaps(installed: Installed) -> None:
    installed.create(_config_map("argocd-cm"))
