"""An installation on the real API server, in a namespace of its own: first well, then broken."""

from __future__ import annotations

import asyncio
import copy
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from cmp.cli.doctor import judged
from sidecar.doctor.facts import Facts, gather
from sidecar.doctor.result import Result, State
from sidecar.kubernetes.client import Client
from tests.deploy.conftest import Deployed, deployed
from tests.servers.kubernetes import ApiServer

__all__ = ["deployed"]  # a fixture

Object = dict[str, Any]
NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
_KINDS = (
    "ConfigMap",
    "Deployment",
    "Role",
    "RoleBinding",
    "Secret",
    "ServiceAccount",
)
_POLICIES = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
_AUTOMATED = {"automated": {"selfHeal": True}}


@dataclass(frozen=True)
class Installation:
    """deploy/ in the namespace *name* of *server*."""

    server: ApiServer
    name: str

    def put(self, manifest: Object) -> None:
        """Create *manifest* there, or replace what it states."""
        placed = copy.deepcopy(manifest)
        placed["metadata"]["namespace"] = self.name
        self.server.apply(placed)

    def get(self, path: str) -> Object:
        """The object at *path*, such as `apis/apps/v1/deployments/x`."""
        return self.server.request("GET", self._path(path))

    def delete(self, path: str) -> None:
        """Delete it."""
        self.server.request("DELETE", self._path(path))

    def patch(self, path: str, *operations: Object) -> None:
        """Change it by a JSON Patch."""
        self.server.patch(self._path(path), list(operations))

    def _path(self, path: str) -> str:
        *base, plural, name = path.split("/")
        return "/".join(("", *base, "namespaces", self.name, plural, name))

    def facts(self, token: str | None = None) -> Facts:
        """What is read of it; by an administrator, or by whoever has *token*."""
        server = self.server
        path = server.kubeconfig if token is None else server.kubeconfig_for(token, self.name)

        async def read() -> Facts:
            client = Client.of_kubeconfig(path)
            try:
                return await gather(client, self.name, (self.name,), (self.name,))
            finally:
                await client.aclose()

        return asyncio.run(read())

    def troubles(self) -> dict[str, str]:
        """What is not well, by code."""
        return troubles_of(judged(self.facts(), NOW))


def troubles_of(results: Any) -> dict[str, str]:
    """What is not well, by code; each has a remedy."""
    found: list[Result] = [each for each in results if each.state is not State.OK]
    assert all(each.remedy for each in found)
    return {each.code: each.what for each in found}


@pytest.fixture
def installation(
    api_server: ApiServer, deployed: Deployed, request: pytest.FixtureRequest
) -> Installation:
    """One that is well."""
    number = abs(hash(request.node.nodeid)) % 10**9
    found = Installation(api_server, api_server.namespace(f"doctor-{number}"))
    for each in deployed.argocd:
        text = json.dumps(each).replace(': "argocd"', f': "{found.name}"')
        text = text.replace("secret:argocd/", f"secret:{found.name}/")
        if each["kind"] in _KINDS:
            found.put(json.loads(text))
        elif each["kind"] in _POLICIES:  # the cluster's, and harmless to other tests
            account = f"system:serviceaccount:{found.name}:"
            api_server.apply(json.loads(text.replace("system:serviceaccount:argocd:", account)))
    found.put(lease())
    found.put(updater())
    found.put(application("my-app"))
    return found


def lease(renewed: str = "2026-06-01T11:59:55.000000Z", holder: str = "a-replica") -> Object:
    """The controller's."""
    spec = {"holderIdentity": holder, "renewTime": renewed, "leaseDurationSeconds": 15}
    metadata = {"name": "retag-controller"}
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": metadata,
        "spec": spec,
    }


def updater(name: str = "rules", pattern: str = "my-*") -> Object:
    """An ImageUpdater for the Applications *pattern*."""
    images = [{"alias": "api", "imageName": "registry.example.com/api:1.x"}]
    return {
        "apiVersion": "argocd-image-updater.argoproj.io/v1alpha1",
        "kind": "ImageUpdater",
        "metadata": {"name": name},
        "spec": {"applicationRefs": [{"namePattern": pattern, "images": images}]},
    }


def application(name: str, **fields: Any) -> Object:
    """An Application that names the plugin and heals itself; *fields* are its spec's or status."""
    source = {"repoURL": "https://git.example.com/a.git", "path": "a", "plugin": {"name": "retag"}}
    status = fields.pop("status", {})
    spec = {"project": "default", "source": source, "syncPolicy": _AUTOMATED} | fields
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": name},
        "spec": {key: value for key, value in spec.items() if value is not None},
        "status": status,
    }
