"""The CustomResourceDefinition of ImageUpdater, made of the models: deploy/base/00-crd.yaml.

It accepts what the official one of v1.0 to v1.4 accepts, the older form, and Retag's own fields;
what the reader calls an error and a schema can say, the API server refuses. docs/decisions/0018
says where it differs from the official one, and why.

Structural schemas: "Extend the Kubernetes API with CustomResourceDefinitions" of Kubernetes.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from cmp.rules.crd_status import COLUMNS, STATUS
from cmp.rules.model import ImageFields, RefFields, SpecFields
from cmp.rules.older import COMMITTER, MOVED
from cmp.rules.read import GROUP, KIND, VERSION

PLURAL = "imageupdaters"
NAME = f"{PLURAL}.{GROUP}"

Schema = dict[str, Any]

_METHOD = "^(argocd|git|git:[a-zA-Z0-9][a-zA-Z0-9-._/:]*)$"
# A string, or the older form's list: a structural schema has no such type, so each kind of value
# but these two is refused by what applies to it alone.
_TEXT_OR_LIST: Schema = {
    "x-kubernetes-preserve-unknown-fields": True,
    "not": {"enum": [True, False]},
    "minimum": 1,
    "maximum": 0,
    "minProperties": 1,
    "maxProperties": 0,
    "minItems": 1,
    "items": {
        "type": "object",
        "required": ["regex"],
        "maxProperties": 1,
        "properties": {"regex": {"type": "string"}},
    },
}

# What is added to the schema of a field, by model and field.
_ADDITIONS: dict[tuple[str, str], Schema] = {
    ("CommonUpdateSettings", "allowTags"): _TEXT_OR_LIST,
    ("CommonUpdateSettings", "minAge"): {"maxLength": 32, "pattern": "^([0-9]+[wdhms])+$"},
    ("ImageFields", "pin"): {"pattern": "^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$"},
    ("ImagesVerification", "enabled"): {"default": True},
    ("PullRequest", "labels"): {
        "maxItems": 100,
        "items": {"type": "string", "minLength": 1, "maxLength": 255},
    },
    ("SpecFields", "applicationRefs"): {"minItems": 1},
    ("WriteBackConfig", "method"): {"pattern": _METHOD},
}

# A condition in CEL on a model, and what is said where it does not hold. None of them reads the
# content of a string or walks a list, so they cost next to nothing, and nothing must be bounded.
_ANNOTATED = "(has(self.useAnnotations) && self.useAnnotations)"
_EITHER_HELM = "!(has(self.helm) && (has(self.kustomize) || has(self.plugin)))"
_CONDITIONS: dict[str, tuple[str, str]] = {
    "RefFields": (
        f"{_ANNOTATED} || (has(self.images) && size(self.images) > 0)",
        "images must hold at least one image, unless useAnnotations is true",
    ),
    "ManifestTargets": (
        f"{_EITHER_HELM} && !(has(self.kustomize) && has(self.plugin))",
        "helm, kustomize and plugin exclude one another: state one of them",
    ),
    "PullRequest": (
        "has(self.github) != has(self.gitlab)",
        "state either github or gitlab",
    ),
}

OURS = "Retag's own; the official CRD has it not. "
OLDER = "The older form; its place now is commonUpdateSettings. "
_NOTHING = "No effect on a render, which writes nothing back. "

# What `kubectl explain` says.
_MEANINGS: dict[str, str] = {
    "SpecFields.applicationRefs": "Which Applications, and their images. Of those that match an"
    " Application the most specific governs alone.",
    "SpecFields.commonUpdateSettings": "How a tag is chosen, for all images.",
    "SpecFields.imagesVerification": "Signatures, for all images.",
    "SpecFields.namespace": "Official before v1.2: where the Applications are. The resource's own"
    " namespace says that.",
    "SpecFields.writeBackConfig": _NOTHING,
    "RefFields.namePattern": "A glob for the Application's name.",
    "RefFields.labelSelectors": "Labels that the Application must have.",
    "RefFields.images": "The images; due unless useAnnotations is true.",
    "RefFields.useAnnotations": "The images stand in the Application's annotations.",
    "RefFields.commonUpdateSettings": "How a tag is chosen, for the images of this ref.",
    "RefFields.imagesVerification": "Signatures, for the images of this ref.",
    "RefFields.writeBackConfig": _NOTHING,
    "ImageFields.alias": "The image's name in pins and reports. Without one it is the last part of"
    " its path; the official CRD requires it.",
    "ImageFields.imageName": "Registry, repository and, in the place of the tag, a constraint.",
    "ImageFields.commonUpdateSettings": "How a tag is chosen, for this image.",
    "ImageFields.manifestTargets": "How the image is called in the manifest.",
    "ImageFields.imagesVerification": "Signatures, for this image.",
    "ImageFields.pin": OURS + "This tag, whatever the policy says.",
    "CommonUpdateSettings.updateStrategy": "How tags are ordered: semver, newest-build,"
    " alphabetical, digest or numerical; semver if nothing says otherwise.",
    "CommonUpdateSettings.forceUpdate": "No effect: nothing depends on what runs.",
    "CommonUpdateSettings.allowTags": "any, or regexp: and an expression (RE2) that must match"
    " somewhere in the tag. In the older form a list of {regex: <expression>}.",
    "CommonUpdateSettings.ignoreTags": "Globs of tags to leave out.",
    "CommonUpdateSettings.pullSecret": "secret:<namespace>/<name>#<field> or"
    " pullsecret:<namespace>/<name>, instead of the registry's credentials.",
    "CommonUpdateSettings.platforms": "os/arch or os/arch/variant; an image must have one.",
    "CommonUpdateSettings.suspend": OURS + "True: the image stays where it is.",
    "CommonUpdateSettings.denyTags": OURS + "Globs of tags that not even a pin may name.",
    "CommonUpdateSettings.minAge": OURS + "How long ago a tag must have been pushed: 12h, 7d.",
    "CommonUpdateSettings.output": OURS + "What is written; tag if nothing says otherwise.",
    "CommonUpdateSettings.orderBy": OURS + "Which time newest-build goes by; built if nothing"
    " says otherwise.",
    "CommonUpdateSettings.filterTags": OURS + "The tags that count, and what of them is compared.",
    "CommonUpdateSettings.maxSeverity": OURS + "The worst that a scan may have found.",
    "CommonUpdateSettings.requireTrusted": OURS + "True: only tags that the registry trusts.",
    "FilterTags.pattern": "An expression (RE2) that must match somewhere in the tag.",
    "FilterTags.extract": "What is compared, as ${build}; the whole tag if it is not stated.",
    "ImagesVerification.enabled": "Whether signatures are asked for.",
    "ImagesVerification.cosignKey": "The public key: a Secret of the resource's namespace.",
    "ManifestTargets.kustomize": "The image's name as it stands in the manifest.",
    "ManifestTargets.helm": _NOTHING,
    "ManifestTargets.plugin": _NOTHING,
}


def definition() -> dict[str, Any]:
    """The CustomResourceDefinition as a manifest."""
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": COLUMNS,
        "schema": {"openAPIV3Schema": _resource()},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": NAME,
            "labels": {"app.kubernetes.io/part-of": "retag"},
            # Before the resources of this kind, which belong into a later wave.
            "annotations": {"argocd.argoproj.io/sync-wave": "-1"},
        },
        "spec": {
            "group": GROUP,
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": KIND.lower(),
            },
            "scope": "Namespaced",
            "versions": [version],
        },
    }


def _resource() -> Schema:
    return {
        "type": "object",
        "description": "Which tags the images of some Applications may have.",
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": _spec(),
            "status": STATUS,
        },
    }


def _spec() -> Schema:
    spec, ref, image = _of(SpecFields), _of(RefFields), _of(ImageFields)
    settings = image["properties"]["commonUpdateSettings"]["properties"]
    for name in MOVED:
        text = settings[name]["description"]
        image["properties"][name] = settings[name] | {"description": OLDER + text}
    for holder in (spec, ref):
        write_back = holder["properties"]["writeBackConfig"]["properties"]
        write_back |= {name: {"type": "string"} for name in COMMITTER}
    _hold(ref, "images", image)
    _hold(spec, "applicationRefs", ref)
    spec["required"] = ["applicationRefs"]
    return spec


def _hold(holder: Schema, name: str, item: Schema) -> None:
    """Make the field *name* of *holder* a list.

    It is atomic: a list with keys would need an alias, which the older form has not, and would
    refuse a second ref of one pattern, which labels tell apart.
    """
    field = holder["properties"][name]
    holder["properties"][name] = field | {
        "type": "array",
        "x-kubernetes-list-type": "atomic",
        "items": item,
    }


def _of(model: type[BaseModel]) -> Schema:
    """The structural schema of *model*."""
    schema = model.model_json_schema(by_alias=True)
    return _structural(schema, schema.get("$defs", {}), model.__name__)


def _structural(schema: Schema, models: Schema, name: str) -> Schema:
    """*schema*, as pydantic makes it, as a structural one; *name* is the model's, "" for none."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return _structural(models[name], models, name)
    if "anyOf" in schema:
        stated = next(each for each in schema["anyOf"] if each.get("type") != "null")
        return _structural(stated, models, name)
    match schema.get("type"):
        case "object" if "additionalProperties" in schema and "properties" not in schema:
            return {"type": "object", "additionalProperties": {"type": "string"}}
        case "object":
            return _object(schema, models, name)
        case "array":
            items = _structural(schema["items"], models, "")
            return {"type": "array", "x-kubernetes-list-type": "atomic", "items": items}
    return {key: schema[key] for key in ("type", "enum") if key in schema}


def _object(schema: Schema, models: Schema, model: str) -> Schema:
    found: Schema = {"type": "object"}
    if model in _CONDITIONS:
        rule, message = _CONDITIONS[model]
        found["x-kubernetes-validations"] = [{"rule": rule, "message": message}]
    if model == "LabelSelector":
        found["x-kubernetes-map-type"] = "atomic"
    if "required" in schema:
        found["required"] = schema["required"]
    properties = schema.get("properties", {})
    if properties:
        found["properties"] = {
            name: _field(model, name, _structural(field, models, ""))
            for name, field in properties.items()
        }
    return found


def _field(model: str, name: str, field: Schema) -> Schema:
    """The *field* of *model*, with what only this module knows of it."""
    meaning = _MEANINGS.get(f"{model}.{name}")
    described = {"description": meaning} if meaning else {}
    if (model, name) == ("CommonUpdateSettings", "allowTags"):
        field = {}  # its type is in the addition
    return described | field | _ADDITIONS.get((model, name), {})
