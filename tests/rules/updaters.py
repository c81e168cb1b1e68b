"""Small ImageUpdaters and Applications for tests, as YAML and as values."""

from __future__ import annotations

import json
from typing import Any

from cmp.errors import Place
from cmp.located import locate
from cmp.rules import Application, Resource, RuleSet
from cmp.rules.resource import read_resource


def manifest(*refs: Any, name: str = "updater", namespace: str = "argocd", **spec: Any) -> Any:
    """An ImageUpdater with *refs*, as JSON."""
    return {
        "apiVersion": "argocd-image-updater.argoproj.io/v1alpha1",
        "kind": "ImageUpdater",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"applicationRefs": list(refs), **spec},
    }


def ref(pattern: str = "*", *images: Any, **fields: Any) -> Any:
    """An item of applicationRefs; an image may be its name alone, and is then its own alias."""
    items = [
        {"alias": each.rpartition("/")[2].partition(":")[0], "imageName": each}
        if isinstance(each, str)
        else each
        for each in images
    ]
    return {"namePattern": pattern, "images": items, **fields}


def resource(*refs: Any, **fields: Any) -> Resource:
    """An ImageUpdater as it is read."""
    return read_resource(locate(manifest(*refs, **fields), Place("test")))


def resource_of(spec: Any) -> Resource:
    """An ImageUpdater with any *spec*."""
    return read_resource(locate({**manifest(), "spec": spec}, Place("test")))


def ruleset(*resources: Resource) -> RuleSet:
    """The rules of *resources*."""
    return RuleSet.of(resources)


def application(name: str = "shop", **facts: Any) -> Application:
    """An Application in the namespace argocd of which everything is known."""
    known: dict[str, Any] = {"namespace": "argocd", "labels": {}, "annotations": {}}
    return Application(name=name, **known | facts)


def text(*manifests: Any) -> str:
    """*manifests* as a stream of documents."""
    return "---\n".join(json.dumps(each) + "\n" for each in manifests)
