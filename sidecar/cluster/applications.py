"""Applications of the cluster, as rules and the last good choice ask for them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, Protocol

from cmp.identity import can_be
from cmp.registry.instant import parse_instant
from cmp.request import Request
from cmp.rules.annotations import PREFIX
from cmp.rules.application import Application
from sidecar.kubernetes import Object
from sidecar.kubernetes.mirror import Key

# Argo CD's pkg/apis/application/v1alpha1/application_annotations.go. It removes both once the
# Application is refreshed; those before 3.6 know no timestamp.
REFRESH, REFRESH_TIMESTAMP = "argocd.argoproj.io/refresh", "argocd.argoproj.io/refresh-timestamp"
_HARD = b'"argocd.argoproj.io/refresh":"hard"'
_KEPT = (REFRESH, REFRESH_TIMESTAMP)
_TOOLS = ("helm", "kustomize", "plugin")
_NANOSECONDS = 1_000_000_000
_PARSED = 256  # Applications; one that is rendered asks for itself a few times


class Objects(Protocol):
    """The Applications there are, such as `sidecar.cluster.seen.LastSeen`."""

    @property
    def objects(self) -> Mapping[Key, bytes]:
        """What `keep_application` keeps of each, by namespace and name."""
        ...


def keep_application(manifest: Object) -> bytes:
    """What is asked of an Application, as JSON of the same form: a hundredth of the whole.

    `Application.from_manifest` makes the same of it, but for annotations that no rule reads.
    """
    metadata, spec = _mapping(manifest, "metadata"), _mapping(manifest, "spec")
    status = _mapping(manifest, "status")
    kept = {
        "metadata": {
            "name": metadata.get("name"),
            "namespace": metadata.get("namespace"),
            "labels": metadata.get("labels"),
            "annotations": _annotations(_mapping(metadata, "annotations")),
        },
        "spec": {"project": _text(spec, "project"), **_sources(spec)},
        "status": {
            "summary": {"images": _texts(_mapping(status, "summary"), "images")},
            "sourceType": _text(status, "sourceType"),
            "sourceTypes": _texts(status, "sourceTypes"),
        },
    }
    return json.dumps(_stated(kept), separators=(",", ":"), sort_keys=True).encode()


def read_application(kept: bytes) -> Application:
    """The Application that `keep_application` kept."""
    return _parsed(kept)


class WatchedApplications:
    """The `ApplicationInfo` of the cluster; *control* is Argo CD's own namespace.

    *wall* is in seconds since the epoch.
    """

    def __init__(
        self, applications: Objects, control: str, *, wall: Callable[[], float] = time.time
    ) -> None:
        self._applications = applications
        self._control = control
        self._wall = wall
        self._asked: dict[Key, float] = {}

    def application(self, request: Request, /) -> Application:
        """The Application by Argo CD's instance name; of one that is not there only that.

        It is recognised if project and source are its own too.
        """
        key = key_of_instance(request.name, self._control)
        kept = self._applications.objects.get(key)
        if kept is None:
            namespace, name = key
            return Application(
                name=name, namespace=namespace, project=request.project, recognised=False
            )
        if key not in self._asked:  # as last seen before this process began
            self._note(key, kept)
        known = _parsed(kept)
        return replace(
            known,
            refresh_asked_at=self._asked.get(key, 0),
            recognised=can_be(request, known, self._control),
        )

    def changed(self, key: Key, before: bytes | None, now: bytes | None) -> None:
        """Note whether a hard refresh is asked for: Argo CD soon removes the annotation."""
        if now is None:
            self._asked.pop(key, None)
        elif before is None or _asked(before) != _asked(now):
            self._note(key, now)

    def _note(self, key: Key, kept: bytes) -> None:
        timestamp = _asked(kept)
        if timestamp is None:
            return
        now = self._wall()
        asked = _seconds(timestamp)
        self._asked[key] = asked if 0 < asked <= now else now


def key_of_instance(instance: str, control: str) -> Key:
    """Namespace and name of the Application that Argo CD calls *instance*.

    That is `name` in its own namespace *control*, else `namespace_name`.
    """
    namespace, _, name = instance.rpartition("_")
    return namespace or control, name


def _asked(kept: bytes) -> str | None:
    """The timestamp of a hard refresh that is asked for, "" without one; None if none is."""
    if _HARD not in kept:
        return None
    annotations = _mapping(_mapping(json.loads(kept), "metadata"), "annotations")
    if annotations.get(REFRESH) != "hard":
        return None
    return str(annotations.get(REFRESH_TIMESTAMP) or "")


def _seconds(timestamp: str) -> float:
    """Seconds since the epoch of Go's time.RFC3339Nano; 0 for what is none."""
    return (parse_instant(timestamp) or 0) / _NANOSECONDS


@lru_cache(_PARSED)
def _parsed(kept: bytes) -> Application:
    return Application.from_manifest(json.loads(kept))


def _annotations(annotations: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: value for key, value in annotations.items() if key.startswith(PREFIX) or key in _KEPT
    }


def _sources(spec: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    hydrator = spec.get("sourceHydrator")
    if isinstance(hydrator, dict):
        found["sourceHydrator"] = {"drySource": _source(hydrator.get("drySource"))}
    sources = spec.get("sources")
    if isinstance(sources, list):
        found["sources"] = [_source(each) for each in sources]
    return {**found, "source": _source(spec.get("source"))}


def _source(source: Any) -> dict[str, Any] | None:
    """Where it is, which tools it asks for, and the names of its variables."""
    if not isinstance(source, dict):
        return None
    tools: dict[str, Any] = {tool: {} for tool in _TOOLS if source.get(tool) is not None}
    env = _mapping(source, "plugin").get("env")
    if isinstance(env, list):
        names = [_text(each, "name") for each in env if isinstance(each, dict)]
        tools["plugin"] = {"env": [{"name": name} for name in names]}
    return {"repoURL": _text(source, "repoURL"), "path": _text(source, "path"), **tools}


def _stated(kept: dict[str, Any]) -> dict[str, Any]:
    """*kept* without what says nothing."""
    return {
        part: {key: value for key, value in fields.items() if value not in (None, "", [], {})}
        for part, fields in kept.items()
    }


def _mapping(parent: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = parent.get(key)
    return value if isinstance(value, dict) else {}


def _text(parent: Mapping[str, Any], key: str) -> str:
    value = parent.get(key)
    return value if isinstance(value, str) else ""


def _texts(parent: Mapping[str, Any], key: str) -> list[str]:
    value = parent.get(key)
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
