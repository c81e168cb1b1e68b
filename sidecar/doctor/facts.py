"""`Facts`: what checks ask of the cluster, read once; each as it is, or why it cannot be read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from sidecar.controller.globalprojects import CONFIG_MAP
from sidecar.controller.lease import LEASE
from sidecar.doctor import policies
from sidecar.doctor.credentials import (
    Named,
    Secret,
    keys_of,
    named_secrets,
    readings,
    reads_secrets,
)
from sidecar.doctor.pods import Workload, mounted_config_maps, workload_of
from sidecar.doctor.rights import REVIEWS, Right, needed, review_of
from sidecar.doctor.ruled import secrets_of_rules
from sidecar.kubernetes import (
    APPLICATIONS,
    CONFIG_MAPS,
    CRDS,
    IMAGE_UPDATERS,
    LEASES,
    SECRETS,
    AbsentError,
    ClusterError,
    Kind,
    Object,
)
from sidecar.kubernetes.client import Client

DEPLOYMENTS = Kind("apps", "v1", "deployments", "Deployment")
_PARAMETERS = "argocd-cmd-params-cm"
_CRD = f"{IMAGE_UPDATERS.plural}.{IMAGE_UPDATERS.group}"

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the cluster says; None is that there is no such object.

    *argocd* is Argo CD's namespace, *settings* argocd-cm and *parameters* argocd-cmd-params-cm
    there. *server* is its repo-server, *controller* Retag's. *rights* are what their accounts may,
    of what they need. *config_maps* are those that both mount, *secrets* those that
    registries.conf names, *ruled* those that rules name. *policies* are those that limit the
    controller, and their bindings.
    """

    argocd: str
    crd: Object | ClusterError | None
    updaters: Sequence[Object] | ClusterError
    applications: Sequence[Object] | ClusterError
    server: Workload | ClusterError | None
    controller: Workload | ClusterError | None
    parameters: Mapping[str, Any] | ClusterError
    settings: Mapping[str, Any] | ClusterError
    config_maps: Mapping[str, Mapping[str, Any] | ClusterError | None]
    lease: Object | ClusterError | None
    rights: Mapping[Right, bool] | ClusterError
    secrets: Mapping[Secret, Named]
    ruled: Mapping[Secret, Named]
    policies: policies.Found | ClusterError


async def gather(
    cluster: Client, argocd: str, rules: Sequence[str], applications: Sequence[str]
) -> Facts:
    """The facts; *rules* and *applications* are the namespaces where these are ("": all).

    Raises `ClusterError` if the API server gives no answer.
    """
    deployments = await _read(lambda: _list(cluster, DEPLOYMENTS, [argocd]))
    server, controller = _workloads(deployments)
    mounted = mounted_config_maps([server, controller])
    config_maps = {name: await _config_map(cluster, argocd, name) for name in mounted}
    updaters = await _read(lambda: _list(cluster, IMAGE_UPDATERS, rules))
    workloads = [
        (role, workload)
        for role, workload in (("resolver", server), ("controller", controller))
        if isinstance(workload, Workload)
    ]
    ask_cluster = any(reads_secrets(workload) for _, workload in workloads)
    ruled = secrets_of_rules(updaters, argocd) if ask_cluster else {}
    roles = {
        role: (workload, named_secrets(workload, config_maps)) for role, workload in workloads
    }
    configured = keys_of(each for _, named in roles.values() for each in named)
    return Facts(
        argocd=argocd,
        crd=await _read(lambda: _get(cluster, CRDS, "", _CRD)),
        updaters=updaters,
        applications=await _read(lambda: _list(cluster, APPLICATIONS, applications)),
        server=server,
        controller=controller,
        parameters=await _data(cluster, argocd, _PARAMETERS),
        settings=await _data(cluster, argocd, CONFIG_MAP),
        config_maps=config_maps,
        lease=await _read(lambda: _get(cluster, LEASES, argocd, LEASE)),
        rights=await _read(lambda: _rights(cluster, argocd, roles, ruled)),
        secrets=await _secrets(cluster, configured),
        ruled=await _secrets(cluster, ruled),
        policies=await _read(lambda: _policies(cluster)),
    )


def data_of(config_map: Object | None) -> Mapping[str, Any]:
    """The data of *config_map*, none where there is none."""
    return (config_map or {}).get("data") or {}


async def _read(ask: Callable[[], Awaitable[_Value]]) -> _Value | ClusterError:
    """What *ask* brings, or why not; no answer at all is raised."""
    try:
        return await ask()
    except ClusterError as error:
        if type(error) is ClusterError:
            raise
        return error


async def _get(cluster: Client, kind: Kind, namespace: str, name: str) -> Object | None:
    try:
        return await cluster.get(kind, namespace, name)
    except AbsentError:
        return None


async def _secrets(
    cluster: Client, secrets: Mapping[Secret, frozenset[str]]
) -> dict[Secret, Named]:
    """Each of *secrets*, of which these keys are named, with those that it holds."""
    return {
        secret: Named(keys, await _read(partial(_keys, cluster, secret)))
        for secret, keys in sorted(secrets.items())
    }


async def _keys(cluster: Client, secret: Secret) -> frozenset[str] | None:
    """The keys that *secret* holds; what is under them is let go of."""
    found = await _get(cluster, SECRETS, *secret)
    return None if found is None else frozenset(data_of(found))


async def _list(cluster: Client, kind: Kind, namespaces: Sequence[str]) -> list[Object]:
    return [
        each
        for namespace in namespaces
        async for page in cluster.list_pages(kind, namespace)
        for each in page.objects
    ]


async def _config_map(
    cluster: Client, namespace: str, name: str
) -> Mapping[str, Any] | ClusterError | None:
    found = await _read(lambda: _get(cluster, CONFIG_MAPS, namespace, name))
    return data_of(found) if isinstance(found, dict) else found


async def _data(cluster: Client, namespace: str, name: str) -> Mapping[str, Any] | ClusterError:
    found = await _config_map(cluster, namespace, name)
    return {} if found is None else found


_Deployed = Workload | None | ClusterError


def _workloads(deployments: Sequence[Object] | ClusterError) -> tuple[_Deployed, _Deployed]:
    """argocd-repo-server's, and that of Retag's controller."""
    if isinstance(deployments, ClusterError):
        return deployments, deployments
    found = [workload_of(each) for each in deployments]
    server = next((each for each in found if each.is_repo_server), None)
    controllers = [each for each in found if each.controller]
    controllers.sort(key=lambda each: each.replicas == 0)
    controller = next(iter(controllers), None)
    return server, controller


async def _rights(
    cluster: Client,
    namespace: str,
    roles: Mapping[str, tuple[Workload, frozenset[tuple[Secret, str]]]],
    ruled: Iterable[Secret],
) -> dict[Right, bool]:
    """What the accounts may, of what they need; both read the Secrets of rules."""
    found = {}
    for role, (workload, pairs) in roles.items():
        secrets = {secret for secret, _ in pairs}
        named = secrets.union(ruled) if reads_secrets(workload) else secrets
        for right in (*needed(role, workload.account), *readings(role, workload, named)):
            answer = await cluster.review(REVIEWS, review_of(right, namespace))
            found[right] = bool((answer.get("status") or {}).get("allowed"))
    return found


async def _policies(cluster: Client) -> dict[tuple[Kind, str], Object | None]:
    """Each policy and its binding."""
    return {
        (kind, name): await _get(cluster, kind, "", name)
        for name in policies.NAMES
        for kind in (policies.POLICIES, policies.BINDINGS)
    }
