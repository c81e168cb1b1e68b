"""ImageUpdaters of the cluster as rules: each is read once, and again only when it changes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from cmp.errors import Finding, Place, Severity
from cmp.lines import bug
from cmp.located import Located, locate
from cmp.rules.resource import read_resource
from cmp.rules.units import Resource
from sidecar.kubernetes import IMAGE_UPDATERS, Object
from sidecar.kubernetes.mirror import Key

_MOST_IMAGES = 1000  # that are looked for in a resource which cannot be read
# Bytes of a resource: 500 images with all their settings. Each takes a second to be read, and all
# others wait for that; the API server takes six times as much.
LARGEST = 256 * 1024


def keep_rules(manifest: Object) -> bytes:
    """What rules need of an ImageUpdater, as JSON: its status, for one, changes nothing.

    One that is nested too deeply to be written keeps its name, with a spec that is none.
    """
    metadata = manifest.get("metadata") or {}
    kept = {
        "apiVersion": manifest.get("apiVersion"),
        "kind": manifest.get("kind"),
        "metadata": {key: metadata.get(key) for key in ("name", "namespace")},
        "spec": manifest.get("spec"),
    }
    try:
        return _json(kept)
    except (RecursionError, ValueError):
        return _json({**kept, "spec": "nested too deeply"})


class RulesReader:
    """Reads ImageUpdaters as `keep_rules` keeps them. Not for two threads at once.

    *argocd* is Argo CD's own namespace; *reader* makes a resource of a document.
    """

    def __init__(
        self, argocd: str, *, reader: Callable[[Located], Resource] = read_resource
    ) -> None:
        self._argocd = argocd
        self._reader = reader
        self._read: dict[Key, tuple[bytes, Resource]] = {}

    def read(self, objects: Mapping[Key, bytes]) -> tuple[Resource, ...]:
        """The resources of *objects*; those that are as they were at the last call, the same.

        Raises nothing: what cannot be read is a resource that is broken.
        """
        read: dict[Key, tuple[bytes, Resource]] = {}
        for key, kept in objects.items():
            known = self._read.get(key)
            same = known is not None and known[0] == kept
            read[key] = known if known and same else (kept, self._resource(key, kept))
        self._read = read
        return tuple(resource for _, resource in read.values())

    def _resource(self, key: Key, kept: bytes) -> Resource:
        place = Place(f"{IMAGE_UPDATERS.name} {'/'.join(key)}")
        manifest: dict[str, Any] = {}
        try:
            manifest = json.loads(kept)
            if len(kept) > LARGEST:
                resource = self._unread(key, manifest, _too_large(place))
            else:
                resource = self._reader(locate(manifest, place))
        except Exception as error:  # noqa: BLE001  # of one resource, whatever people write
            resource = self._unread(key, manifest, _bug(error, place))
        return resource if self._may_rule(resource, key) else _out_of_reach(resource, key)

    def _may_rule(self, resource: Resource, key: Key) -> bool:
        """Whether the Applications are those of the resource's own namespace.

        The older form names another as `spec.namespace`. Who may write beside Argo CD rules all
        Applications anyway; any other would rule those of others, with their Secrets.
        """
        return key[0] in (resource.namespace, self._argocd)

    def _unread(self, key: Key, manifest: Mapping[str, Any], finding: Finding) -> Resource:
        """The resource that cannot be read: it disables the images that it names, and no other.

        Where it names none, or very many, it may rule any Application of the namespace that it is
        for.
        """
        namespace, name = key
        place = finding.place
        names = sorted(set(_image_names(manifest.get("spec"))))
        if len(names) > _MOST_IMAGES:
            names = []  # to leave some out would have those ruled by others, or nobody
        images = [{"alias": f"image-{at}", "imageName": each} for at, each in enumerate(names)]
        spec = {"applicationRefs": [{"namePattern": "*", "images": images}]}
        stated = manifest.get("spec")
        older = stated.get("namespace") if isinstance(stated, dict) else None
        ruled = older if isinstance(older, str) and older else namespace
        stand_in = {"metadata": {"name": name, "namespace": ruled}, "spec": spec}
        try:
            resource = self._reader(locate(stand_in, place))
        except Exception:  # noqa: BLE001  # then it is perhaps a name
            names = []
        if not names:
            empty = Located({}, place)
            return Resource(empty, ruled, name, refs=None, findings=(finding,), broken=True)
        return replace(resource, broken=True, findings=(finding,))


def _bug(error: Exception, place: Place) -> Finding:
    fault = bug(error)
    what = f"{fault.what} at {fault.where}"
    return Finding(fault.code, Severity.ERROR, what, place, remedy=fault.remedy)


def _too_large(place: Place) -> Finding:
    what = f"the resource has more than {LARGEST // 1024} KiB"
    remedy = "write several resources, each for some of the Applications"
    return Finding("RT361", Severity.ERROR, what, place, remedy=remedy)


def _out_of_reach(resource: Resource, key: Key) -> Resource:
    """*resource* as a broken one of its own namespace."""
    value = resource.located.nearest(("spec", "namespace"))
    other = resource.namespace or "no single namespace"
    finding = value.finding(
        "RT360",
        f"a resource of the namespace {key[0]} cannot rule Applications of {other}",
        remedy="put it into the namespace of its Applications, or into Argo CD's own",
    )
    return replace(resource, namespace=key[0], broken=True, findings=(finding, *resource.findings))


def _image_names(spec: Any) -> Iterator[str]:
    """All that may be the name of an image in *spec*."""
    left = [spec]
    while left:
        value = left.pop()
        if isinstance(value, list):
            left += value
        elif isinstance(value, dict):
            left += value.values()
            name = value.get("imageName")
            if isinstance(name, str):
                yield name


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True, allow_nan=False).encode()
