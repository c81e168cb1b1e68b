"""`retag controller`: it has a new tag rolled out, by asking Argo CD to render once more."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import click

from cmp.cli import updater
from cmp.cli.cluster import resident_options
from cmp.cli.resident import log_options, probes_option, registry_options
from cmp.cli.webhook import webhook_options
from sidecar import settings
from sidecar.cluster.flags import ClusterFlags
from sidecar.controller.settings import INTERVAL, Settings, parse_interval
from sidecar.logs import configure
from sidecar.sources import Files
from sidecar.webhook.settings import WebhookFlags, settings_of

_PATH = click.Path(path_type=Path)


@click.command()
@resident_options
@click.option(
    "--interval",
    default=INTERVAL,
    envvar="IMAGE_UPDATER_INTERVAL",
    show_default=True,
    show_envvar=True,
    metavar="DURATION",
    help="How often each repository is looked at that a rule names.",
)
@registry_options
@click.option(
    "--store",
    default="memory",
    show_default=True,
    metavar="STORE",
    help="What of registries outlives a restart: memory, a PATH for SQLite, or redis://HOST.",
)
@click.option(
    "--max-stale",
    default=settings.MAX_STALE,
    show_default=True,
    metavar="DURATION",
    help="How long what was seen is remembered while its registry is silent.",
)
@click.option(
    "--leader-election",
    type=click.BOOL,
    is_flag=False,
    flag_value=True,
    default=True,
    show_default=True,
    help="Let one replica work at a time, by a Lease.",
)
@click.option(
    "--leader-election-namespace",
    "leader_namespace",
    default="",
    metavar="NAMESPACE",
    help="Where the Lease is.  [default: the Pod's own]",
)
@click.option(
    "--disable-kube-events",
    "no_events",
    type=click.BOOL,
    is_flag=False,
    flag_value=True,
    default=False,
    envvar="IMAGE_UPDATER_KUBE_EVENTS",
    show_envvar=True,
    help="Write no Events on Applications.",
)
@click.option(
    "--dry-run",
    type=click.BOOL,
    is_flag=False,
    flag_value=True,
    default=False,
    help="Log what would be rolled out, and write nothing.",
)
@click.option(
    "--once",
    type=click.BOOL,
    is_flag=False,
    flag_value=True,
    default=False,
    help="Look at all repositories once, deliver what is new, and end.",
)
@probes_option
@webhook_options
@log_options
@updater.accept(updater.CONTROLLER_FLAGS)
@click.pass_context
def command(  # noqa: PLR0913  # click hands over each option by its name
    context: click.Context,
    *,
    cluster: ClusterFlags,
    webhook: WebhookFlags,
    interval: str,
    registries: Path,
    secrets: Path | None,
    tls_certs: Path,
    store: str,
    max_stale: str,
    leader_election: bool,
    leader_namespace: str,
    no_events: bool,
    dry_run: bool,
    once: bool,
    probes: str,
    loglevel: str,
    logformat: str,
) -> None:
    """Have new tags rolled out to the Applications of a cluster, until SIGTERM.

    Argo CD renders an Application only when its Git changes. So the controller looks at each
    repository that an ImageUpdater names, and where an Application should run another tag, it asks
    Argo CD to render that once more. In a Pod the cluster is its own, else that of --kubeconfig.
    The Image Updater's other flags are taken without effect.
    """
    told = Settings(
        cluster=cluster,
        files=Files(registries, secrets, tls_certs),
        store=store,
        max_stale=settings.parse_age(max_stale),
        interval=parse_interval(interval),
        probes=settings.parse_address(probes, taken={}),
        webhook=settings_of(webhook, os.environ),
        leader_election=leader_election,
        leader_namespace=leader_namespace,
        events=not no_events,
        dry_run=dry_run,
        once=once,
    )
    configure(loglevel, logformat)
    log = logging.getLogger("retag.controller")
    for warning in updater.warnings(context, updater.CONTROLLER_FLAGS):
        log.warning(warning)
    from sidecar.controller.run import control  # noqa: PLC0415  # `retag --help` needs no cluster

    control(told)
