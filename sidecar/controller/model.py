"""What the controller's parts say to each other: Applications, and what they should run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cmp.rules.application import Application
from cmp.store import LastGood

PLUGIN = "retag"  # as Applications name it: plugin.yaml has no version, which would be part of it

# What is kept of `status.operationState`; the rest is results of resources, by far the largest.
_OPERATION_STATE = ("phase", "message", "startedAt", "finishedAt", "retryCount", "operation")
_SYNC_RESULT = ("revision", "revisions", "source", "sources")
# A line of Retag's has 2,000 characters and its code at the end, after a page of Argo CD's own.
_LONGEST_MESSAGE = 8000


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An Application that the plugin renders.

    *application* is what rules see of it, *instance* Argo CD's instance name, *version* its
    resourceVersion. *spec* and *operation* are as they stand, *status* without what is large and
    not looked at: sync, operationState (with syncResult), reconciledAt, conditions, health,
    summary, and of resources those that are not in sync or need pruning.
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


def target_of(manifest: Mapping[str, Any], instance: str) -> Target | None:
    """The Application in *manifest* (JSON); None if no source of it names the plugin."""
    spec = _mapping(manifest, "spec")
    if not any(map(is_ours, sources_of(spec))):
        return None
    metadata = _mapping(manifest, "metadata")
    operation = manifest.get("operation")
    return Target(
        application=Application.from_manifest(manifest),
        instance=instance,
        uid=str(metadata.get("uid") or ""),
        version=str(metadata.get("resourceVersion") or ""),
        generation=metadata.get("generation") or 0,
        deleting=bool(metadata.get("deletionTimestamp")),
        spec=spec,
        operation=operation if isinstance(operation, dict) else None,
        status=_status(_mapping(manifest, "status")),
    )


def _status(status: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: status[key] for key in ("sync", "reconciledAt", "health") if key in status}
    state = _mapping(status, "operationState")
    if state:
        result = _mapping(state, "syncResult")
        kept["operationState"] = {
            **{key: state[key] for key in _OPERATION_STATE if key in state},
            "syncResult": {key: result[key] for key in _SYNC_RESULT if key in result},
        }
    kept["conditions"] = [
        {**each, "message": str(each.get("message") or "")[:_LONGEST_MESSAGE]}
        for each in status.get("conditions") or ()
        if isinstance(each, dict)
    ]
    kept["resources"] = [
        each
        for each in status.get("resources") or ()
        if isinstance(each, dict)
        and (each.get("status") != "Synced" or each.get("requiresPruning"))
    ]
    kept["resourceCount"] = len(status.get("resources") or ())
    return kept


def _mapping(parent: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = parent.get(key)
    return value if isinstance(value, dict) else {}
