"""CustomResourceDefinitions for the tests: Argo CD's kinds, which keep all fields, and ours.

Argo CD's Applications have no status subresource, and neither have these.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tests.servers.kubernetes import ApiServer

_ROOT = Path(__file__).parent.parent.parent
OURS = _ROOT / "deploy" / "base" / "00-crd.yaml"


def argo_cd(plural: str, kind: str) -> dict[str, Any]:
    """A kind of Argo CD's, which keeps whatever it is given."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": "v1alpha1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.argoproj.io"},
        "spec": {
            "group": "argoproj.io",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
            "scope": "Namespaced",
            "versions": [version],
        },
    }


def install(server: ApiServer) -> None:
    """Have *server* serve Applications, AppProjects and ImageUpdaters."""
    crds = [
        argo_cd("applications", "Application"),
        argo_cd("appprojects", "AppProject"),
        yaml.safe_load(OURS.read_text()),
    ]
    server.apply(*crds)
    for crd in crds:
        server.wait_for_crd(crd["metadata"]["name"])
