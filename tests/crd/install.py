"""A server's CRD of ImageUpdaters, changed: the official one of v1.3 or v1.4, or ours."""

from __future__ import annotations

import time
from typing import Any

import httpx

from cmp.rules.crd import NAME, definition
from tests.crd.forms import image
from tests.crd.official import official
from tests.crd.server import create, in_namespace
from tests.rules.updaters import manifest, ref
from tests.servers.kubernetes import ApiServer

# The CRDs, and what each stores of the settings {suspend: true}.
CRDS: dict[str, tuple[Any, Any]] = {
    "v1.3": (official(stores_defaults=True), {"updateStrategy": "semver", "forceUpdate": False}),
    "v1.4": (official(), {}),
    "ours": (definition(), {"suspend": True}),
}


def install(server: ApiServer, name: str) -> None:
    """Have *server* serve the CRD *name*, also for what is sent a moment later."""
    crd, stored = CRDS[name]
    server.apply(crd)
    server.wait_for_crd(NAME)
    probe = manifest(ref("web", image(commonUpdateSettings={"suspend": True})))
    probe = in_namespace(probe, "default", "probe")
    deadline = time.monotonic() + 30
    while _settings(server, probe) != stored:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _settings(server: ApiServer, probe: Any) -> Any:
    """What would be stored of the settings of *probe*; None while nothing is served."""
    try:
        would = create(server, probe, "dryRun=All")
    except httpx.HTTPStatusError as error:
        if error.response.status_code != httpx.codes.NOT_FOUND:
            raise
        return None
    return would["spec"]["applicationRefs"][0]["images"][0]["commonUpdateSettings"]


def uninstall(server: ApiServer) -> None:
    """Have *server* serve no ImageUpdaters, all of which it forgets."""
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{NAME}"
    server.request("DELETE", path)
    deadline = time.monotonic() + 30
    while _is_there(server, path):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _is_there(server: ApiServer, path: str) -> bool:
    try:
        server.request("GET", path)
    except httpx.HTTPStatusError:
        return False
    return True
