"""Options that both resident roles have, `retag serve` and `retag controller`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from cmp.cli.options import SECRETS_HELP, TLS_HELP
from sidecar import settings
from sidecar.logs import FORMATS, LEVELS

_Command = TypeVar("_Command", bound=Callable[..., Any])

_PATH = click.Path(path_type=Path)

_REGISTRIES = click.option(
    "--registries",
    "--registries-conf-path",
    "registries",
    type=_PATH,
    default=settings.REGISTRIES,
    show_default=True,
    help="The registries that may be asked.",
)
_SECRETS = click.option("--secrets", type=_PATH, help=SECRETS_HELP)
_CERTIFICATES = click.option(
    "--tls-certs", type=_PATH, default=settings.CERTIFICATES, show_default=True, help=TLS_HELP
)

probes_option = click.option(
    "--health-probe-bind-address",
    "probes",
    default=settings.PROBES,
    show_default=True,
    metavar="[HOST]:PORT",
    help="Where /healthz, /readyz and /metrics are served; 0 is nowhere.",
)

_LEVEL = click.option(
    "--loglevel",
    type=click.Choice(list(LEVELS), case_sensitive=False),
    default="info",
    envvar="IMAGE_UPDATER_LOGLEVEL",
    show_default=True,
    show_envvar=True,
    help="The least that is logged.",
)
_FORMAT = click.option(
    "--logformat",
    type=click.Choice(FORMATS),
    default="json",
    envvar="IMAGE_UPDATER_LOGFORMAT",
    show_default=True,
    show_envvar=True,
    help="How it is logged.",
)


def registry_options(command: _Command) -> _Command:
    """Give *command* `registries`, `secrets` and `tls_certs`, for `sidecar.sources.Files`."""
    return _REGISTRIES(_SECRETS(_CERTIFICATES(command)))


def log_options(command: _Command) -> _Command:
    """Give *command* the arguments `loglevel` and `logformat`, for `sidecar.logs.configure`."""
    return _LEVEL(_FORMAT(command))
