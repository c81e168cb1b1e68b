"""How Zot's search tells an image, written after its Go code and from the documents alone.

`summary` gives an entry of `Images` with all its fields (`ImageManifest2ImageSummary`,
`ImageIndex2ImageSummary`, `getAllContainedMeta` of Zot), which a query takes some of. Nothing of
the code under test is used but the reading of times.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from cmp.registry.instant import NO_DATE, parse_instant
from tests.servers.images import CONFIG, DOCKER_INDEX, DOCKER_MANIFEST, INDEX, MANIFEST, Document

DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
_SECOND = 1_000_000_000


def summary(tag: str, document: Document, **more: object) -> dict[str, Any]:
    """What search says of *tag* that names *document*; *more* are fields as they should be.

    Push times are made up; nothing is signed or scanned.
    """
    said = _index(document) if _is_index(document) else _manifest(document, {})
    time = "2026-06-01T00:00:00Z"
    return {
        "Tag": tag,
        "Digest": document.digest,
        "PushTimestamp": time,
        "TaggedTimestamp": time,
        "IsSigned": False,
        "SignatureInfo": [],
        "Vulnerabilities": {"MaxSeverity": ""},
        **said,
        **more,
    }


def _manifest(document: Document, platforms: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """An image; *platforms* is what the index above it states, by digest."""
    content = document.content
    settings = _settings(document)
    labels = (settings.get("config") or {}).get("Labels") or {}
    time = _created(content.get("annotations") or {})
    if time is None:
        time = _created(labels)
    if time is None:
        time = _last_updated(settings)
    stated = settings
    if not any(stated.get(key) for key in ("os", "architecture", "variant")):
        stated = dict(platforms.get(document.digest, {}))
    kind = content.get("artifactType") or content["config"]["mediaType"]
    told = {"ArtifactType": kind, "LastUpdated": _text(time), "Platform": _platform(stated)}
    return {
        "LastUpdated": _text(time),
        "ArtifactType": kind,
        "MediaType": MANIFEST,
        "Manifests": [{**told, "Digest": document.digest}],
    }


def _index(document: Document) -> dict[str, Any]:
    content = document.content
    platforms = {
        entry["digest"]: entry["platform"]
        for entry in content["manifests"]
        if entry.get("platform")
    }
    children = list(_contained(document))
    told = [_manifest(child, platforms)["Manifests"][0] for child in children]
    time = _created(content.get("annotations") or {})
    if time is None and children:
        time = _annotated_or_labelled(children[0])
    if time is None:
        times = [parse_instant(child["LastUpdated"] or "") for child in told]
        time = max((each for each in times if each is not None), default=NO_DATE)
    return {
        "LastUpdated": _text(max(time, NO_DATE)),
        "ArtifactType": content.get("artifactType", ""),
        "MediaType": INDEX,
        "Manifests": told,
    }


def _contained(document: Document) -> Iterable[Document]:
    """All manifests below an index, those of nested indexes in their places."""
    there = {child.digest: child for child in document.children}
    for entry in document.content["manifests"]:
        known = entry["mediaType"] in (MANIFEST, INDEX, DOCKER_MANIFEST, DOCKER_INDEX)
        child = there.get(entry["digest"])
        if not known or child is None:
            continue
        if _is_index(child):
            yield from _contained(child)
        else:
            yield child


def _is_index(document: Document) -> bool:
    return document.media_type in (INDEX, DOCKER_INDEX)


def _settings(document: Document) -> dict[str, Any]:
    """The config; an empty one where its media type is not that of an image's."""
    stated = document.content["config"]
    if stated["mediaType"] not in (CONFIG, DOCKER_CONFIG):
        return {}
    body = next(blob.body for blob in document.blobs if blob.digest == stated["digest"])
    loaded: dict[str, Any] = json.loads(body)
    return loaded


def _annotated_or_labelled(document: Document) -> int | None:
    time = _created(document.content.get("annotations") or {})
    if time is not None:
        return time
    return _created((_settings(document).get("config") or {}).get("Labels") or {})


def _created(texts: Mapping[str, str]) -> int | None:
    """`GetCreated`."""
    text = texts.get("org.opencontainers.image.created", "")
    return parse_instant(text or texts.get("org.label-schema.build-date", ""))


def _last_updated(settings: Mapping[str, Any]) -> int:
    """`GetImageLastUpdated`; a history entry without a time is stored as one of the epoch."""
    time = parse_instant(settings.get("created") or "")
    if time is not None and time != NO_DATE:
        return time
    history: Sequence[Mapping[str, Any]] = settings.get("history") or ()
    if not history:
        return NO_DATE
    return parse_instant(history[-1].get("created") or "") or 0


def _platform(stated: Mapping[str, Any]) -> dict[str, str]:
    architecture, variant = stated.get("architecture", ""), stated.get("variant", "")
    return {
        "Os": stated.get("os", ""),
        "Arch": f"{architecture}/{variant}" if variant else architecture,
    }


def _text(time: int) -> str | None:
    """RFC 3339 with all its digits; null for Go's zero time."""
    if time == NO_DATE:
        return None
    seconds, rest = divmod(time, _SECOND)
    day = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S").zfill(19)
    return f"{day}.{rest:09}Z"
