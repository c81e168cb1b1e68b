"""What the controller's parts say to each other: Applications, and what they should run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cmp.rules.application import Application
from cmp.store import LastGood
from sidecar.kubernetes.answers import size_of

PLUGIN = "retag"  # as Applications name it: plugin.yaml has no version, which would be part of it

# What is kept of `status.sync` and `status.operationState`; the rest repeats the spec, or is
# results of resources, by far the largest.
_SYNC = ("status", "revision", "revisions")
_OPERATION_STATE = ("phase", "startedAt", "finishedAt")
_SYNC_RESULT = ("revision", "revisions", "source", "sources")
# A line of Retag's has 2,000 characters and its code at the end, after a page of Argo CD's own.
_LONGEST_MESSAGE = 8000
_MOST_CONDITIONS = 20  # of errors: Argo CD has some ten types of them
# Bytes of what is kept of an Application, as JSON: in memory it takes up to twenty times as much.
# The plugin itself is given no more than 128 KiB of parameters.
LARGEST = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An Application that the plugin renders.

    *application* is what rules see of it, *instance* Argo CD's instance name, *version* its
    resourceVersion. *spec* and *operation* are as they stand, *status* without what is large and
    not looked at: sync, operationState (with syncResult), reconciledAt, types and messages of
    errors among the conditions, and of resources only which are not in sync or need pruning.
    """

    application: Application
    instance: str
    uid: str
    version: str
    generation: int = 0
    deleting: bool = False
    spec: Mapping[str, Any] = field(default_factory=dict)
    operation: Mapping[str, Any] | None = None
    status: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name."""
        return self.application.namespace, self.application.name

    def __str__(self) -> str:
        return str(self.application)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A choice for an Application, as it is now.

    *choice* is what is recorded of it, *title* names its rule for people, *alias* its image, *why*
    is the policy's reason. *before* is the reference that runs under the rule's repository, "" for
    none that is live, and *after* the one that should; *runs* is whether that runs already. *own*
    is whether the policy itself chose: what a pin chose is no last good choice for others.
    """

    choice: LastGood
    title: str
    after: str
    before: str = ""
    why: str = ""
    runs: bool = False
    alias: str = ""
    own: bool = True


def sources_of(spec: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The sources of *spec*: the source hydrator's dry one, or `sources`, or `source`."""
    hydrator = _mapping(spec, "sourceHydrator")
    if hydrator:
        return [_mapping(hydrator, "drySource")]
    several = spec.get("sources")
    if isinstance(several, list) and several:
        return [each for each in several if isinstance(each, dict)]
    return [_mapping(spec, "source")]


def is_ours(source: Mapping[str, Any]) -> bool:
    """Whether *source* names the plugin."""
    return _mapping(source, "plugin").get("name") == PLUGIN


def uses_plugin(manifest: Mapping[str, Any]) -> bool:
    """Whether a source of the Application in *manifest* (JSON) names the plugin."""
    return any(map(is_ours, sources_of(_mapping(manifest, "spec"))))


def target_of(manifest: Mapping[str, Any], instance: str) -> Target | None:
    """The Application in *manifest* (JSON); None if no source of it names the plugin.

    None too where more than `LARGEST` would be kept of it: who may write Applications could fill
    the memory of whoever watches all.
    """
    spec = _mapping(manifest, "spec")
    if not uses_plugin(manifest):
        return None
    metadata = _mapping(manifest, "metadata")
    operation = manifest.get("operation")
    status = _status(_mapping(manifest, "status"))
    if size_of([spec, operation, {**status, "resources": None}]) > LARGEST:
        return None
    return Target(
        application=Application.from_manifest(manifest),
        instance=instance,
        uid=str(metadata.get("uid") or ""),
        version=str(metadata.get("resourceVersion") or ""),
        generation=metadata.get("generation") or 0,
        deleting=bool(metadata.get("deletionTimestamp")),
        spec=spec,
        operation=operation if isinstance(operation, dict) else None,
        status=status,
    )


def _status(status: Mapping[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {"reconciledAt": status.get("reconciledAt")}
    kept["sync"] = _part(_mapping(status, "sync"), _SYNC)
    state = _mapping(status, "operationState")
    if state:
        result = _part(_mapping(state, "syncResult"), _SYNC_RESULT)
        kept["operationState"] = {**_part(state, _OPERATION_STATE), "syncResult": result}
    kept["conditions"] = [
        {"type": each.get("type"), "message": str(each.get("message") or "")[:_LONGEST_MESSAGE]}
        for each in _items(status, "conditions")
        if isinstance(each, dict) and str(each.get("type")).endswith("Error")
    ][:_MOST_CONDITIONS]
    resources = _items(status, "resources")
    kept["resources"] = [
        _RESOURCES[synced, prunes]
        for synced, prunes in map(_resource, resources)
        if prunes or not synced
    ]
    kept["resourceCount"] = len(resources)
    return kept


# An Application may have many thousands: equal ones are one object.
_RESOURCES = {
    (synced, prunes): {"status": "Synced" if synced else "OutOfSync", "requiresPruning": prunes}
    for synced in (False, True)
    for prunes in (False, True)
}


def _resource(resource: Any) -> tuple[bool, bool]:
    """Whether it is in sync, and whether it needs pruning; what is no resource asks nothing."""
    if not isinstance(resource, dict):
        return True, False
    return resource.get("status") == "Synced", bool(resource.get("requiresPruning"))


def _part(parent: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    return {key: parent[key] for key in keys if key in parent}


def _items(parent: Mapping[str, Any], key: str) -> list[Any]:
    value = parent.get(key)
    return value if isinstance(value, list) else []


def _mapping(parent: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = parent.get(key)
    return value if isinstance(value, dict) else {}
