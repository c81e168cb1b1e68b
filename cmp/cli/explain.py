"""`retag explain`: why each image has its tag."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cmp.cli.options import application_options
from cmp.cli.output import output_option, print_json, print_lines
from cmp.cli.rendering import rendering


@click.command("explain")
@application_options
@output_option
def command(*, path: Path, output: str, **options: Any) -> None:
    """Say why each image of PATH has its tag: the rule, and every tag refused with the reason.

    \b
      retag explain ./app --app my-app --rules rules.yaml --registries registries.conf
      helm template ./chart | retag explain - --app my-app --rules rules/ --registries r.conf
      retag explain ./app --application app.yaml --rules rules/ --registries r.conf -o json
      retag explain ./app --app my-app --socket /run/retag/resolver.sock
    """
    answer = rendering(path, explained=True, **options)
    if output == "json":
        print_json(answer.explanation)
    else:
        print_lines(answer.lines)
