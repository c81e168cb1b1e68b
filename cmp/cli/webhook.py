"""The options of the webhook."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from sidecar.webhook.settings import LOWEST_TLS, SECRET_VARIABLE, WebhookFlags

Command = TypeVar("Command", bound=Callable[..., Any])

_PATH = click.Path(path_type=Path)
_NAMES = tuple(field.name for field in fields(WebhookFlags))
# Names and variables are the Image Updater's where it has the same.
_OPTIONS = (
    click.option(
        "--webhook-bind-address",
        default="0",
        show_default=True,
        metavar="[HOST]:PORT",
        help="Where events of Zot are taken, at /webhook; 0 is nowhere.",
    ),
    click.option(
        "--webhook-secret-file",
        type=_PATH,
        envvar="RETAG_WEBHOOK_SECRET_FILE",
        show_envvar=True,
        help=f"What Zot sends to be believed, a line.  [default: what {SECRET_VARIABLE} holds]",
    ),
    click.option("--webhook-tls-cert", type=_PATH, help="The webhook's certificate, as PEM."),
    click.option("--webhook-tls-key", type=_PATH, help="The key of that certificate, as PEM."),
    click.option(
        "--disable-tls",
        is_flag=True,
        envvar="DISABLE_TLS",
        show_envvar=True,
        help="Take events over plain HTTP.",
    ),
    click.option(
        "--tlsminversion",
        default=LOWEST_TLS,
        envvar="TLS_MIN_VERSION",
        show_default=True,
        show_envvar=True,
        metavar="VERSION",
        help="The lowest version of TLS that the webhook speaks.",
    ),
    click.option(
        "--webhook-ratelimit-allowed",
        type=click.IntRange(0),
        default=0,
        envvar="WEBHOOK_RATELIMIT_ALLOWED",
        show_default=True,
        show_envvar=True,
        metavar="NUMBER",
        help="Events an hour that have an effect; 0 is 3600.",
    ),
)


def webhook_options(command: Command) -> Command:
    """Give *command* the options, together as its argument `webhook`, a `WebhookFlags`."""

    @wraps(command)
    def gathered(*args: Any, **kwargs: Any) -> Any:
        flags = {name: kwargs.pop(name) for name in _NAMES}
        return command(*args, webhook=WebhookFlags(**flags), **kwargs)

    for option in reversed(_OPTIONS):
        gathered = option(gathered)
    return gathered  # type: ignore[return-value]  # click's decorators keep no types
