"""Which cluster is used, as whom, and which of its namespaces are looked at."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from sidecar.cluster.flags import ClusterFlags, parse_namespaces
from sidecar.kubernetes import ClusterError
from sidecar.kubernetes.client import ACCOUNT, Client

_IN_POD = "KUBERNETES_SERVICE_HOST"  # kubelet sets both in each container
_PORT = "KUBERNETES_SERVICE_PORT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """The cluster in use.

    *identity* is the same for each process that uses this cluster, and another for another one.
    *own* is the namespace of this process, *argocd* Argo CD's own. ImageUpdaters are in *rules*
    and Applications in *applications*, where ("",) is all namespaces; the Secrets of *secrets*
    may be read, where None is those of all.
    """

    client: Client
    identity: str
    own: str
    argocd: str
    rules: tuple[str, ...]
    applications: tuple[str, ...]
    secrets: frozenset[str] | None


def open_cluster(
    flags: ClusterFlags, environment: Mapping[str, str], *, account: Path = ACCOUNT
) -> Connected | None:
    """The cluster that *flags* and *environment* name; None if they name none.

    The process' own namespace is POD_NAMESPACE, before the account's, as for the Image Updater.
    Raises `ClusterError` for an account that cannot be used, `UsageError` RT262 for what is no
    namespace.
    """
    client = connect(flags.kubeconfig, environment, account=account)
    if client is None:
        return None
    own = environment.get("POD_NAMESPACE", "").strip() or client.namespace.strip()
    argocd = flags.argocd_namespace or own
    watched = parse_namespaces("--watch-namespaces", flags.watch_namespaces, own)
    applications = watched if watched == ("",) else tuple(dict.fromkeys((*watched, argocd)))
    secrets = parse_namespaces("--secret-namespaces", flags.secret_namespaces, own)
    return Connected(
        client=client,
        identity=_identity(flags.kubeconfig, environment, account),
        own=own,
        argocd=argocd,
        rules=watched,
        applications=applications,
        secrets=None if secrets == ("",) else frozenset(secrets),
    )


def need_cluster(
    flags: ClusterFlags, environment: Mapping[str, str], *, account: Path = ACCOUNT
) -> Connected:
    """The same for who cannot do without: raises RT660 or RT661 if there is none."""
    connected = open_cluster(flags, environment, account=account)
    if connected is None:
        raise no_cluster(environment, account=account)
    return connected


def connect(
    kubeconfig: Path | None, environment: Mapping[str, str], *, account: Path = ACCOUNT
) -> Client | None:
    """The API server of *kubeconfig*, or else of the Pod whose token is at *account*.

    None outside of a Pod, and in one that has no token. Raises `ClusterError`.
    """
    if kubeconfig is not None:
        return Client.of_kubeconfig(kubeconfig)
    if is_in_pod(environment) and (account / "token").is_file():
        return Client.of_account(account)
    return None


def _identity(kubeconfig: Path | None, environment: Mapping[str, str], account: Path) -> str:
    """Where the API server is, and who issued its certificate: clusters have equal addresses.

    Tokens are no part of it, since they change.
    """
    if kubeconfig is not None:
        stated = yaml.safe_load(kubeconfig.read_bytes())
        told = json.dumps([stated.get("clusters"), stated.get("current-context")], default=str)
        return hashlib.sha256(told.encode()).hexdigest()
    authority = account / "ca.crt"
    address = [environment.get(name, "") for name in (_IN_POD, _PORT)]
    issuer = authority.read_bytes() if authority.is_file() else b""
    return hashlib.sha256(json.dumps(address).encode() + issuer).hexdigest()


def is_in_pod(environment: Mapping[str, str]) -> bool:
    """Whether this is a container of a Pod."""
    return bool(environment.get(_IN_POD))


def no_cluster(environment: Mapping[str, str], *, account: Path = ACCOUNT) -> ClusterError:
    """Why there is no cluster to be used."""
    if is_in_pod(environment):
        return ClusterError(
            "RT660",
            f"no token of a ServiceAccount is mounted at {account}",
            remedy="mount the projected token in this container, as deploy/ does, "
            "or name rules as files with --rules",
        )
    return ClusterError(
        "RT661", "no cluster is named", remedy="name a kubeconfig with --kubeconfig"
    )
