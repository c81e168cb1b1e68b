"""The `Cluster` over HTTP: lightkube knows kubeconfigs, tokens and TLS, the rest is plain REST.

Its own watch has neither bookmarks nor a limit to silence, so that a connection that died without
a word would be waited for for ever (docs/decisions/0016-kubernetes-client.md).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import httpx2
import msgspec
from lightkube.config.client_adapter import AsyncClient, ConnectionParams
from lightkube.config.kubeconfig import KubeConfig, SingleConfig
from lightkube.core.exceptions import ConfigError

from sidecar.kubernetes.errors import (
    AbsentError,
    ClusterError,
    ConflictError,
    ForbiddenError,
    GoneError,
    RefusedError,
    UnservedError,
)
from sidecar.kubernetes.kinds import Kind
from sidecar.kubernetes.port import Change, Happened, Object, Page, Patch

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")  # where kubelet mounts it

PAGE = 200  # objects; Applications have 20 to 100 KB each
TIMEOUT = 15.0  # seconds for an answer
WATCHED = 240  # seconds that a watch lasts; the API server's own choice is 300 to 600
# Seconds that a watch may be silent. The API server ends it before, and sends bookmarks each
# minute, so this one is dead.
SILENCE = WATCHED + 30.0

_JSON_PATCH = "application/json-patch+json"
_MERGE_PATCH = "application/merge-patch+json"


class Client:
    """The API server that a configuration names, as the account in it."""

    def __init__(self, config: SingleConfig, *, timeout: float = TIMEOUT) -> None:
        self.namespace = config.namespace
        with _as_cluster_errors(""):
            self._http = AsyncClient(config, ConnectionParams(timeout=httpx2.Timeout(timeout)))

    @classmethod
    def of_kubeconfig(cls, path: Path, *, timeout: float = TIMEOUT) -> Self:
        """As *path* says. Raises `ClusterError` if that names no account."""
        with _as_cluster_errors(""):
            return cls(_single(KubeConfig.from_file(path)), timeout=timeout)

    @classmethod
    def of_account(cls, folder: Path = ACCOUNT, *, timeout: float = TIMEOUT) -> Self:
        """As the ServiceAccount whose token kubelet mounts at *folder*, and writes anew there."""
        with _as_cluster_errors(""):
            return cls(_single(KubeConfig.from_service_account(folder)), timeout=timeout)

    async def get(self, kind: Kind, namespace: str, name: str, /) -> Object:
        """The object, as it is now."""
        return await self._ask("GET", kind, _path(kind, namespace, name))

    async def list_pages(
        self, kind: Kind, namespace: str, /, *, labels: str = ""
    ) -> AsyncIterator[Page]:
        """All objects that have *labels*, of one moment."""
        query = {"limit": str(PAGE), **_selecting(labels)}
        while True:
            found = await self._ask("GET", kind, _path(kind, namespace), query=query)
            metadata = found.get("metadata") or {}
            yield Page(found.get("items") or (), metadata.get("resourceVersion", ""))
            if not metadata.get("continue"):
                return
            query["continue"] = metadata["continue"]

    async def watch(
        self, kind: Kind, namespace: str, version: str, /, *, labels: str = ""
    ) -> AsyncIterator[Change]:
        """What changes from *version* on, until the API server ends it."""
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(WATCHED),
            **_selecting(labels),
        }
        silence = httpx2.Timeout(TIMEOUT, read=SILENCE)
        with _as_cluster_errors(f"watch {kind}"):
            async with self._http.stream(
                "GET", _path(kind, namespace), params=query, timeout=silence
            ) as answer:
                if answer.is_error:
                    await answer.aread()
                    raise _refusal(answer, f"watch {kind}")
                async for line in answer.aiter_lines():
                    yield _change(line, kind)

    async def create(self, kind: Kind, namespace: str, manifest: Object, /) -> Object:
        """The object as it was made."""
        return await self._ask("POST", kind, _path(kind, namespace), manifest)

    async def replace(self, kind: Kind, namespace: str, manifest: Object, /) -> Object:
        """The object as it is now."""
        path = _path(kind, namespace, manifest["metadata"]["name"])
        return await self._ask("PUT", kind, path, manifest)

    async def patch(
        self, kind: Kind, namespace: str, name: str, patch: Patch, /, *, of: str = ""
    ) -> Object:
        """The object after *patch*."""
        form = _MERGE_PATCH if isinstance(patch, Mapping) else _JSON_PATCH
        path = _path(kind, namespace, name) + (f"/{of}" if of else "")
        return await self._ask("PATCH", kind, path, patch, form=form)

    async def delete(self, kind: Kind, namespace: str, name: str, /) -> None:
        """Delete the object."""
        await self._ask("DELETE", kind, _path(kind, namespace, name))

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def _ask(
        self,
        method: str,
        kind: Kind,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, str] | None = None,
        form: str = "application/json",
    ) -> Object:
        what = f"{_VERBS[method]} {kind}"
        content = None if body is None else msgspec.json.encode(body)
        with _as_cluster_errors(what):
            answer = await self._http.request(
                method, path, params=query, content=content, headers={"Content-Type": form}
            )
            if answer.is_error:
                raise _refusal(answer, what)
            found: Object = msgspec.json.decode(answer.content, type=dict[str, Any])
            return found


_VERBS = {
    "GET": "read",
    "POST": "create",
    "PUT": "replace",
    "PATCH": "patch",
    "DELETE": "delete",
}


def _single(config: KubeConfig) -> SingleConfig:
    single = config.get()
    if single is None or single.user is None:
        raise ConfigError("it names no user")
    return single


def _path(kind: Kind, namespace: str, name: str = "") -> str:
    base = f"/apis/{kind.group}" if kind.group else "/api"
    place = f"/namespaces/{namespace}" if kind.is_namespaced and namespace else ""
    return f"{base}/{kind.version}{place}/{kind.plural}" + (f"/{name}" if name else "")


def _selecting(labels: str) -> dict[str, str]:
    return {"labelSelector": labels} if labels else {}


def _change(line: str, kind: Kind) -> Change:
    """What *line* of a watch tells."""
    event: dict[str, Any] = msgspec.json.decode(line, type=dict[str, Any])
    if event["type"] == "ERROR":
        status = event["object"]
        raise _error(status.get("code", 0), status, f"watch {kind}")
    return Change(Happened(event["type"]), event["object"])


def _refusal(answer: httpx2.Response, what: str) -> ClusterError:
    try:
        status: dict[str, Any] = msgspec.json.decode(answer.content, type=dict[str, Any])
    except msgspec.DecodeError:
        status = {}
    return _error(answer.status_code, status, what)


_ACCESS = "give the account that right; deploy/ has the Roles"
_INSTALL = "install the CustomResourceDefinition first"
_REFUSED = (400, 413, 415, 422)


def _error(code: int, status: Mapping[str, Any], what: str) -> ClusterError:
    said = str(status.get("message") or f"HTTP {code}")
    cannot = f"cannot {what}: {said}"
    if code in (401, 403):
        return ForbiddenError("RT651", f"may not {what}: {said}", remedy=_ACCESS)
    if code == 404:
        named = (status.get("details") or {}).get("name")
        absent = AbsentError("RT652", cannot)
        return absent if named else UnservedError("RT653", cannot, remedy=_INSTALL)
    kinds = {409: ConflictError("RT654", cannot), 410: GoneError("RT655", cannot)}
    kinds |= dict.fromkeys(_REFUSED, RefusedError("RT656", cannot))
    unknown = f"cannot {what}: the API server answers {said}"
    return kinds.get(code) or ClusterError("RT650", unknown, remedy=_REACH)


_REACH = "see that the API server runs and can be reached"


@contextmanager
def _as_cluster_errors(what: str) -> Iterator[None]:
    """What libraries raise, as `ClusterError`."""
    try:
        yield
    except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError) as error:
        said = str(error) or type(error).__name__
        raise ClusterError("RT650", f"cannot {what}: {said}", remedy=_REACH) from None
    except (msgspec.DecodeError, KeyError, ValueError) as error:
        why = f"cannot {what or 'use the configuration'}: {error}"
        raise ClusterError("RT650", why, remedy=_REACH) from None
    except (ConfigError, OSError) as error:
        remedy = "name a kubeconfig with --kubeconfig, or mount the account's token"
        raise ClusterError("RT657", f"no account of a cluster: {error}", remedy=remedy) from None
