"""`Statuses`: the status of each ImageUpdater is written where it says something else by now.

When it was checked is told once in a while besides: five hundred resources are no five hundred
writes a minute.
"""

from __future__ import annotations

import json
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from cmp.errors import RetagError, Severity
from cmp.meter import Meter, Unmetered
from cmp.rules import Resource
from sidecar.cluster.record import Past, Record
from sidecar.controller.records import Held
from sidecar.controller.status import Report, says_more, status_of
from sidecar.controller.tally import Tally
from sidecar.controller.targets import Key
from sidecar.controller.updaters import Updater
from sidecar.kubernetes import IMAGE_UPDATERS, AbsentError, Cluster, ClusterError
from sidecar.kubernetes.instants import seconds_of

_log = logging.getLogger("retag.status")

# Seconds between two writes that say nothing new, where an interval is shorter.
CHECKED = 300.0
_MOST_UPDATES = 1000  # that wait to be told of one resource


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Where reports come from. *faults* tells what cannot be read, by resource.

    *updaters* and *resources* are the ImageUpdaters, as they are and as they were read.
    """

    updaters: Mapping[Key, Updater]
    resources: Callable[[], Mapping[Key, Resource]]
    tally: Tally
    faults: Callable[[], Mapping[Key, Sequence[str]]]


class Statuses:
    """Writes what *known* tells, while *leads* says so.

    *interval* is in seconds, and *wall* since the epoch.
    """

    def __init__(
        self,
        cluster: Cluster,
        known: Known,
        interval: float,
        *,
        leads: Callable[[], bool],
        wall: Callable[[], float] = time.time,
        meter: Meter | None = None,
    ) -> None:
        self._cluster = cluster
        self._known = known
        self._checked = max(interval, CHECKED)
        self._leads = leads
        self._wall = wall
        self._meter = meter or Unmetered()
        self._updates: defaultdict[Key, list[Past]] = defaultdict(list)
        self._refused: dict[Key, str] = {}

    def recorded(self, _key: Key, before: Held | None, now: Held | None) -> None:
        """A record has changed: what came to run is told with the resource that brought it."""
        if before is None or before.record is None or now is None or now.record is None:
            return  # of a record that is new here, nobody knows what was told already
        known = set(before.record.history)
        for past in now.record.history:
            resource = None if past in known else _resource_of(past, now.record)
            if resource is not None:
                waiting = self._updates[resource]
                waiting.append(past)
                del waiting[:-_MOST_UPDATES]

    async def write(self) -> None:
        """Write each status that says something else, or is old.

        Where the API server gives no answer, the others are left for the next time.
        """
        self._forget_gone()
        faults, resources = self._known.faults(), self._known.resources()
        for key, updater in list(self._known.updaters.items()):
            if key not in resources:
                continue  # it was not read yet
            try:
                report = self._report(key, resources[key], updater, faults.get(key, ()))
                if not await self._tell(key, updater, report):
                    return
            except Exception:  # noqa: BLE001  # what one status has in it keeps nobody from others
                _log.exception("the status of ImageUpdater %s/%s could not be told", *key)

    def _forget_gone(self) -> None:
        """Remember nothing of ImageUpdaters that were deleted."""
        for remembered in (self._updates, self._refused):
            for key in remembered.keys() - self._known.updaters.keys():
                del remembered[key]

    async def _tell(self, key: Key, updater: Updater, report: Report) -> bool:
        """Write what *report* says, if it is due; False if there was no answer."""
        status = status_of(report, updater.status, self._wall())
        age = self._wall() - seconds_of(updater.status.get("lastCheckedAt"))
        if says_more(status, updater.status) or age >= self._checked:
            return await self._write(key, status, len(report.updates))
        return True

    def _report(
        self, key: Key, resource: Resource, updater: Updater, faults: Iterable[str]
    ) -> Report:
        errors = [
            each.what if not each.path else f"{each.path}: {each.what}"
            for each in resource.all_findings()
            if each.severity is Severity.ERROR
        ]
        whole = resource.broken or resource.refs is None
        return Report(
            generation=updater.generation,
            applications=self._known.tally.applications_of(key),
            images=self._known.tally.images_of(key),
            broken=errors[0] if errors and whole else "",
            errors=[*errors, *faults, *self._known.tally.remarks_of(key)],
            updates=tuple(reversed(self._updates.get(key, ()))),
        )

    async def _write(self, key: Key, status: Mapping[str, object], told: int) -> bool:
        """Write *status*, which tells the first *told* of the updates that wait for that.

        False if there was no answer.
        """
        if not self._leads():
            return True
        try:
            await self._cluster.patch(IMAGE_UPDATERS, *key, {"status": status}, of="status")
        except AbsentError:
            pass  # it was deleted meanwhile
        except ClusterError as error:
            self._complain(key, error)
            return type(error) is not ClusterError
        self._refused.pop(key, None)
        if told:
            del self._updates[key][:told]
        self._meter.count("retag_status_writes_total", outcome="written")
        return True

    def _complain(self, key: Key, error: RetagError) -> None:
        self._meter.count("retag_status_writes_total", outcome=error.code)
        if self._refused.get(key) != str(error):
            self._refused[key] = str(error)
            _log.warning(
                "the status of ImageUpdater %s cannot be written: %s", "/".join(key), error
            )


def _resource_of(past: Past, record: Record) -> Key | None:
    """The ImageUpdater whose rule *past* of *record* is of; None for that of a file."""
    rules = (each.choice.rule for each in record.choices if each.title == past.rule)
    try:
        kind, namespace, name, *_ = json.loads(next(rules, ""))
    except (ValueError, TypeError):
        return None
    return (str(namespace), str(name)) if kind == IMAGE_UPDATERS.name else None
