"""`retag serve`: the resolver, which answers the plugin."""

from __future__ import annotations

import logging
from pathlib import Path

import click
from click.core import ParameterSource

from cmp.cli import updater
from cmp.cli.cluster import resident_options
from cmp.cli.resident import log_options, probes_option, registry_options
from sidecar import settings
from sidecar.cluster.flags import ClusterFlags
from sidecar.configuration import Paths
from sidecar.logs import configure
from sidecar.settings import Settings
from sidecar.sources import Files

_PATH = click.Path(path_type=Path)


@click.command()
@click.option(
    "--socket",
    type=_PATH,
    default=settings.SOCKET,
    envvar="RETAG_SOCKET",
    show_default=True,
    show_envvar=True,
    help="The Unix socket that the plugin connects to.",
)
@click.option(
    "--allow-uid",
    "uids",
    type=click.IntRange(0),
    multiple=True,
    metavar="UID",
    help="A user who may connect. Repeatable.  [default: 999, Argo CD's, and the resolver's own]",
)
@resident_options
@click.option(
    "--rules",
    type=_PATH,
    multiple=True,
    default=[settings.RULES],
    show_default=f"{settings.RULES}, without a cluster",
    help="ImageUpdater resources besides the cluster's: a file, or a folder of them. Repeatable.",
)
@registry_options
@click.option(
    "--image-fields",
    type=_PATH,
    help="More image fields, in the form of kustomize's images configuration.",
)
@click.option(
    "--store",
    default="memory",
    show_default=True,
    metavar="STORE",
    help="What outlives a restart: memory, a PATH for SQLite, or redis://HOST.",
)
@click.option(
    "--max-stale",
    default=settings.MAX_STALE,
    show_default=True,
    metavar="DURATION",
    help="How long what was seen serves while its registry is silent.",
)
@probes_option
@log_options
@updater.accept_flags
@click.pass_context
def command(  # noqa: PLR0913  # click hands over each option by its name
    context: click.Context,
    *,
    socket: Path,
    uids: tuple[int, ...],
    cluster: ClusterFlags,
    rules: tuple[Path, ...],
    registries: Path,
    secrets: Path | None,
    tls_certs: Path,
    image_fields: Path | None,
    store: str,
    max_stale: str,
    probes: str,
    loglevel: str,
    logformat: str,
) -> None:
    """Answer the plugin, from beside argocd-repo-server, until SIGTERM.

    Rules are the ImageUpdaters of the cluster: in a Pod its own, else that of --kubeconfig; where
    there is none, they are files. Files are read again when they change, and on SIGHUP. A
    configuration that is broken keeps nobody from starting: requests that it touches fail with a
    line that says why. The Image Updater's other flags are taken without effect.
    """
    told = Settings(
        socket=socket,
        uids=frozenset(uids) or settings.default_uids(),
        paths=Paths(tuple(rules), Files(registries, secrets, tls_certs), image_fields),
        store=store,
        max_stale=settings.parse_age(max_stale),
        probes=settings.parse_address(probes),
        cluster=cluster,
        rules_named=context.get_parameter_source("rules") is not ParameterSource.DEFAULT,
    )
    configure(loglevel, logformat)
    log = logging.getLogger("retag.serve")
    for warning in updater.warnings(context):
        log.warning(warning)
    from sidecar.serve import serve  # noqa: PLC0415  # `retag --help` needs no server

    serve(told)
