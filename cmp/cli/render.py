"""`retag render`: what Argo CD would get."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cmp import report
from cmp.cli.options import application_options
from cmp.cli.output import output_option, print_diff, print_json, print_lines
from cmp.cli.rendering import rendering


@click.command("render")
@application_options
@click.option("--diff", is_flag=True, help="Print the unified diff instead; exit with 1 if any.")
@click.option("--explain", is_flag=True, help="Say on stderr why each image has its tag.")
@output_option
def command(*, path: Path, diff: bool, explain: bool, output: str, **options: Any) -> int:
    """Render PATH as Argo CD would, with the newest allowed image tags.

    PATH is a folder (kustomize, helm or plain manifests), or - for manifests on standard input.

    \b
      retag render ./app --app my-app --rules rules.yaml --registries registries.conf
      retag render ./app --app my-app --rules rules/ --registries registries.conf --diff --explain
      kustomize build . | retag render - --app my-app --rules rules/ --registries registries.conf
      retag render ./chart --app my-app -p helm-values-files=prod.yaml -p pins=api=v1.4.2 \\
        --rules rules/ --registries registries.conf
      retag render ./app --app my-app --socket /run/retag/resolver.sock --diff
    """
    answer = rendering(path, explained=explain or output == "json", **options)
    asked_for = diff or output == "json"
    changes = report.diff(answer.rendered, answer.manifests) if asked_for else []
    if output == "json":
        manifests = answer.manifests.decode("utf-8", "replace")
        rest = {"manifests": manifests, "diff": "\n".join(changes)}
        print_json({**answer.explanation, **rest})
    elif diff:
        print_diff(changes)
    else:
        click.echo(answer.manifests, nl=False)
    if explain:
        print_lines(answer.lines, err=True)
    return 1 if diff and changes else 0
