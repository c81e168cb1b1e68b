"""A CRD that refuses and prunes what the official one of v1.4 does (its api/v1alpha1), for tests.

Written from what its types say: an alias is required and unique, `allowTags` is one string, and
nothing is known of Retag's fields or of the older form. That of v1.3 stores defaults besides.
"""

from __future__ import annotations

from typing import Any

from cmp.rules.crd import definition
from cmp.rules.read import GROUP

_TEXT = {"type": "string"}
_FLAG = {"type": "boolean"}
_TEXTS = {"type": "array", "items": _TEXT, "x-kubernetes-list-type": "atomic"}


def _object(properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, **more}


def _keyed(items: dict[str, Any], key: str, **more: Any) -> dict[str, Any]:
    keys = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}
    return {"type": "array", "items": items, **keys, **more}


def _condition(rule: str, message: str) -> list[dict[str, str]]:
    return [{"rule": rule, "message": message}]


def official(*, stores_defaults: bool = False) -> dict[str, Any]:
    """The CRD of v1.4 or, with *stores_defaults*, of v1.3."""
    crd = definition()
    version = crd["spec"]["versions"][0]
    schema = version["schema"]["openAPIV3Schema"]
    schema["properties"]["spec"] = _spec(stores_defaults=stores_defaults)
    del crd["metadata"]["labels"], crd["metadata"]["annotations"]
    assert crd["spec"]["group"] == GROUP
    return crd


def _spec(*, stores_defaults: bool) -> dict[str, Any]:
    settings = _settings(stores_defaults=stores_defaults)
    shared = {
        "commonUpdateSettings": settings,
        "imagesVerification": _verification(),
    }
    written = {"writeBackConfig": _write_back()}
    image = _object(
        shared
        | {
            "alias": _TEXT | {"pattern": "^[a-zA-Z0-9][a-zA-Z0-9-._]*$"},
            "imageName": _TEXT,
            "manifestTargets": _targets(),
        },
        required=["alias", "imageName"],
    )
    rule = (
        "!(has(self.useAnnotations) && self.useAnnotations == true)"
        " ? (has(self.images) && size(self.images) > 0) : true"
    )
    ref = _object(
        shared
        | written
        | {
            "namePattern": _TEXT,
            "labelSelectors": _selector(),
            "useAnnotations": _FLAG | {"default": False},
            "images": _keyed(image, "alias"),
        },
        required=["namePattern"],
    ) | {"x-kubernetes-validations": _condition(rule, "images or annotations")}
    refs = _keyed(ref, "namePattern", minItems=1)
    return _object(shared | written | {"applicationRefs": refs}, required=["applicationRefs"])


def _settings(*, stores_defaults: bool) -> dict[str, Any]:
    semver = {"default": "semver"} if stores_defaults else {}
    no_force = {"default": False} if stores_defaults else {}
    return _object(
        {
            "updateStrategy": _TEXT | semver,
            "forceUpdate": _FLAG | no_force,
            "allowTags": _TEXT,
            "ignoreTags": _TEXTS,
            "pullSecret": _TEXT,
            "platforms": _TEXTS,
        }
    )


def _verification() -> dict[str, Any]:
    key = _object({"secretName": _TEXT, "key": _TEXT}, required=["secretName", "key"])
    block = _object({"enabled": _FLAG | {"default": True}, "cosignKey": key})
    rule = "self.enabled == false || has(self.cosignKey)"
    return block | {"x-kubernetes-validations": _condition(rule, "a key is due")}


def _write_back() -> dict[str, Any]:
    request = _object(
        {"github": {"type": "object"}, "gitlab": {"type": "object"}, "labels": _TEXTS}
    )
    one = _condition("has(self.github) != has(self.gitlab)", "one of two")
    git = dict.fromkeys(("repository", "branch", "writeBackTarget"), _TEXT)
    method = _TEXT | {"pattern": "^(argocd|git|git:[a-zA-Z0-9][a-zA-Z0-9-._/:]*)$"}
    pull_request = request | {"x-kubernetes-validations": one}
    return _object({"method": method, "gitConfig": _object(git | {"pullRequest": pull_request})})


def _targets() -> dict[str, Any]:
    names = {"name": _TEXT, "tag": _TEXT, "spec": _TEXT}
    bounded = {k: v | {"minLength": 1, "maxLength": 253} for k, v in names.items()}
    plugin = _object(bounded) | {
        "x-kubernetes-validations": _condition("has(self.spec) || has(self.name)", "spec or name")
    }
    targets = _object(
        {
            "helm": _object(names),
            "kustomize": _object({"name": _TEXT}, required=["name"]),
            "plugin": plugin,
        }
    )
    counts = (f"(has(self.{name}) ? 1 : 0)" for name in ("helm", "kustomize", "plugin"))
    return targets | {"x-kubernetes-validations": _condition(f"{' + '.join(counts)} == 1", "one")}


def _selector() -> dict[str, Any]:
    expression = _object(
        {"key": _TEXT, "operator": _TEXT, "values": _TEXTS}, required=["key", "operator"]
    )
    expressions = {"type": "array", "items": expression, "x-kubernetes-list-type": "atomic"}
    labels = {"type": "object", "additionalProperties": _TEXT}
    return _object({"matchExpressions": expressions, "matchLabels": labels}) | {
        "x-kubernetes-map-type": "atomic"
    }
