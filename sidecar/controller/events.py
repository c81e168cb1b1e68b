"""Kubernetes Events on Applications: what was changed, and what could not be.

The same Event again is counted, not made anew. An Event is news, not state: one that cannot be
written is logged and forgotten.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from cachetools import LRUCache

from cmp.errors import printable
from cmp.reference import InvalidReferenceError, Reference
from sidecar.cluster.record import Recorded
from sidecar.controller.limits import Bucket
from sidecar.controller.model import Target
from sidecar.kubernetes.errors import ClusterError, ConflictError
from sidecar.kubernetes.instants import instant_of
from sidecar.kubernetes.kinds import APPLICATIONS, EVENTS
from sidecar.kubernetes.port import Cluster

_log = logging.getLogger("retag.events")

COMPONENT = "retag-controller"
UPDATED = "ImagesUpdated"  # as the Image Updater calls it
FAILED = "ImageUpdateFailed"
_LONGEST = 1024  # characters of a message, as the API server has it
_LONGEST_NAME = 253
_MOST = 10  # images that an Event tells
_REMEMBERED = 10_000  # Events; the API server forgets them after an hour


class Events(Protocol):
    """Where Events go; nothing here raises `ClusterError`."""

    async def updated(self, target: Target, choices: Iterable[Recorded], /) -> None:
        """Say that *choices* are what *target* runs, or will in a moment."""
        ...

    async def failed(self, target: Target, reason: str, /) -> None:
        """Say for what *reason* something was given up."""
        ...


class KubernetesEvents:
    """Events on Applications of *cluster*, as many as *bucket* lets through."""

    def __init__(self, cluster: Cluster, bucket: Bucket, wall: Callable[[], float]) -> None:
        self._cluster = cluster
        self._bucket = bucket
        self._wall = wall
        self._counts: LRUCache[str, int] = LRUCache(_REMEMBERED)

    async def updated(self, target: Target, choices: Iterable[Recorded], /) -> None:
        """A normal Event with the annotations of the Image Updater's."""
        told = list(choices)[:_MOST]
        lines = "; ".join(map(_line, told))
        await self._write(target, "Normal", f"Updated images: {lines}", _annotations(told))

    async def failed(self, target: Target, reason: str, /) -> None:
        """A warning."""
        await self._write(target, "Warning", reason, {})

    async def _write(
        self, target: Target, kind: str, message: str, annotations: Mapping[str, str]
    ) -> None:
        if not self._bucket.try_take():
            _log.warning("%s: too many Events, one is left out: %s", target, message)
            return
        event = _event(target, kind, _cut(message), annotations)
        event["firstTimestamp"] = event["lastTimestamp"] = instant_of(self._wall())
        try:
            await self._tell(event)
        except ClusterError as error:
            _log.warning("%s: no Event: %s", target, error)

    async def _tell(self, event: dict[str, Any]) -> None:
        namespace, name = event["metadata"]["namespace"], event["metadata"]["name"]
        known = self._counts.get(name, 0)
        self._counts[name] = known + 1
        if not known:
            try:
                await self._cluster.create(EVENTS, namespace, event)
            except ConflictError:  # another controller, or this one in an earlier life
                self._counts[name] = 2
            else:
                return
        again = {"count": self._counts[name], "lastTimestamp": event["lastTimestamp"]}
        try:
            await self._cluster.patch(EVENTS, namespace, name, again)
        except ClusterError:
            self._counts.pop(name)  # it may be forgotten there: made anew the next time
            raise


def _event(
    target: Target, kind: str, message: str, annotations: Mapping[str, str]
) -> dict[str, Any]:
    namespace, name = target.key
    reason = UPDATED if kind == "Normal" else FAILED
    same = f"{target.uid}\n{reason}\n{message}"
    suffix = hashlib.sha256(same.encode()).hexdigest()[:16]
    return {
        "apiVersion": EVENTS.api_version,
        "kind": EVENTS.name,
        "metadata": {
            "name": f"{name[: _LONGEST_NAME - 17].rstrip('-.')}.{suffix}",
            "namespace": namespace,
            "annotations": dict(annotations),
        },
        "involvedObject": {
            "apiVersion": APPLICATIONS.api_version,
            "kind": APPLICATIONS.name,
            "namespace": namespace,
            "name": name,
            "uid": target.uid,
            "resourceVersion": target.version,
        },
        "reason": reason,
        "message": message,
        "type": kind,
        "count": 1,
        "source": {"component": COMPONENT},
    }


def _line(recorded: Recorded) -> str:
    before = f"{_tag(recorded.before)} → " if recorded.before else ""
    why = f": {recorded.why}" if recorded.why else ""
    left = f", but {recorded.reason}" if recorded.reason else ""
    change = f"{before}{_tag(recorded.after)}"
    return f"{recorded.choice.repository} {change} ({recorded.title}{why}){left}"


def _annotations(told: Iterable[Recorded]) -> dict[str, str]:
    return {
        f"argocd-image-updater.image-{number}/{key}": value
        for number, each in enumerate(told)
        for key, value in _fields(each).items()
    }


def _fields(recorded: Recorded) -> dict[str, str]:
    repository = recorded.choice.repository
    return {
        "full-image-name": repository,
        "image-name": repository.partition("/")[2],
        "old-tag": _tag(recorded.before),
        "new-tag": _tag(recorded.after),
    }


def _tag(reference: str) -> str:
    """Tag and digest of *reference*."""
    try:
        parsed = Reference.parse(reference)
    except InvalidReferenceError:
        return ""
    return "@".join(each for each in (parsed.tag, parsed.digest) if each)


def _cut(message: str) -> str:
    line = printable(message)
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
