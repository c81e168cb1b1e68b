"""Checks of the Secrets that registries.conf names: there with their keys, and readable."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cmp.located import YamlError, load_documents
from cmp.registry.credentials import (
    InvalidCredentialsError,
    PullSecret,
    SecretField,
    parse_credentials,
)
from sidecar.doctor.pods import Workload, flag_of, mounted_file, registries_path
from sidecar.doctor.result import Result, naming, unread, well, wrong
from sidecar.doctor.rights import Right
from sidecar.kubernetes import SECRETS, ClusterError

_SUBJECT = "Secrets"

_DOCKER_CONFIG = ".dockerconfigjson"

Secret = tuple[str, str]  # its namespace and name


@dataclass(frozen=True, slots=True)
class Named:
    """A Secret of which *keys* are named, and those that it holds; None if it is not there."""

    keys: frozenset[str]
    held: frozenset[str] | ClusterError | None


def named_secrets(
    workload: Workload, config_maps: Mapping[str, Mapping[str, Any] | ClusterError | None]
) -> frozenset[tuple[Secret, str]]:
    """Those that *workload* reads by their names, as registries.conf in *config_maps* says.

    Each with the keys that are named of it.
    """
    found: set[tuple[Secret, str]] = set()
    for container in workload.ours:
        place = mounted_file(workload, container, registries_path(container))
        if place is None or not reads_secrets(workload):
            continue
        name, file = place
        data = config_maps.get(name)
        if isinstance(data, Mapping):
            found.update(_secrets_in(str(data.get(file) or "")))
    return frozenset(found)


def keys_of(named: Iterable[tuple[Secret, str]]) -> Mapping[Secret, frozenset[str]]:
    """Each Secret, with all keys that are *named* of it."""
    found: defaultdict[Secret, set[str]] = defaultdict(set)
    for secret, key in named:
        found[secret].add(key)
    return {secret: frozenset(keys) for secret, keys in found.items()}


def reads_secrets(workload: Workload) -> bool:
    """Whether *workload* has Secrets from the cluster, and not in a folder."""
    return not any(flag_of(container, "--secrets") for container in workload.ours)


def readings(role: str, workload: Workload, secrets: Iterable[Secret]) -> Iterator[Right]:
    """The right to each of *secrets* that *workload* needs as *role*."""
    for place, name in sorted(secrets):
        yield Right(role, workload.account, "get", SECRETS, place=place, name=name)


def _secrets_in(text: str) -> Iterator[tuple[Secret, str]]:
    """Those that the registries.conf *text* names, each with a key.

    Faults of it are told by `retag lint`.
    """
    try:
        documents = load_documents(text, "registries.conf")
    except YamlError:
        return
    data = documents[0].data if documents else None
    entries = data.get("registries") if isinstance(data, dict) else None
    for entry in entries if isinstance(entries, list) else ():
        stated = entry.get("credentials") if isinstance(entry, dict) else None
        place = place_of(stated) if isinstance(stated, str) else None
        if place:
            yield place


def place_of(credentials: str) -> tuple[Secret, str] | None:
    """The Secret that *credentials* name, as registries.conf or a rule writes them, and its key.

    None where they name none.
    """
    try:
        source = parse_credentials(credentials).source
    except InvalidCredentialsError:
        return None
    if isinstance(source, SecretField | PullSecret):
        key = source.field if isinstance(source, SecretField) else _DOCKER_CONFIG
        return (source.namespace, source.name), key
    return None


def lacking(secret: Secret, named: Named) -> Iterator[str]:
    """What there is not: *secret* itself, or keys that are *named*; none of what is hidden."""
    name = "/".join(secret)
    if named.held is None:
        yield name
    elif not isinstance(named.held, ClusterError):
        yield from (f"{name}#{key}" for key in named.keys - named.held)


def check_secrets(
    secrets: Mapping[Secret, Named], rights: Mapping[Right, bool] | ClusterError
) -> Iterator[Result]:
    """Whether *secrets* are there, with their keys, and may be read."""
    hidden = [each.held for each in secrets.values() if isinstance(each.held, ClusterError)]
    absent = [name for secret, named in secrets.items() for name in lacking(secret, named)]
    # Where nobody tells rights, `check_rights` says so.
    held = {} if isinstance(rights, ClusterError) else rights
    denied = [right for right, has in held.items() if right.kind is SECRETS and not has]
    if hidden:
        yield unread(_SUBJECT, hidden[0])
    if absent:
        what = (
            "registries.conf names Secrets that are not there, or keys that they lack: "
            f"{naming(absent)}"
        )
        yield wrong("RT129", _SUBJECT, what, "create them, or name what is there")
    for role, account in sorted({(right.role, right.account) for right in denied}):
        names = [f"{each.place}/{each.name}" for each in denied if each.role == role]
        what = f"the {role}'s account {account} may not get {naming(names)}"
        remedy = (
            "apply deploy/base/rbac-credentials.yaml, whose resourceNames have to name each "
            "Secret of registries.conf and of rules"
        )
        yield wrong("RT130", _SUBJECT, what, remedy)
    if secrets and not (hidden or absent or denied):
        yield well(_SUBJECT, "those that registries.conf names are there, for who needs them")
