"""What an operator lets renderers do beyond reading the source."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Permissions:
    """All off by default: what renders a tenant's source reaches no host and runs no program.

    *helm_hosts* (`host`, `host:port`, or `http://host[:port]` for one without TLS) are where chart
    dependencies may come from. *remote_bases* lets kustomize fetch over HTTP and git,
    *exec_plugins* lets it run programs of the source, *kustomize_helm* lets it inflate charts.
    """

    helm_hosts: frozenset[str] = frozenset()
    remote_bases: bool = False
    exec_plugins: bool = False
    kustomize_helm: bool = False
