"""The options of commands that use a cluster: which, as whom, and which namespaces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from sidecar.cluster.flags import ClusterFlags

Command = TypeVar("Command", bound=Callable[..., Any])

_Option = Callable[[Callable[..., Any]], Callable[..., Any]]

# Names and variables are the Image Updater's, but for those of Secrets.
_OPTIONS = (
    click.option(
        "--kubeconfig",
        type=click.Path(path_type=Path),
        help="The cluster, and the account there.  [default: in a Pod its own, else no cluster]",
    ),
    click.option(
        "--watch-namespaces",
        default="",
        envvar="IMAGE_UPDATER_WATCH_NAMESPACES",
        show_envvar=True,
        metavar="NAMESPACES",
        help="Where ImageUpdaters count: A,B or * for all.  [default: the Pod's own]",
    ),
    click.option(
        "--argocd-namespace",
        default="",
        envvar="ARGOCD_NAMESPACE",
        show_envvar=True,
        metavar="NAMESPACE",
        help="Where Argo CD runs, and Applications are that it calls by their bare names.  "
        "[default: the Pod's own]",
    ),
)
_OF_SECRETS = click.option(
    "--secret-namespaces",
    default="",
    envvar="RETAG_SECRET_NAMESPACES",
    show_envvar=True,
    metavar="NAMESPACES",
    help="Where Secrets may be read that rules and registries.conf name: A,B or * for all.  "
    "[default: the Pod's own]",
)


def cluster_options(command: Command) -> Command:
    """Give *command* the options, together as its argument `cluster`, a `ClusterFlags`."""
    return _gathered(command, _OPTIONS)


def resident_options(command: Command) -> Command:
    """The same for a role that reads Secrets."""
    return _gathered(command, (*_OPTIONS, _OF_SECRETS))


def _gathered(command: Command, options: Sequence[_Option]) -> Command:
    names = [each.name for each in fields(ClusterFlags)]

    @wraps(command)
    def gathered(*args: Any, **kwargs: Any) -> Any:
        flags = {name: kwargs.pop(name) for name in names if name in kwargs}
        return command(*args, cluster=ClusterFlags(**flags), **kwargs)

    found: Callable[..., Any] = gathered
    for option in reversed(options):
        found = option(found)
    return found  # type: ignore[return-value]  # click's decorators keep no types
