"""`retag migrate`: annotations and the older form, as ImageUpdaters of the official schema."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click
import yaml

from cmp.cli.cluster import cluster_options
from cmp.cli.output import findings_as_json, output_option, print_findings, print_json
from cmp.errors import Severity, UsageError
from cmp.lint.cluster import located_objects
from cmp.lint.files import Contents, read_contents, read_stream
from cmp.migrate import Migrated, migrate
from sidecar.cluster.flags import ClusterFlags


@click.command("migrate")
@click.argument(
    "files",
    metavar="[FILE]...",
    nargs=-1,
    type=click.Path(exists=True, allow_dash=True, path_type=Path),
)
@click.option("--cluster", "in_cluster", is_flag=True, help="Read the cluster's objects.")
@cluster_options
@output_option
def command(
    *, files: tuple[Path, ...], in_cluster: bool, cluster: ClusterFlags, output: str
) -> int:
    """Make ImageUpdaters of the official schema, from annotations or from the older form.

    Each FILE, folder or standard input (-) may hold Argo CD Applications with the Image Updater's
    annotations, and ImageUpdater resources. What is made means the same to Retag, and both its own
    CRD and the official one accept it. Standard error tells what has no place in it. Nothing is
    changed. Exits with 1 where something is left out, or would mean something else.

    \b
      retag migrate applications/ > rules.yaml
      kubectl get applications -n argocd -o yaml | retag migrate - > rules.yaml
      retag migrate --cluster --kubeconfig ~/.kube/config --watch-namespaces '*' > rules.yaml
      retag migrate rules/ -o json | jq -r '.findings[].what'
    """
    if not (files or in_cluster):
        raise UsageError("RT264", "nothing is named", remedy="name a FILE, - or --cluster")
    contents = _contents(files)
    if in_cluster:
        _add_cluster(contents, cluster)
    if not (contents.rules or contents.applications or contents.findings):
        what = "neither an ImageUpdater nor an Application is there"
        raise UsageError("RT264", what, remedy="name the files that hold them")
    migrated = migrate(contents.rules, contents.applications)
    migrated.findings[:0] = contents.findings
    _print(migrated, output)
    return int(any(each.severity is Severity.ERROR for each in migrated.findings))


def _contents(files: tuple[Path, ...]) -> Contents:
    contents = read_contents([path for path in files if str(path) != "-"], None)
    if Path("-") in files:
        read_stream(sys.stdin.read(), "standard input", contents)
    return contents


def _add_cluster(contents: Contents, flags: ClusterFlags) -> None:
    from cmp.cli.objects import read_objects  # noqa: PLC0415  # files need no client of a cluster

    objects = read_objects(flags)
    contents.rules += located_objects("ImageUpdater", objects.updaters)
    contents.applications += located_objects("Application", objects.applications)


def _print(migrated: Migrated, output: str) -> None:
    if output == "json":
        shown: dict[str, Any] = {"resources": migrated.manifests}
        print_json(shown | {"findings": findings_as_json(migrated.findings)})
        return
    print_findings(migrated.findings, err=True)
    apart = json.loads(json.dumps(migrated.manifests))  # equal blocks are no anchors
    text = yaml.safe_dump_all(apart, sort_keys=False, width=99)
    click.echo(text, nl=False)
