"""From what files or a cluster hold to ImageUpdaters of the official schema."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from cmp.errors import Finding
from cmp.located import Located
from cmp.migrate.annotations import is_annotated, migrate_annotations
from cmp.migrate.fields import Fields
from cmp.migrate.older import migrate_resource
from cmp.migrate.remarks import left_out
from cmp.rules.read import GROUP, KIND, VERSION, rules_of

# The resource that holds what the Applications of one namespace said by annotations.
NAME = "from-annotations"


@dataclass(slots=True)
class Migrated:
    """*manifests* are ImageUpdaters by namespace and name; *findings* what is to be told."""

    manifests: list[Fields] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def migrate(updaters: Iterable[Located], applications: Iterable[Located]) -> Migrated:
    """*updaters* (manifests of ImageUpdaters) and the annotations of *applications* as such.

    The same for the same manifests in any order; and of what it made it makes the same again.
    """
    ruleset = rules_of(updaters)
    migrated = Migrated(findings=list(ruleset.unreadable))
    further: list[Fields] = []
    for resource in ruleset.resources:
        manifests, findings = migrate_resource(resource)
        migrated.manifests += manifests[:1]
        further += manifests[1:]
        migrated.findings += findings
    _add_further(migrated, further)
    refs: dict[str, dict[str, Fields]] = {}
    for manifest in sorted(filter(is_annotated, applications), key=_identity):
        namespace, name = _identity(manifest)
        of_namespace = refs.setdefault(namespace, {})
        if name in of_namespace:
            what = f"a second Application {namespace}/{name}"
            migrated.findings.append(left_out(manifest, what))
            continue
        ref, findings = migrate_annotations(manifest, ruleset.resources)
        migrated.findings += findings
        if ref is not None:
            of_namespace[name] = ref
    _add_refs(migrated, refs)
    migrated.manifests.sort(key=lambda made: (_text(made, "namespace"), _text(made, "name")))
    migrated.findings = list(dict.fromkeys(migrated.findings))
    return migrated


def _add_further(migrated: Migrated, further: list[Fields]) -> None:
    """Add *further* resources, each by a name that no other has."""
    taken = {(_text(made, "namespace"), _text(made, "name")) for made in migrated.manifests}
    for made in sorted(further, key=lambda made: _text(made, "name")):
        while (_text(made, "namespace"), _text(made, "name")) in taken:
            made["metadata"]["name"] += "-2"
        taken.add((_text(made, "namespace"), _text(made, "name")))
        migrated.manifests.append(made)


def _add_refs(migrated: Migrated, refs: dict[str, dict[str, Fields]]) -> None:
    taken = {(_text(made, "namespace"), _text(made, "name")) for made in migrated.manifests}
    for namespace, of_namespace in refs.items():
        name, number = NAME, 1
        while (namespace, name) in taken:
            number += 1
            name = f"{NAME}-{number}"
        metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
        head = {"apiVersion": f"{GROUP}/{VERSION}", "kind": KIND, "metadata": metadata}
        if of_namespace:
            spec = {"applicationRefs": list(of_namespace.values())}
            migrated.manifests.append(head | {"spec": spec})


def _identity(manifest: Located) -> tuple[str, str]:
    metadata = manifest.nearest(("metadata",))
    found = (metadata.get("namespace"), metadata.get("name"))
    namespace, name = (value.text if value else "" for value in found)
    return namespace, name


def _text(manifest: Fields, name: str) -> str:
    return str(manifest["metadata"].get(name, ""))
