"""`retag history`: which images an Application ran, and why they changed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import click

from cmp.cli.cluster import cluster_options
from cmp.cli.output import output_option, print_json
from cmp.cli.recorded import asked, record_of
from cmp.errors import printable
from sidecar.cluster.flags import ClusterFlags
from sidecar.cluster.record import Past, Record
from sidecar.kubernetes.instants import instant_of

_HEAD = ("WHEN", "IMAGE", "BEFORE", "AFTER", "RULE", "WHY")
_GAP = "  "


@click.command("history")
@click.argument("application", metavar="APP")
@cluster_options
@output_option
def command(*, application: str, cluster: ClusterFlags, output: str) -> None:
    """Show which images the Application APP ran, the newest change first.

    APP is a name, NAMESPACE/NAME, or what Argo CD calls it. The controller records what it had
    rolled out, the last 20 changes of each Application.

    \b
      retag history my-app --kubeconfig ~/.kube/config --argocd-namespace argocd
      retag history team-a/my-app --kubeconfig ~/.kube/config -o json
    """
    record = asked(cluster, lambda connected: record_of(connected, application))
    if output == "json":
        print_json(_as_json(record))
    elif record.history:
        rows = [_row(past) for past in record.history]
        lines = _table(rows) if sys.stdout.isatty() else map("\t".join, rows)
        click.echo("\n".join(lines))
    else:
        click.echo("nothing has changed since the controller looks after it", err=True)


def _row(past: Past) -> Sequence[str]:
    return tuple(
        map(
            printable,
            (
                instant_of(past.at),
                past.alias,
                _short(past.before, past.image) or "-",
                _short(past.after, past.image),
                past.rule,
                past.why,
            ),
        )
    )


def _short(reference: str, repository: str) -> str:
    """*reference* without its repository, which is most often the same."""
    for mark in (":", "@"):
        if reference.startswith(f"{repository}{mark}"):
            return reference[len(repository) + 1 :]
    return reference


def _table(rows: Sequence[Sequence[str]]) -> Sequence[str]:
    whole = [_HEAD, *rows]
    widths = [max(map(len, column)) for column in zip(*whole, strict=True)]
    return [
        _GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in whole
    ]


def _as_json(record: Record) -> dict[str, Any]:
    return {
        "application": {"namespace": record.namespace, "name": record.name},
        "history": [
            {
                "at": instant_of(past.at),
                "alias": past.alias,
                "repository": past.image,
                "before": past.before or None,
                "after": past.after,
                "rule": past.rule,
                "why": past.why,
            }
            for past in record.history
        ],
    }
