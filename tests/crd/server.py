"""Objects sent to an API server, and what it says of them."""

from __future__ import annotations

import copy
import json
from typing import Any

import httpx

from tests.servers.kubernetes import ApiServer, Object

_DRY = "dryRun=All&fieldValidation=Strict"


def in_namespace(manifest: Object, namespace: str, name: str = "rules") -> Object:
    """*manifest* as the object *name* of *namespace*."""
    return manifest | {"metadata": manifest["metadata"] | {"namespace": namespace, "name": name}}


def create(server: ApiServer, manifest: Object, query: str = "") -> Object:
    """*manifest* as it was stored; `httpx.HTTPStatusError` where it is refused."""
    return server.request("POST", f"{server.path_of(manifest)}?{query}", manifest)


def read(server: ApiServer, manifest: Object) -> Object:
    """What is stored under the name of *manifest*."""
    return server.request("GET", path(server, manifest))


def path(server: ApiServer, manifest: Object) -> str:
    """The path of the object that *manifest* is about."""
    return f"{server.path_of(manifest)}/{manifest['metadata']['name']}"


def refusal(server: ApiServer, manifest: Object) -> str:
    """Why *manifest* would be refused, as kubectl would show it; "" if it would not."""
    try:
        create(server, manifest, _DRY)
    except httpx.HTTPStatusError as error:
        message = json.loads(error.response.text)["message"]
        assert isinstance(message, str)
        return message
    return ""


def without_defaults(stored: Object) -> Object:
    """`spec` of *stored* without `imagesVerification.enabled: true`, which is a default."""
    spec = copy.deepcopy(stored["spec"])
    _drop(spec)
    assert isinstance(spec, dict)
    return spec


def _drop(value: Any) -> None:
    if isinstance(value, dict):
        verification = value.get("imagesVerification")
        if verification and verification.get("enabled"):
            del verification["enabled"]
        for child in value.values():
            _drop(child)
    if isinstance(value, list):
        for child in value:
            _drop(child)
