"""Writes the tables of fields in docs/rules.md from the models of the rules.

    python -m scripts.rules_docs [--check]

With --check nothing is written, and a page that differs exits with 1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from cmp.rules.crd import OLDER, OURS, definition
from scripts.tables import main, table

Schema = Mapping[str, Any]

# What a page can say better than `kubectl explain`: where more is told.
_MORE = {
    "commonUpdateSettings": "[Settings](#settings).",
    "filterTags": "[Filters](#filters).",
    "imagesVerification": "[Signatures](#signatures).",
    "maxSeverity": "A [gate](#gates).",
    "minAge": "A [gate](#gates).",
    "orderBy": "[Push times](#push-times).",
    "output": "[Digests](#digests).",
    "requireTrusted": "A [gate](#gates).",
    "updateStrategy": "[Strategies](#strategies).",
    "useAnnotations": "[Annotations](#annotations).",
}
_CODE = re.compile(r"\$?\{[^}]*\}|\S*<\w+>[^\s,;]*")  # which Markdown takes for HTML


def _fields(block: Schema) -> list[str]:
    """The table of the fields of *block*."""
    required = block.get("required", ())
    return table(
        ("field", "kind", "", "meaning"),
        (
            (
                f"`{name}`",
                _kind(field),
                _note(field, required=name in required),
                _text(name, field),
            )
            for name, field in block["properties"].items()
            if not field.get("description", "").startswith(OLDER)
        ),
    )


def _kind(field: Schema) -> str:
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    match field.get("type"):
        case "array":
            return "list"
        case "object":
            return "block"
        case None:
            return "string, list"
        case other:
            return str(other)


def _note(field: Schema, *, required: bool) -> str:
    if field.get("description", "").startswith(OURS):
        return "ours"
    return "required" if required else ""


def _text(name: str, field: Schema) -> str:
    said = field.get("description", "").removeprefix(OURS).strip()
    return " ".join(filter(None, (_CODE.sub(r"`\g<0>`", said), _MORE.get(name))))


def tables() -> dict[str, list[str]]:
    """The tables of the page, by name."""
    resource = definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    spec = resource["properties"]["spec"]
    ref = spec["properties"]["applicationRefs"]["items"]
    image = ref["properties"]["images"]["items"]
    settings = image["properties"]["commonUpdateSettings"]
    blocks = {"spec": spec, "ref": ref, "image": image, "settings": settings}
    return {name: _fields(block) for name, block in blocks.items()}


if __name__ == "__main__":
    main(__doc__ or "", "rules.md", tables())
