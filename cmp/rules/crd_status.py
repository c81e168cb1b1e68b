"""The `status` of an ImageUpdater and what `kubectl get` prints of it, as in the official CRD."""

from __future__ import annotations

from typing import Any

_TEXT = {"type": "string"}
_TIME = {"type": "string", "format": "date-time"}
_COUNT = {"type": "integer", "format": "int32", "minimum": 0}
_GENERATION = {"type": "integer", "format": "int64", "minimum": 0}

# metav1.Condition, whose bounds and patterns are those of k8s.io/apimachinery.
_CONDITION: dict[str, Any] = {
    "type": "object",
    "required": ["lastTransitionTime", "message", "reason", "status", "type"],
    "properties": {
        "type": {
            "type": "string",
            "maxLength": 316,
            "pattern": "^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
            "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
        },
        "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
        "reason": {
            "type": "string",
            "minLength": 1,
            "maxLength": 1024,
            "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
        },
        "message": {"type": "string", "maxLength": 32768},
        "lastTransitionTime": _TIME,
        "observedGeneration": _GENERATION,
    },
}

_UPDATE: dict[str, Any] = {
    "type": "object",
    "required": ["alias", "applicationsUpdated", "image", "newVersion", "updatedAt"],
    "properties": {
        "alias": _TEXT,
        "image": _TEXT | {"description": "The image, with its registry."},
        "newVersion": _TEXT | {"description": "The tag or digest that it has now."},
        "applicationsUpdated": _COUNT | {"description": "How many Applications got it."},
        "updatedAt": _TIME,
        "message": _TEXT,
    },
}

STATUS: dict[str, Any] = {
    "type": "object",
    "description": "What the controller found at its last look.",
    "properties": {
        "observedGeneration": _GENERATION
        | {"description": "The generation of the resource that was looked at."},
        "lastCheckedAt": _TIME | {"description": "When registries were last looked at."},
        "lastUpdatedAt": _TIME | {"description": "When an image last got another tag."},
        "applicationsMatched": _COUNT | {"description": "How many Applications are matched."},
        "imagesManaged": _COUNT | {"description": "How many images are ruled."},
        "recentUpdates": {
            "type": "array",
            "description": "The images that got another tag at the last look that changed one.",
            "x-kubernetes-list-type": "atomic",
            "items": _UPDATE,
        },
        "conditions": {
            "type": "array",
            "description": "Ready, Reconciling and Error.",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["type"],
            "items": _CONDITION,
        },
    },
}

COLUMNS: list[dict[str, str]] = [
    {"name": "Apps", "type": "integer", "jsonPath": ".status.applicationsMatched"},
    {"name": "Images", "type": "integer", "jsonPath": ".status.imagesManaged"},
    {"name": "Last Checked", "type": "date", "jsonPath": ".status.lastCheckedAt"},
    {
        "name": "Ready",
        "type": "string",
        "jsonPath": '.status.conditions[?(@.type=="Ready")].status',
    },
]
