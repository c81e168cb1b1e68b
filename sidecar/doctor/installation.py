"""Checks of what is installed: the kind, the Pods of argocd-repo-server, the controller."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from cmp.rules.pruning import lacking_fields, schema_of
from sidecar.doctor.facts import Facts
from sidecar.doctor.pods import SOCKETS, Workload, flag_of, mount_at, mounted_file, registries_path
from sidecar.doctor.result import Result, naming, unread, warning, well, wrong
from sidecar.kubernetes import ClusterError, Object

_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105  # a path
_PAUSE = "ARGOCD_PAUSE_GEN_AFTER_FAILED_ATTEMPTS"
_EXCLUSIONS = "reposerver.plugin.tar.exclusions"
_STALE = timedelta(seconds=60)  # beyond the Lease's own time: clocks differ


def check_kind(facts: Facts) -> Iterator[Result]:
    """Whether the cluster knows ImageUpdaters, and all of their fields."""
    subject = "kind"
    if isinstance(facts.crd, ClusterError):
        # Who may not look at kinds may see that there are objects of it.
        if isinstance(facts.updaters, ClusterError):
            yield unread(subject, facts.updaters)
        else:
            yield unread(subject, facts.crd)
        return
    if facts.crd is None:
        what = (
            "the cluster knows no ImageUpdater: kubectl answers that the server could not find "
            "the requested resource"
        )
        yield wrong("RT110", subject, what, "apply deploy/base/00-crd.yaml")
        return
    lacking = lacking_fields(schema_of(facts.crd))
    if lacking:
        what = f"its CustomResourceDefinition is another, which drops {naming(lacking)}"
        remedy = "apply deploy/base/00-crd.yaml, which has the official fields too"
        yield warning("RT111", subject, what, remedy)
    else:
        yield well(subject, "ImageUpdaters are kept with all fields")


def check_containers(facts: Facts) -> Iterator[Result]:
    """Whether argocd-repo-server has both containers, and keeps them apart."""
    subject = "repo-server"
    server = facts.server
    if isinstance(server, ClusterError):
        yield unread(subject, server)
    elif server is None:
        what = f"there is no Deployment of argocd-repo-server in {facts.argocd}"
        yield wrong("RT124", subject, what, "name Argo CD's namespace with --argocd-namespace")
    elif server.resolver is None or server.plugin is None:
        lacking = "resolver" if server.resolver is None else "plugin"
        what = f"the Deployment {server.name} has no container of the {lacking}"
        remedy = "patch it as deploy/components/repo-server does"
        yield wrong("RT125", subject, what, remedy)
    else:
        leaks = list(_leaks(server, server.resolver, server.plugin))
        for what in leaks:
            remedy = "take it as deploy/components/repo-server has it"
            yield wrong("RT126", subject, what, remedy)
        if not leaks:
            yield well(subject, "it has the plugin and the resolver, each with its own")


def _leaks(server: Workload, resolver: Object, plugin: Object) -> Iterator[str]:
    """How the plugin, in which tenants' renderers run, has what it must not have."""
    mount = mount_at(plugin, SOCKETS)
    if not (mount or {}).get("readOnly"):
        yield f"the plugin may write {SOCKETS}, so what it runs could replace the socket"
    if server.pod.get("automountServiceAccountToken") is not False or mount_at(plugin, _TOKEN):
        yield "the token of its account is mounted in the plugin, where tenants' renderers run"
    users = [(each.get("securityContext") or {}).get("runAsUser") for each in (resolver, plugin)]
    if users[0] == users[1]:
        yield "plugin and resolver run as the same user, so one can read the other's memory"


def check_config_maps(facts: Facts) -> Iterator[Result]:
    """Whether what Retag's containers mount is there."""
    subject = "mounts"
    for workload in (facts.server, facts.controller):
        if not isinstance(workload, Workload):
            continue
        for container in workload.ours:
            yield from _mounted(subject, workload, container, facts.config_maps)


def _mounted(
    subject: str,
    workload: Workload,
    container: Object,
    held: Mapping[str, Mapping[str, Any] | ClusterError | None],
) -> Iterator[Result]:
    path = registries_path(container)
    place = mounted_file(workload, container, path)
    where = f"{workload.name}, container {container['name']}"
    if place is None:
        what = f"nothing is mounted at {path} ({where})"
        yield wrong("RT100", subject, what, "mount the ConfigMap with registries.conf there")
        return
    name, file = place
    data = held.get(name) if name else {file: ""}
    if isinstance(data, ClusterError):
        yield unread(subject, data)
    elif data is None or file not in data:
        lacking = f"has no {file}" if data is not None else "is not there"
        what = f"the ConfigMap {name} {lacking} ({where})"
        yield wrong("RT100", subject, what, "apply deploy/base, which makes it")
    else:
        yield well(subject, f"registries.conf is mounted ({where})")


