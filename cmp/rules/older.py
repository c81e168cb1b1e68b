"""The older form of ImageUpdater resources, as it stands in people's repositories, made official.

The official CRD refuses an image without alias, and prunes the rest without a word: settings
directly on an image, `allowTags` as a list of `{regex: …}`, the committer in `writeBackConfig`.
Here they mean what they say. Where both forms state a field, the official one wins.
"""

from __future__ import annotations

from dataclasses import replace

from cmp.errors import Finding, Severity
from cmp.located import Located

SETTINGS = "commonUpdateSettings"
_MOVED = ("updateStrategy", "allowTags", "ignoreTags", "pullSecret", "platforms", "forceUpdate")
_COMMITTER = ("gitCommitUser", "gitCommitEmail")


def official_image(image: Located) -> tuple[Located, list[Finding]]:
    """An item of `images` with its own settings where the official schema has them."""
    older = {name: image.fields[name] for name in _MOVED if name in image.fields}
    if not older:
        return official_holder(image)
    block = image.get(SETTINGS)
    stated = block.fields if block is not None else {}
    findings = [_moved(name, value, both=name in stated) for name, value in older.items()]
    here = block if block is not None else replace(image, faults=())
    settings = here.with_fields({**older, **stated})
    kept = {name: value for name, value in image.fields.items() if name not in older}
    if block is not None and not isinstance(block.value, dict):
        return image.with_fields(kept), findings  # its wrong type is said later
    official, more = official_holder(image.with_fields({**kept, SETTINGS: settings}))
    return official, findings + more


def official_holder(holder: Located) -> tuple[Located, list[Finding]]:
    """A spec, ref or image with its blocks of settings and write-back in the official form.

    `allowTags` becomes a list of what the official field spells: any of them allows.
    """
    fields = dict(holder.fields)
    findings: list[Finding] = []
    settings = holder.get(SETTINGS)
    if settings is not None and settings.get("allowTags") is not None:
        allowed, findings = _allow_tags(settings.fields["allowTags"])
        fields[SETTINGS] = settings.with_fields({**settings.fields, "allowTags": allowed})
    write_back = holder.get("writeBackConfig")
    if write_back is not None:
        for name in _COMMITTER:
            findings += [_committer(value) for value in [write_back.get(name)] if value]
        kept = {name: value for name, value in write_back.fields.items() if name not in _COMMITTER}
        if isinstance(write_back.value, dict):
            fields["writeBackConfig"] = write_back.with_fields(kept)
    return (holder.with_fields(fields) if isinstance(holder.value, dict) else holder), findings


def _moved(name: str, value: Located, *, both: bool) -> Finding:
    field = replace(value, place=value.key or value.place)
    if both:
        what = f"{name} stands in {SETTINGS} too, which wins"
        return field.finding("RT311", what, severity=Severity.WARNING, remedy="remove this one")
    return field.finding(
        "RT310",
        f"the official CRD prunes {name} here",
        severity=Severity.WARNING,
        remedy=f"move it into {SETTINGS}",
    )


def _committer(value: Located) -> Finding:
    return value.finding(
        "RT316",
        "who commits is not a field of the official CRD, and Retag commits nothing",
        severity=Severity.WARNING,
        remedy="remove it",
    )


def _allow_tags(value: Located) -> tuple[Located, list[Finding]]:
    if not isinstance(value.value, list):
        return replace(value, value=[value]), []
    findings = [
        value.finding(
            "RT313",
            "the official CRD refuses a list here",
            severity=Severity.WARNING,
            remedy="write one string, regexp:<expression>",
        )
    ]
    allowed = []
    for item in value.items:
        regex = item.get("regex")
        text = regex.value if regex is not None and len(item.fields) == 1 else None
        if regex is None or not isinstance(text, str) or text.lower().startswith("regexp:"):
            findings.append(_bad_item(regex or item))
        else:
            allowed.append(replace(regex, value=f"regexp:{text}"))
    return replace(value, value=allowed), findings


def _bad_item(item: Located) -> Finding:
    return item.finding(
        "RT314",
        "allowTags is one string (any or regexp:<expression>), or a list of {regex: <expression>}",
        remedy="put the expression in quotes, without regexp:, under the key regex",
    )
