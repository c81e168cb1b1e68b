"""What an API server drops of an ImageUpdater without a word: the fields its CRD does not know.

Pure; `retag lint --cluster` and `retag doctor` read the CustomResourceDefinition for it.
Pruning is as "Field pruning" of Kubernetes' documentation on CustomResourceDefinitions has it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cmp.located import Path, path_text
from cmp.rules.crd import definition
from cmp.rules.read import VERSION

Schema = Mapping[str, Any]

_KEEPS = "x-kubernetes-preserve-unknown-fields"
_ALWAYS = frozenset({"apiVersion", "kind", "metadata"})


def schema_of(crd: Mapping[str, Any]) -> Schema:
    """The schema by which objects are pruned; empty where *crd* has no version of ours."""
    versions = crd.get("spec", {}).get("versions", ())
    for version in versions:
        if version.get("name") == VERSION:
            schema: Schema = version.get("schema", {}).get("openAPIV3Schema", {})
            return schema
    return {}


def dropped_fields(schema: Schema, manifest: Mapping[str, Any]) -> list[str]:
    """The fields of *manifest* that are not stored under *schema*, as `spec.namespace`.

    Of a block that is dropped whole only the block is named.
    """
    return [path_text(path) for path in dropped_paths(schema, manifest)]


def dropped_paths(schema: Schema, manifest: Mapping[str, Any]) -> list[Path]:
    """The same as paths, in the order in which they stand in *manifest*."""
    known = {name: value for name, value in manifest.items() if name not in _ALWAYS}
    return list(_dropped(schema, known, ()))


def lost_paths(schema: Schema, manifest: Mapping[str, Any]) -> list[Path]:
    """Those of them that Retag's own schema keeps: no typing errors, which others tell of."""
    nobody_knows = set(dropped_paths(schema_of(definition()), manifest))
    return [path for path in dropped_paths(schema, manifest) if path not in nobody_knows]


def lacking_fields(schema: Schema) -> list[str]:
    """The fields of Retag's own schema that *schema* has not, as `spec.applicationRefs[].pin`."""
    missing = _lacking(schema, schema_of(definition()), "")
    return sorted(name for name in missing if name not in _ALWAYS)


def _dropped(schema: Schema, value: Any, path: Path) -> Iterator[Path]:
    if isinstance(value, list):
        items = schema.get("items", {_KEEPS: True})
        for index, item in enumerate(value):
            yield from _dropped(items, item, (*path, index))
    if not isinstance(value, dict):
        return
    properties = schema.get("properties", {})
    others = schema.get("additionalProperties")
    for name, child in value.items():
        if name in properties:
            yield from _dropped(properties[name], child, (*path, name))
        elif isinstance(others, Mapping):
            yield from _dropped(others, child, (*path, name))
        elif not (others or schema.get(_KEEPS)):
            yield (*path, name)


def _lacking(schema: Schema, ours: Schema, path: str) -> Iterator[str]:
    if schema.get(_KEEPS):
        return
    properties = schema.get("properties", {})
    for name, field in ours.get("properties", {}).items():
        here = f"{path}.{name}" if path else name
        if name in properties:
            yield from _lacking(properties[name], field, here)
        else:
            yield here
    # A list where there is none is refused, which is no pruning.
    if "items" in ours and "items" in schema:
        yield from _lacking(schema["items"], ours["items"], f"{path}[]")
