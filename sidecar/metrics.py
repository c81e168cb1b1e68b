"""What resolver and controller count, for Prometheus. docs/metrics.md is made from `METRICS`."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import StrEnum

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

_log = logging.getLogger("retag.metrics")

# Else each counter has a second series, which nobody asks for. The function lacks its types.
disable_created_metrics()  # type: ignore[no-untyped-call]

# A scrape has a line for each value of a label. The hosts of registries, which rules name, are the
# only values that are not written in the code; nobody lists as many.
MOST_VALUES = 200
OTHER = "other"
# Seconds: from a request that asks no registry to the client's deadline of 20.
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20)


class Kind(StrEnum):
    """Prometheus' own kinds."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Role(StrEnum):
    """Which process counts."""

    RESOLVER = "resolver"
    CONTROLLER = "controller"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric; *help* is what `/metrics` and the page say of it.

    *only* is the one role that has it: a gauge that another never sets would be 0 there. *known*
    are the values of its label that are there from the start, at 0: Prometheus sees no increase in
    a series that begins at 1, so an alert would miss the first.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    only: Role | None = None
    known: tuple[str, ...] = ()


METRICS = (
    Metric(
        "retag_requests_total",
        Kind.COUNTER,
        "Requests answered, by what was asked and what came of it.",
        ("path", "outcome"),
        only=Role.RESOLVER,
    ),
    Metric(
        "retag_request_seconds",
        Kind.HISTOGRAM,
        "Seconds from the first byte of a request to its answer; rendering is part of it.",
        ("path",),
        only=Role.RESOLVER,
    ),
    Metric(
        "retag_requests_in_flight",
        Kind.GAUGE,
        "Requests that are being answered.",
        only=Role.RESOLVER,
    ),
    Metric("retag_connections", Kind.GAUGE, "Connections open on the socket, or to the webhook."),
    Metric(
        "retag_connections_refused_total",
        Kind.COUNTER,
        "Connections and requests that were not taken.",
        ("reason",),
    ),
    Metric(
        "retag_lookups_total",
        Kind.COUNTER,
        "Choices made for a repository and a policy.",
        ("outcome",),
    ),
    Metric("retag_lookups_in_flight", Kind.GAUGE, "Choices that are being made."),
    Metric(
        "retag_lookup_budget_exceeded_total",
        Kind.COUNTER,
        "Requests answered before their choice was made, which went on in the background.",
    ),
    Metric(
        "retag_registry_answers_total",
        Kind.COUNTER,
        "Answers of registries; a registry in trouble has others than `answered`.",
        ("registry", "outcome"),
    ),
    Metric(
        "retag_stale_observations_served_total",
        Kind.COUNTER,
        "Times that what was seen earlier served, because the registry gave no answer.",
        ("registry",),
    ),
    Metric(
        "retag_last_good_served_total",
        Kind.COUNTER,
        "Images that kept their last good tag, because no tag could be chosen.",
        ("reason",),
        only=Role.RESOLVER,
    ),
    Metric(
        "retag_backwards_prevented_total",
        Kind.COUNTER,
        "Choices not taken because they were lower than the last good one, which is still there.",
        only=Role.RESOLVER,
    ),
    Metric(
        "retag_memo_total",
        Kind.COUNTER,
        "Work that was looked for in memory before it was done.",
        ("memo", "result"),
    ),
    Metric(
        "retag_store_errors_total",
        Kind.COUNTER,
        "Reads and writes that the store could not do.",
        ("store", "operation"),
    ),
    Metric(
        "retag_store_degraded",
        Kind.GAUGE,
        "1 while the store only remembers in memory, because its place cannot be used.",
        ("store",),
    ),
    Metric(
        "retag_watch_connected",
        Kind.GAUGE,
        "1 while the cluster is seen as it is, 0 while it is remembered as last seen.",
        ("kind",),
    ),
    Metric("retag_watch_objects", Kind.GAUGE, "Objects of the cluster that are known.", ("kind",)),
    Metric(
        "retag_watch_events_total",
        Kind.COUNTER,
        "Changes of objects that the API server told.",
        ("kind",),
    ),
    Metric(
        "retag_watch_unreadable_total",
        Kind.COUNTER,
        "Objects of the cluster that could not be read, and stay as they were.",
        ("kind",),
    ),
    Metric(
        "retag_watch_restarts_total",
        Kind.COUNTER,
        "Watches that ended with an error, by its code (RT655: they lay too far back).",
        ("kind", "reason"),
    ),
    Metric(
        "retag_webhook_events_total",
        Kind.COUNTER,
        "Events of registries that came to the webhook, by what came of each.",
        ("outcome",),
        only=Role.CONTROLLER,
    ),
    Metric(
        "retag_applications_watched",
        Kind.GAUGE,
        "Applications that the plugin renders, as the controller that leads sees them.",
        only=Role.CONTROLLER,
    ),
    Metric(
        "retag_images_ruled",
        Kind.GAUGE,
        "Images that rules choose for those Applications.",
        only=Role.CONTROLLER,
    ),
    Metric(
        "retag_repositories_ruled",
        Kind.GAUGE,
        "Repositories, each as one login sees it, that the controller looks at.",
        only=Role.CONTROLLER,
    ),
    Metric(
        "retag_repositories_polled_total",
        Kind.COUNTER,
        "Looks at them: read, silent (no answer) or refused (an answer without tags).",
        ("outcome",),
        only=Role.CONTROLLER,
    ),
    Metric(
        "retag_poll_lag_seconds",
        Kind.GAUGE,
        "How long a look has been due that still waits for its turn.",
        only=Role.CONTROLLER,
    ),
    Metric(
        "retag_repository_hints_total",
        Kind.COUNTER,
        "Hints that a repository has changed: ruled ones are looked at, others ignored.",
        ("outcome",),
        only=Role.CONTROLLER,
    ),
    Metric(
        "retag_status_writes_total",
        Kind.COUNTER,
        "Statuses of ImageUpdaters: written, or the code of why one could not be.",
        ("outcome",),
        only=Role.CONTROLLER,
    ),
    Metric(
        "retag_leader",
        Kind.GAUGE,
        "1 while this replica of the controller leads, else 0.",
        only=Role.CONTROLLER,
    ),
    Metric(
        "retag_deliveries_total",
        Kind.COUNTER,
        "Choices of Applications that came to an end, by what came of them.",
        ("outcome",),
        only=Role.CONTROLLER,
        known=("delivered", "synced", "left", "failed"),
    ),
    Metric(
        "retag_deliveries_pending",
        Kind.GAUGE,
        "Applications with a choice that is not delivered yet.",
        only=Role.CONTROLLER,
    ),
    Metric(
        "retag_refreshes_total",
        Kind.COUNTER,
        "Hard refreshes that Argo CD was asked for: for a new choice, for one again, or to heal.",
        ("reason",),
        only=Role.CONTROLLER,
    ),
    Metric(
        "retag_syncs_started_total",
        Kind.COUNTER,
        "Syncs that were to be started, because Argo CD would not by itself.",
        ("outcome",),
        only=Role.CONTROLLER,
    ),
    Metric(
        "retag_configuration_reloads_total",
        Kind.COUNTER,
        "Changes of rules, registries.conf or what they name: loaded, or kept out as broken.",
        ("result",),
    ),
    Metric(
        "retag_configuration_last_reload_successful",
        Kind.GAUGE,
        "1 while the files as they are now are what is used, 0 while they are broken.",
    ),
    Metric(
        "retag_configuration_loaded_timestamp_seconds",
        Kind.GAUGE,
        "When the configuration that is used was loaded, in seconds since the epoch.",
    ),
    Metric(
        "retag_configuration_findings",
        Kind.GAUGE,
        "Faults in the configuration that is used; retag lint shows them.",
        ("severity",),
    ),
)


