"""`retag doctor`: what is wrong with an installation, and what to do."""

from __future__ import annotations

import asyncio
import importlib
import os
import time
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from cmp.cli import COMMANDS, updater
from cmp.cli.cluster import cluster_options
from cmp.cli.options import FILE, SECRETS_HELP, TLS_HELP
from cmp.cli.output import output_option, print_json, styled
from cmp.cli.progress import progress
from cmp.errors import printable
from cmp.located import load_documents, read_text
from cmp.registry.http.connections import Surroundings
from cmp.registry.secrets import Secrets
from sidecar import settings
from sidecar.cluster.connect import Connected, open_cluster
from sidecar.cluster.flags import ClusterFlags
from sidecar.cluster.secrets import secrets_of
from sidecar.doctor import applications, here, installation, rights
from sidecar.doctor.credentials import check_secrets
from sidecar.doctor.facts import Facts, gather
from sidecar.doctor.flags import Known, check_flags
from sidecar.doctor.pods import Workload, workload_of
from sidecar.doctor.policies import check_policies
from sidecar.doctor.registries import check_registries
from sidecar.doctor.result import Result, State, told_in_a_pod
from sidecar.doctor.ruled import check_ruled
from sidecar.doctor.windows import check_global_projects

_PATH = click.Path(path_type=Path)
_COLOURS = {State.OK: "green", State.WARNING: "yellow", State.ERROR: "red"}


@click.command("doctor")
@click.option(
    "--socket", type=_PATH, help="The resolver's socket.  [default: looked at if it is there]"
)
@click.option("--registries", type=_PATH, help="Ask each registry of this registries.conf.")
@click.option("--rules", type=_PATH, multiple=True, help="Where files of rules are. Repeatable.")
@click.option("--secrets", type=_PATH, help=SECRETS_HELP)
@click.option("--tls-certs", type=_PATH, default=settings.CERTIFICATES, help=TLS_HELP)
@click.option(
    "--manifest",
    type=FILE,
    help="A file with Deployments, whose arguments for Retag are looked at.",
)
@cluster_options
@output_option
def command(  # noqa: PLR0913  # click hands over each option by its name
    *,
    socket: Path | None,
    registries: Path | None,
    rules: tuple[Path, ...],
    secrets: Path | None,
    tls_certs: Path,
    manifest: Path | None,
    cluster: ClusterFlags,
    output: str,
) -> int:
    """Find what is wrong with an installation, and say what to do.

    Without a cluster, this machine or container is looked at; in a Pod, or with --kubeconfig, the
    cluster too. Nothing is changed. Exits with 1 where something is wrong, and with 6 where the
    API server gives no answer.

    \b
      retag doctor --kubeconfig ~/.kube/config --argocd-namespace argocd
      retag doctor --registries registries.conf
      retag doctor --manifest deployment.yaml
    """
    with progress("looking"):
        found = list(_here(socket, rules, registries, manifest))
        if not cluster.kubeconfig:  # else this machine is not the installation
            found += here.check_programs()
        listed = registries if registries and registries.exists() else None
        certificates = tls_certs if tls_certs.is_dir() else None
        found += asyncio.run(_asked(listed, secrets, certificates, cluster))
    if output == "json":
        print_json({"results": [asdict(each) for each in found]})
    else:
        _print(found)
    return 1 if any(each.state is not State.OK for each in found) else 0


def _here(
    socket: Path | None,
    rules: tuple[Path, ...],
    registries: Path | None,
    manifest: Path | None,
) -> Iterable[Result]:
    if socket or settings.SOCKET.exists():
        yield from here.check_socket(socket or settings.SOCKET)
    yield from here.check_present("rules", rules)
    yield from here.check_present("registries", [registries] if registries else [])
    if manifest:
        for document in load_documents(read_text(manifest), str(manifest)):
            if isinstance(document.data, dict) and document.data.get("kind") == "Deployment":
                yield from check_flags(workload_of(document.data), _known())


async def _asked(
    registries: Path | None,
    folder: Path | None,
    certificates: Path | None,
    flags: ClusterFlags,
) -> list[Result]:
    """What registries and the cluster tell; the latter's Secrets are those that Retag may read."""
    connected = open_cluster(flags, os.environ)
    found: list[Result] = []
    try:
        if registries:
            secrets = _secrets(folder, connected)
            surroundings = Surroundings(secrets=secrets, certificates=certificates)
            found += [each async for each in check_registries(registries, surroundings)]
        if connected:
            found += await _in_cluster(connected, in_pod=flags.kubeconfig is None)
    finally:
        if connected:
            await connected.client.aclose()
    return found


def _secrets(folder: Path | None, connected: Connected | None) -> Secrets:
    if connected is None:
        return secrets_of(folder, None, None, time.monotonic)
    allowed = connected.secrets
    # The namespace of a kubeconfig is not that of the Pods, where theirs is the default.
    namespaces = None if allowed is None else allowed | {connected.argocd}
    return secrets_of(folder, connected.client, namespaces, time.monotonic)


async def _in_cluster(connected: Connected, *, in_pod: bool) -> list[Result]:
    facts = await gather(
        connected.client, connected.argocd, connected.rules, connected.applications
    )
    found = list(judged(facts, datetime.now(UTC)))
    return told_in_a_pod(found) if in_pod else found


def judged(facts: Facts, now: datetime) -> Iterable[Result]:
    yield from installation.check_kind(facts)
    yield from rights.check_rights(facts.rights)
    yield from installation.check_containers(facts)
    yield from installation.check_config_maps(facts)
    yield from check_secrets(facts.secrets, facts.rights)
    yield from check_ruled(facts.ruled)
    for workload in (facts.server, facts.controller):
        if isinstance(workload, Workload):
            yield from check_flags(workload, _known())
    yield from installation.check_settings(facts)
    yield from installation.check_controller(facts, now)
    yield from check_global_projects(facts.settings)
    if facts.controller is not None:
        yield from check_policies(facts.policies, _account(facts))
    yield from applications.check_applications(facts, now)
    yield from installation.check_waves(facts)


def _account(facts: Facts) -> str:
    """The controller's, as the API server calls it."""
    controller = facts.controller
    name = controller.account if isinstance(controller, Workload) else "retag-controller"
    return f"system:serviceaccount:{facts.argocd}:{name}"


def _known() -> dict[str, Known]:
    """The flags of the resident roles."""
    idle = {"serve": updater.FLAGS, "controller": updater.CONTROLLER_FLAGS}
    return {
        role: Known(
            frozenset({"--help", *_taken(role)}),
            {f"--{flag.name}": flag.instead for flag in flags},
        )
        for role, flags in idle.items()
    }


def _taken(role: str) -> Iterable[str]:
    params = importlib.import_module(COMMANDS[role]).command.params
    for each in params:
        if not getattr(each, "hidden", False):
            yield from (*each.opts, *each.secondary_opts)


def _print(found: list[Result]) -> None:
    width = max(len(each.subject) for each in found)
    for each in found:
        state = styled(f"{each.state:8}", _COLOURS[each.state])
        remedy = f"; {each.remedy}" if each.remedy else ""
        code = f" [{each.code}]" if each.code else ""
        click.echo(f"{state} {printable(f'{each.subject:{width}} {each.what}{remedy}{code}')}")
