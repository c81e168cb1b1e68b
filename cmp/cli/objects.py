"""The objects of a cluster that `lint --cluster` and `migrate --cluster` look at, read once."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from typing import Any

from cmp.lint import ClusterObjects
from cmp.rules.crd import NAME
from sidecar.cluster.connect import Connected, need_cluster
from sidecar.cluster.flags import ClusterFlags
from sidecar.kubernetes.errors import AbsentError, ForbiddenError, UnservedError
from sidecar.kubernetes.kinds import APPLICATIONS, CRDS, IMAGE_UPDATERS, Kind
from sidecar.kubernetes.port import Cluster


def read_objects(flags: ClusterFlags) -> ClusterObjects:
    """What lies in the cluster that *flags* name. Raises `ClusterError`, `UsageError`."""
    return asyncio.run(_read(need_cluster(flags, os.environ)))


async def _read(connected: Connected) -> ClusterObjects:
    client = connected.client
    try:
        crd, unread = await _crd(client)
        return ClusterObjects(
            crd=crd,
            unread=unread,
            updaters=await _all(client, IMAGE_UPDATERS, connected.rules),
            applications=await _all(client, APPLICATIONS, connected.applications),
        )
    finally:
        await client.aclose()


async def _crd(client: Cluster) -> tuple[dict[str, Any] | None, str]:
    """The CustomResourceDefinition, and why it cannot be read."""
    try:
        return await client.get(CRDS, "", NAME), ""
    except AbsentError:
        return None, ""
    except ForbiddenError as error:
        return None, error.what


async def _all(client: Cluster, kind: Kind, namespaces: Iterable[str]) -> list[dict[str, Any]]:
    """The objects of *kind*; none where the cluster has no such kind."""
    found: list[dict[str, Any]] = []
    try:
        for namespace in namespaces:
            async for page in client.list_pages(kind, namespace):
                found += [
                    {"kind": kind.name, "apiVersion": kind.api_version, **each}
                    for each in page.objects
                ]
    except UnservedError:
        return []
    return found