class Metrics:
    """A `cmp.meter.Meter` that Prometheus may read: those of *role*, and the process' own."""

    def __init__(self, role: Role) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._series = {
            (metric.name, metric.kind): _Series(metric, self.registry)
            for metric in METRICS
            if metric.only in (None, role)
        }

    def count(self, name: str, /, amount: float = 1, **labels: str) -> None:
        """Add *amount* to the counter *name*."""
        if isinstance(counter := self._child(name, Kind.COUNTER, labels), Counter):
            counter.inc(amount)

    def set(self, name: str, value: float, /, **labels: str) -> None:
        """The gauge *name* is *value* now."""
        if isinstance(gauge := self._child(name, Kind.GAUGE, labels), Gauge):
            gauge.set(value)

    def observe(self, name: str, value: float, /, **labels: str) -> None:
        """One more *value* for the histogram *name*."""
        if isinstance(histogram := self._child(name, Kind.HISTOGRAM, labels), Histogram):
            histogram.observe(value)

    def text(self) -> tuple[bytes, str]:
        """All of it, and its content type."""
        return generate_latest(self.registry), CONTENT_TYPE_PLAIN_0_0_4

    def _child(
        self, name: str, kind: Kind, labels: dict[str, str]
    ) -> Counter | Gauge | Histogram | None:
        series = self._series.get((name, kind))
        child = series.child(labels) if series else None
        if child is None:  # a bug, for which nobody's render may fail
            _log.error("there is no %s %s with the labels %s", kind, name, sorted(labels))
        return child


_MAKE = {Kind.COUNTER: Counter, Kind.GAUGE: Gauge}


class _Series:
    """One metric, and which values its labels had."""

    def __init__(self, metric: Metric, registry: CollectorRegistry) -> None:
        self._metric: Counter | Gauge | Histogram
        if metric.kind is Kind.HISTOGRAM:
            self._metric = Histogram(
                metric.name, metric.help, metric.labels, registry=registry, buckets=_BUCKETS
            )
        else:
            make = _MAKE[metric.kind]
            self._metric = make(metric.name, metric.help, metric.labels, registry=registry)
        self._values: dict[str, set[str]] = {label: set() for label in metric.labels}
        for value in metric.known:
            self.child(dict.fromkeys(metric.labels, value))

    def child(self, labels: dict[str, str]) -> Counter | Gauge | Histogram | None:
        """The series with these *labels*; None if they are not its own."""
        if labels.keys() != self._values.keys():
            return None
        if not labels:
            return self._metric
        return self._metric.labels(
            **{label: self._bounded(label, value) for label, value in labels.items()}
        )

    def _bounded(self, label: str, value: str) -> str:
        """*value*, or `OTHER` where there are too many already."""
        known = self._values[label]
        if value not in known:
            if len(known) >= MOST_VALUES:
                return OTHER
            known.add(value)
        return value