def check_settings(facts: Facts) -> Iterator[Result]:
    """Settings of argocd-repo-server that cost tags or time."""
    subject = "settings"
    server = facts.server
    if isinstance(facts.parameters, ClusterError):
        yield unread(subject, facts.parameters)
    elif isinstance(server, Workload) and server.server is not None:
        pause = _variable(server.server, _PAUSE)
        if pause == "0":
            yield well(subject, "failed renders are tried again")
        else:
            what = f"{_PAUSE} is {pause or 'not set'}: a failure is repeated for 60 minutes"
            yield warning("RT119", subject, what, f"set {_PAUSE}=0 on argocd-repo-server")
        yield _exclusions(subject, facts.parameters)
    if isinstance(server, Workload) and server.resolver is not None:
        yield _store(server, server.resolver, recorded=isinstance(facts.controller, Workload))


def _variable(container: Object, name: str) -> str:
    env = container.get("env") or []
    return next((str(each.get("value") or "") for each in env if each["name"] == name), "")


def _exclusions(subject: str, parameters: Mapping[str, Any]) -> Result:
    told = str(parameters.get(_EXCLUSIONS) or "").split(";")
    if ".git" in told:
        return well(subject, "repositories are packed without their history")
    what = f"{_EXCLUSIONS} does not have .git: its history is packed for each request"
    if ".git/*" in told:
        what = f"{_EXCLUSIONS} has .git/*, which leaves an empty folder"
    remedy = f'set {_EXCLUSIONS}: ".git" in argocd-cmd-params-cm, unless a plugin reads it'
    return warning("RT120", subject, what, remedy)


def _store(server: Workload, resolver: Object, *, recorded: bool) -> Result:
    """*recorded*: a controller keeps the last good choices where all resolvers see them."""
    store = flag_of(resolver, "--store") or "memory"
    shared = store.partition(":")[0] in ("redis", "rediss", "unix")
    if server.replicas < 2 or shared:
        return well("store", "all replicas see the same")
    if recorded:
        return well("store", "all replicas see what the controller recorded")
    what = f"{server.replicas} replicas of {server.name} each look tags up for themselves"
    remedy = "share what they see with --store=redis://HOST, or let the controller record choices"
    return warning("RT122", "store", what, remedy)


def check_controller(facts: Facts, now: datetime) -> Iterator[Result]:
    """Whether one delivers new tags."""
    subject = "controller"
    if isinstance(facts.controller, ClusterError):
        yield unread(subject, facts.controller)
    elif facts.controller is None:
        what = f"there is no controller in {facts.argocd}, so a new tag waits for a hard refresh"
        yield wrong("RT123", subject, what, "apply deploy/base")
    elif facts.controller.replicas == 0:
        what = f"the Deployment {facts.controller.name} is scaled to 0, whoever holds its Lease"
        yield wrong("RT127", subject, what, "scale it to 2, as deploy/base has it")
    elif isinstance(facts.lease, ClusterError):
        yield unread(subject, facts.lease)
    elif not leads(facts.lease, now):
        what = "no replica of the controller leads: nobody holds its Lease, or renews it"
        remedy = "see its log: it may lack the right to leases, or be unable to start"
        yield wrong("RT127", subject, what, remedy)
    elif not facts.controller.is_ready:
        what = (
            f"no Pod of the Deployment {facts.controller.name} is ready, though its Lease is held"
        )
        yield wrong("RT127", subject, what, "see its log: it may be starting, or unable to start")
    else:
        yield well(subject, "one replica leads")


def leads(lease: Object | None, now: datetime) -> bool:
    """Whether somebody holds *lease* at *now*."""
    spec = (lease or {}).get("spec") or {}
    if not spec.get("holderIdentity") or not spec.get("renewTime"):
        return False
    renewed = datetime.fromisoformat(str(spec["renewTime"]))
    lasts = timedelta(seconds=float(spec.get("leaseDurationSeconds") or 0))
    return now - renewed <= lasts + _STALE


def check_waves(facts: Facts) -> Iterator[Result]:
    """Whether ImageUpdaters that Argo CD is to make are there."""
    subject = "waves"
    if isinstance(facts.applications, ClusterError) or isinstance(facts.updaters, ClusterError):
        return  # told by others
    there = {_key(each["metadata"]) for each in facts.updaters}
    for application in facts.applications:
        status = application.get("status") or {}
        waiting = _missing(status.get("resources") or [], there)
        if waiting:
            name = application["metadata"]["name"]
            said = (status.get("operationState") or {}).get("message") or "nothing of it"
            what = f"the Application {name} has not made {naming(waiting)}; Argo CD says: {said}"
            remedy = (
                "let its earlier sync waves get healthy, put the kind into wave -1, and give "
                "these SkipDryRunOnMissingResource=true"
            )
            yield warning("RT128", subject, what, remedy)


def _missing(resources: Sequence[Mapping[str, Any]], there: set[tuple[str, str]]) -> list[str]:
    return [
        f"ImageUpdater {each.get('name')}"
        for each in resources
        if each.get("kind") == "ImageUpdater"
        and each.get("status") == "OutOfSync"
        and _key(each) not in there
    ]


def _key(names: Mapping[str, Any]) -> tuple[str, str]:
    return str(names.get("namespace") or ""), str(names.get("name") or "")
