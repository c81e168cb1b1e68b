"""What the controller recorded of an Application, for the commands that look back."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from cmp.cli.options import instance_of
from cmp.cli.progress import progress
from cmp.errors import ResolverError
from cmp.reference import InvalidReferenceError, Reference
from sidecar.cluster.connect import Connected, need_cluster
from sidecar.cluster.flags import ClusterFlags
from sidecar.cluster.record import Past, Record
from sidecar.cluster.record_format import name_of, parse
from sidecar.kubernetes.errors import AbsentError
from sidecar.kubernetes.kinds import CONFIG_MAPS

_Answer = TypeVar("_Answer")


def asked(flags: ClusterFlags, ask: Callable[[Connected], Awaitable[_Answer]]) -> _Answer:
    """What *ask* finds out in the cluster of *flags*. Raises `ClusterError`."""
    connected = need_cluster(flags, os.environ)
    with progress("asking the cluster"):
        return asyncio.run(_closing(connected, ask))


async def _closing(
    connected: Connected, ask: Callable[[Connected], Awaitable[_Answer]]
) -> _Answer:
    try:
        return await ask(connected)
    finally:
        await connected.client.aclose()


async def record_of(connected: Connected, application: str) -> Record:
    """The record of *application*: a name, `namespace/name`, or what Argo CD calls it.

    It lies in the controller's namespace, which is Argo CD's own. Raises `ResolverError`: RT686
    where there is none, RT689 where it cannot be read.
    """
    namespace, name = instance_of(application)
    namespace = namespace or connected.argocd
    place = name_of(namespace, name)
    try:
        found = await connected.client.get(CONFIG_MAPS, connected.argocd, place)
    except AbsentError:
        raise ResolverError(
            "RT686",
            f"nothing is recorded of the Application {namespace}/{name}",
            where=f"namespace {connected.argocd}",
            remedy="a controller records an Application of the plugin whose image has changed; "
            "--argocd-namespace says where it runs",
        ) from None
    record = parse(found.get("data"))
    if record is None or (record.namespace, record.name) != (namespace, name):
        raise ResolverError(
            "RT689",
            f"the ConfigMap {place} holds no record of {namespace}/{name}",
            where=f"namespace {connected.argocd}",
            remedy="if this retag is the newest, delete it: the controller begins another",
        )
    return record


def past_of(record: Record, image: str) -> Sequence[Past]:
    """What ran of *image*, an alias or a repository; the newest first.

    Raises `ResolverError` RT687 where it is none, or more than one alias has the repository.
    """
    found = [past for past in record.history if past.alias == image]
    if not found and (repository := _repository(image)):
        found = [past for past in record.history if _repository(past.after) == repository]
    aliases = sorted({past.alias for past in found})
    if len(aliases) == 1:
        return found
    known = ", ".join(sorted({past.alias for past in record.history})) or "none"
    what = f"{image!r} is " + (
        f"that of more than one alias: {', '.join(aliases)}" if aliases else "nothing that changed"
    )
    raise ResolverError(
        "RT687",
        what,
        where=f"Application {record.namespace}/{record.name}",
        remedy=f"name one of its aliases: {known}",
    )


def _repository(text: str) -> str:
    """The repository of a reference; "" for what is none."""
    try:
        return str(Reference.parse(text).repository)
    except InvalidReferenceError:
        return ""
