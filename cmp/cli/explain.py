"""`retag explain`: why each image has its tag."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from cmp import report
from cmp.cli.options import application_options, run
from cmp.cli.output import output_option, print_errors, print_json, print_lines


@click.command("explain")
@application_options
@output_option
def command(*, path: Path, output: str, **options: Any) -> None:
    """Say why each image of PATH has its tag: the rule, and every tag refused with the reason.

    \b
      retag explain ./app --app my-app --rules rules.yaml --registries registries.conf
      helm template ./chart | retag explain - --app my-app --rules rules/ --registries r.conf
      retag explain ./app --application app.yaml --rules rules/ --registries r.conf -o json
    """
    generated, findings = run(path, closer=True, **options)
    print_errors(findings)
    if output == "json":
        print_json(report.as_json(generated))
    else:
        print_lines(report.explain(generated, now=time.time()))
