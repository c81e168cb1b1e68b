"""`retag lint`: what is wrong with rules, annotations, registries.conf and plugin parameters."""

from __future__ import annotations

import os
from pathlib import Path

import click

from cmp.cli.cluster import cluster_options
from cmp.cli.output import findings_as_json, output_option, print_findings, print_json
from cmp.cli.progress import progress
from cmp.errors import UsageError
from cmp.lint import ClusterObjects, files_in, lint
from sidecar.cluster.flags import ClusterFlags


@click.command("lint")
@click.argument(
    "files",
    metavar="[FILE]...",
    nargs=-1,
    type=click.Path(exists=True, path_type=Path),
)
@click.option(
    "--registries",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The registries.conf that rules must be served by; one among FILE... counts too.",
)
@click.option(
    "--cluster",
    "in_cluster",
    is_flag=True,
    help="Look at the cluster too: its ImageUpdaters, its Applications, and what its CRD drops.",
)
@cluster_options
@output_option
def command(
    *,
    files: tuple[Path, ...],
    registries: Path | None,
    in_cluster: bool,
    cluster: ClusterFlags,
    output: str,
) -> int:
    """Find faults in rules, annotations, registries.conf and plugin parameters.

    Each FILE may hold ImageUpdater resources, Argo CD Applications, Lists of them, a
    registries.conf or a ConfigMap with one; of a folder, its .yaml, .yml and .json files and its
    registries.conf are read. Nothing is contacted, but the API server with --cluster. Exits with 1
    where something is found.

    \b
      retag lint rules.yaml
      retag lint rules/ application.yaml --registries registries.conf
      retag lint --cluster --kubeconfig ~/.kube/config --watch-namespaces '*'
      retag lint rules/ -o json | jq -r '.findings[] | "\\(.code) \\(.file):\\(.line)"'

    \b
    rules.yaml:14:24: spec.applicationRefs[0].images[0].commonUpdateSettings.allowTags: …
    is file, line, column and field of a fault; docs/errors.md explains each code.
    """
    from cmp.cli.objects import read_objects  # noqa: PLC0415  # files need no client of a cluster

    if not (files or in_cluster):
        raise UsageError("RT265", "nothing is named", remedy="name a FILE, or say --cluster")
    with progress("checking"):
        objects = read_objects(cluster) if in_cluster else None
        findings = lint(files, registries, environment=os.environ, cluster=objects)
    if output == "json":
        print_json({"findings": findings_as_json(findings)})
    else:
        print_findings(findings, err=False)
    if not findings:
        click.echo(f"{_looked_at(files, objects)}, nothing found", err=True)
    return 1 if findings else 0


def _looked_at(files: tuple[Path, ...], cluster: ClusterObjects | None) -> str:
    count = sum(len(files_in(path)) for path in files)
    counts = [(count, "file")] if files else []
    if cluster is not None:
        counts += [(len(cluster.updaters), "ImageUpdater")]
        counts += [(len(cluster.applications), "Application")]
    return ", ".join(f"{number} {what}{'' if number == 1 else 's'}" for number, what in counts)
