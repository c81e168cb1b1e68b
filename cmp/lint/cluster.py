"""What lies in a cluster, held against the CRD that is installed there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cmp.errors import Finding, Place, Severity
from cmp.located import Located, locate
from cmp.rules.crd import NAME
from cmp.rules.pruning import Schema, lacking_fields, lost_paths, schema_of

CRD_FILE = "deploy/base/00-crd.yaml"
_CRD = Place(f"CustomResourceDefinition {NAME}")
_APPLY = f"kubectl apply --server-side --force-conflicts -f {CRD_FILE}"
_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_NAMED = 8  # fields in one line


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterObjects:
    """What was read of a cluster, as JSON.

    *crd* is the CustomResourceDefinition of ImageUpdaters, None where there is none or, with
    *unread* saying why, where it may not be read.
    """

    crd: Mapping[str, Any] | None
    updaters: Sequence[Mapping[str, Any]] = ()
    applications: Sequence[Mapping[str, Any]] = ()
    unread: str = ""

    @property
    def schema(self) -> Schema | None:
        """The installed schema, where it is known."""
        return None if self.crd is None else schema_of(self.crd)


def located_objects(kind: str, objects: Sequence[Mapping[str, Any]]) -> list[Located]:
    """*objects*, each at the place `<kind> <namespace>/<name>`.

    Without the fields' managers, and the status, in which no rule is.
    """
    return [_located(kind, each) for each in objects]


def check_cluster(cluster: ClusterObjects, files: Sequence[Located]) -> Iterator[Finding]:
    """What the installed CRD does to rules; *files* are ImageUpdaters that are not there yet."""
    schema = cluster.schema
    if schema is None:
        yield _missing(cluster.unread)
        return
    if lacking := lacking_fields(schema):
        yield _lacking(lacking)
    for document in files:
        yield from _lost(schema, document, document.data)
    for document in located_objects("ImageUpdater", cluster.updaters):
        yield from _lost(schema, document, _applied(document))


def _located(kind: str, manifest: Mapping[str, Any]) -> Located:
    metadata = {k: v for k, v in manifest["metadata"].items() if k != "managedFields"}
    name = f"{metadata.get('namespace', '')}/{metadata['name']}"
    kept = {k: v for k, v in manifest.items() if k != "status" or kind == "Application"}
    return locate(kept | {"metadata": metadata}, Place(f"{kind} {name}"))


def _missing(unread: str) -> Finding:
    if unread:
        what = f"it cannot be told which fields the cluster drops: {unread}"
        remedy = "use an account that may get customresourcedefinitions"
        return Finding("RT395", Severity.WARNING, what, _CRD, remedy=remedy)
    what = "the cluster has no such kind, so it holds no rules"
    return Finding("RT395", Severity.ERROR, what, _CRD, remedy=_APPLY)


def _lacking(fields: Sequence[str]) -> Finding:
    shown = ", ".join(fields[:_NAMED])
    more = f" and {len(fields) - _NAMED} more" if len(fields) > _NAMED else ""
    what = f"this is not Retag's: the cluster drops {shown}{more} without a word"
    return Finding("RT396", Severity.WARNING, what, _CRD, remedy=_APPLY)


def _lost(schema: Schema, document: Located, manifest: Any) -> Iterator[Finding]:
    """The fields of *manifest*, which is or has become *document*, that are not stored."""
    if not isinstance(manifest, dict):
        return
    for path in lost_paths(schema, manifest):
        place = document.nearest(path)
        what = f"the cluster's CRD drops {path[-1]} without a word"
        yield place.finding("RT397", what, remedy=f"install Retag's: {_APPLY}")


def _applied(document: Located) -> Any:
    """What `kubectl apply` was given, by its own note; None where there is none."""
    note = document.at("metadata", "annotations", _APPLIED)
    try:
        return json.loads(note.text) if note else None
    except ValueError:
        return None
