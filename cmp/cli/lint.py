"""`retag lint`: what is wrong with rules, annotations, registries.conf and plugin parameters."""

from __future__ import annotations

import os
from pathlib import Path

import click

from cmp.cli.output import findings_as_json, output_option, print_findings, print_json
from cmp.cli.progress import progress
from cmp.lint import files_in, lint


@click.command("lint")
@click.argument(
    "files",
    metavar="FILE...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, path_type=Path),
)
@click.option(
    "--registries",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The registries.conf that rules must be served by; one among FILE... counts too.",
)
@output_option
def command(*, files: tuple[Path, ...], registries: Path | None, output: str) -> int:
    """Find faults in rules, annotations, registries.conf and plugin parameters.

    Each FILE may hold ImageUpdater resources, Argo CD Applications, Lists of them, a
    registries.conf or a ConfigMap with one; of a folder, its .yaml, .yml and .json files and its
    registries.conf are read. Nothing is contacted. Exits with 1 where something is found.

    \b
      retag lint rules.yaml
      retag lint rules/ application.yaml --registries registries.conf
      retag lint rules/ -o json | jq -r '.findings[] | "\\(.code) \\(.file):\\(.line)"'

    \b
    rules.yaml:14:24: spec.applicationRefs[0].images[0].commonUpdateSettings.allowTags: …
    is file, line, column and field of a fault; docs/errors.md explains each code.
    """
    with progress("checking"):
        findings = lint(files, registries, environment=os.environ)
    if output == "json":
        print_json({"findings": findings_as_json(findings)})
    else:
        print_findings(findings, err=False)
    if not findings:
        count = sum(len(files_in(path)) for path in files)
        click.echo(f"{count} file{'' if count == 1 else 's'}, nothing found", err=True)
    return 1 if findings else 0
