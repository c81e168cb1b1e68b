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
MOVED = ("updateStrategy", "allowTags", "ignoreTags", "pullSecret", "platforms", "forceUpdate")
COMMITTER = ("gitCommitUser", "gitCommitEmail")


def official_image(image: Located) -> tuple[Located, list[Finding]]:
    """An item of `images` with its own settings where the official schema has them."""
    older = {name: image.fields[name] for name in MOVED if name in image.fields}
    block = image.get(SETTINGS) or replace(image, value={}, faults=())
    findings = [_moved(name, value, both=name in block.fields) for name, value in older.items()]
    if "allowTags" in older and "allowTags" in block.fields:
        # No rule has this one, but an API server refuses the resource for it.
        judged = _allow_tags(older["allowTags"])[1]
        findings += [each for each in judged if each.severity is Severity.ERROR]
    fields = {name: value for name, value in image.fields.items() if name not in older}
    if older and isinstance(block.value, dict):  # else its type is wrong, which is said later
        fields[SETTINGS] = block.with_fields(older | block.fields)
    official, more = official_holder(image.with_fields(fields))
    return official, findings + more


def official_holder(holder: Located) -> tuple[Located, list[Finding]]:
    """A spec, ref or image whose blocks of settings and write-back are in the official form.

    `allowTags` becomes a list of what the official field spells: any of them allows.
    """
    fields = dict(holder.fields)
    findings: list[Finding] = []
    if allow_tags := holder.at(SETTINGS, "allowTags"):
        settings = fields[SETTINGS]
        allowed, findings = _allow_tags(allow_tags)
        fields[SETTINGS] = settings.with_fields(settings.fields | {"allowTags": allowed})
    if write_back := holder.get("writeBackConfig"):
        older = [value for name in COMMITTER if (value := write_back.get(name))]
        kept = {name: value for name, value in write_back.fields.items() if value not in older}
        fields["writeBackConfig"] = write_back.with_fields(kept)
        findings += [_committer(value) for value in older]
    return holder.with_fields(fields), findings


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
    if not value.items:
        what = "an empty list allows nothing"
        findings.append(value.finding("RT314", what, remedy="write a filter, or remove the field"))
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
