"""`Application`: what rules ask of the Argo CD Application that is rendered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# The keys of a source that fix its tool, and Argo CD's name of that source type.
_TOOLS = {"helm": "Helm", "kustomize": "Kustomize", "plugin": "Plugin"}

# Of those that run, which are looked at one by one: an Application has some hundreds at most.
_MOST_IMAGES = 5000


@dataclass(frozen=True, slots=True)
class Source:
    """One of the Application's sources; *tools* are the source types its fields ask for."""

    repository: str = ""
    path: str = ""
    tools: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """An Argo CD Application, as far as it is known.

    *namespace*, *project* are "" and *labels*, *annotations* None where they are unknown.
    *images* are references that run (`status.summary.images`), None where nobody can tell.
    *variables* are the names in its `plugin.env`, those of parameters too, as far as is known.
    *source_types* are what Argo CD found (`status.sourceTypes`, or the one `status.sourceType`),
    *hydrated* the source hydrator's. *refresh_asked_at* is when a hard refresh of it was asked for
    (seconds since the epoch; 0: never, as far as is known). *recognised* is whether the request
    that names it can be its own; else its rules are read, and nothing is recorded.
    """

    name: str
    namespace: str = ""
    project: str = ""
    labels: Mapping[str, str] | None = None
    annotations: Mapping[str, str] | None = None
    images: tuple[str, ...] | None = None
    variables: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    source_types: tuple[str, ...] = ()
    several_sources: bool = False
    hydrated: bool = False
    refresh_asked_at: float = 0
    recognised: bool = True

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name

    @classmethod
    def from_manifest(cls, manifest: Any) -> Application:
        """The Application of the resource *manifest* (JSON); what has the wrong type is absent."""
        metadata, spec = _mapping(manifest, "metadata"), _mapping(manifest, "spec")
        status = _mapping(manifest, "status")
        hydrator = spec.get("sourceHydrator")
        hydrated = isinstance(hydrator, dict)
        several = not hydrated and bool(_items(spec, "sources"))
        sources = _items(spec, "sources") if several else [spec.get("source")]
        if hydrated:
            sources = [_mapping(hydrator, "drySource")]
        types = _items(status, "sourceTypes") if several else [status.get("sourceType")]
        return cls(
            name=_text(metadata, "name"),
            namespace=_text(metadata, "namespace"),
            project=_text(spec, "project"),
            labels=_texts(_mapping(metadata, "labels")),
            annotations=_texts(_mapping(metadata, "annotations")),
            images=tuple(map(str, _items(_mapping(status, "summary"), "images")[:_MOST_IMAGES])),
            variables=tuple(name for source in sources for name in _variables(source)),
            sources=tuple(_source(source) for source in sources if isinstance(source, dict)),
            source_types=tuple(str(each or "") for each in types),
            several_sources=several,
            hydrated=hydrated,
        )


def _source(fields: dict[str, Any]) -> Source:
    tools = frozenset(kind for key, kind in _TOOLS.items() if fields.get(key) is not None)
    return Source(_text(fields, "repoURL"), _text(fields, "path"), tools)


def _variables(source: Any) -> list[str]:
    """The names in the `plugin.env` of *source*."""
    items = _items(_mapping(source, "plugin"), "env")
    return [_text(item, "name") for item in items if isinstance(item, dict)]


def _mapping(parent: Any, key: str) -> dict[str, Any]:
    value = parent.get(key) if isinstance(parent, dict) else None
    return value if isinstance(value, dict) else {}


def _items(parent: dict[str, Any], key: str) -> list[Any]:
    value = parent.get(key)
    return value if isinstance(value, list) else []


def _text(parent: dict[str, Any], key: str) -> str:
    value = parent.get(key)
    return value if isinstance(value, str) else ""


def _texts(mapping: dict[str, Any]) -> dict[str, str]:
    return {key: value for key, value in mapping.items() if isinstance(value, str)}
