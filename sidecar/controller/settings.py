"""All that `retag controller` may be told, checked."""

from __future__ import annotations

from dataclasses import dataclass

from cmp.errors import UsageError
from cmp.registry.duration import parse_duration
from sidecar.cluster.flags import ClusterFlags
from sidecar.settings import Address
from sidecar.sources import Files
from sidecar.webhook.settings import WebhookSettings

INTERVAL = "5m"
_NANOSECONDS = 1_000_000_000
_LEAST = 1.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the flags say. *interval* and *max_stale* are in seconds; None is what is off.

    *leader_namespace* is where the Lease is, "" for the process' own. *once* is to look at all
    once and end, *dry_run* to write nothing at all.
    """

    cluster: ClusterFlags
    files: Files
    store: str
    max_stale: float
    interval: float
    probes: Address | None
    webhook: WebhookSettings | None = None
    leader_election: bool = True
    leader_namespace: str = ""
    events: bool = True
    dry_run: bool = False
    once: bool = False


def parse_interval(text: str) -> float:
    """Seconds of a duration as Go writes it, such as `5m`. Raises `UsageError`."""
    try:
        interval = parse_duration(text) / _NANOSECONDS
    except ValueError as error:
        raise UsageError("RT266", f"--interval: {error}", remedy="write one as 5m") from None
    if interval < _LEAST:
        raise UsageError(
            "RT266",
            f"--interval {text} is less than a second",
            remedy="write one as 5m; --once looks at all once, and ends",
        )
    return interval
