"""What Zot's search says of one image, read as a `Tag`.

What does not look as it should makes that one tag unknown, and it is then asked for itself.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from cmp.cosign.keys import PUBLIC_KEY, fingerprint
from cmp.errors import BadReplyError, printable
from cmp.reference import is_digest
from cmp.registry.buildtime import Child, tell, told_time, zot_platform
from cmp.registry.instant import parse_instant
from cmp.registry.metadata import faulty
from cmp.tags import Needs, Tag

# What Zot calls them (`cvemodel`), in lower case; "" is not scanned.
_SEVERITIES = {"", "none", "unknown", "low", "medium", "high", "critical"}
# A distinguished name of a notation certificate is about this long.
_LONGEST_SIGNER = 200
_NO_PUSH_TIME = "Zot does not know when it was pushed"


class _Part(BaseModel):
    model_config = ConfigDict(strict=True)


class _Platform(_Part):
    os: str | None = Field(None, alias="Os")
    arch: str | None = Field(None, alias="Arch")


class _Manifest(_Part):
    artifact_type: str | None = Field(None, alias="ArtifactType")
    platform: _Platform | None = Field(None, alias="Platform")
    last_updated: str | None = Field(None, alias="LastUpdated")


class _Signature(_Part):
    tool: str | None = Field(None, alias="Tool")
    is_trusted: bool | None = Field(None, alias="IsTrusted")
    author: str | None = Field(None, alias="Author")


class _Vulnerabilities(_Part):
    max_severity: str | None = Field(None, alias="MaxSeverity")


class _Image(_Part):
    tag: str = Field(alias="Tag")
    digest: str = Field(alias="Digest")
    last_updated: str | None = Field(None, alias="LastUpdated")
    pushed: str | None = Field(None, alias="PushTimestamp")
    tagged: str | None = Field(None, alias="TaggedTimestamp")
    vulnerabilities: _Vulnerabilities | None = Field(None, alias="Vulnerabilities")
    signatures: list[_Signature] | None = Field(None, alias="SignatureInfo")
    manifests: list[_Manifest] | None = Field(None, alias="Manifests")


def looks_inside(needs: Needs) -> bool:
    """Whether *needs* ask for `Manifests`, which alone tell what is no image.

    Where order by time, or a platform, is asked for, that must be told from images.
    """
    return needs.created or needs.pushed or bool(needs.platforms)


def read_tags(images: Iterable[Any], needs: Needs) -> dict[str, Tag]:
    """The tags that *images* (entries of `Images`, as JSON) tell for *needs*, by their names.

    A tag that has no wanted image, or no build time where one is asked for, has a fault.
    """
    tags = (_tag(image, needs) for image in images)
    return {tag.name: tag for tag in tags if tag is not None}


def _tag(image: Any, needs: Needs) -> Tag | None:
    """The tag of one entry; None if the entry is malformed."""
    try:
        found = _Image.model_validate(image)
        children = [_child(manifest) for manifest in found.manifests or ()]
        own = _time(found.last_updated)
        tag = _gated(found, needs)
    except ValueError:
        return None
    if found.manifests is None:
        return None if looks_inside(needs) else tag
    try:
        told = tell(own, children, needs)
    except BadReplyError as error:
        return replace(faulty(error), name=tag.name, digest=tag.digest)
    return replace(tag, created=told.created, platforms=told.platforms)


def _gated(found: _Image, needs: Needs) -> Tag:
    """The tag with what gates ask for. Raises `ValueError`."""
    if not is_digest(found.digest):
        raise ValueError(found.digest)
    tag = Tag(found.tag, found.digest)
    if needs.pushed:
        tag = _pushed(tag, found)
    if needs.severity:
        tag = _scanned(tag, found)
    if needs.trusted:
        signatures = found.signatures or ()
        signers = sorted({_signer(each) for each in signatures} - {""})
        trusted = any(each.is_trusted for each in signatures)
        tag = replace(tag, trusted=trusted, signers=tuple(signers))
    return tag


def _signer(signature: _Signature) -> str:
    """Who signed, short enough to be shown; the tool where that is not known.

    Of a key that trusts cosign's signature Zot gives the whole PEM; told is its fingerprint.
    """
    author, tool = signature.author or "", signature.tool or ""
    key = PUBLIC_KEY.search(author)
    if key is None:
        return printable(author or tool)[:_LONGEST_SIGNER]
    spki = base64.b64decode("".join(key[1].split()))
    return f"{printable(tool)[:_LONGEST_SIGNER]} key {fingerprint(spki)}"


def _pushed(tag: Tag, found: _Image) -> Tag:
    """*tag* with the later of the times at which its digest was pushed and its name appeared.

    The epoch is what Zot tells of what was pushed to a version that kept no push times.
    """
    times = [_time(found.pushed), _time(found.tagged)]
    pushed = max((time for time in times if time is not None and time > 0), default=None)
    return replace(tag, pushed=pushed, unanswered="" if pushed else _NO_PUSH_TIME)


def _scanned(tag: Tag, found: _Image) -> Tag:
    scan = found.vulnerabilities or _Vulnerabilities(MaxSeverity=None)
    severity = (scan.max_severity or "").lower()
    if severity in _SEVERITIES:
        return replace(tag, severity=severity)
    return replace(tag, unanswered=f"Zot's scan says {severity[:20]!r}, which is no severity")


def _child(manifest: _Manifest) -> Child:
    platform = manifest.platform or _Platform(Os=None, Arch=None)
    return Child(
        zot_platform(platform.os or "", platform.arch or ""),
        _time(manifest.last_updated),
        manifest.artifact_type or "",
    )


def _time(text: str | None) -> int | None:
    """Nanoseconds since the epoch; None for null and for the zero time. Raises `ValueError`."""
    if text is None:
        return None
    time = parse_instant(text)
    if time is None:
        raise ValueError(text)
    return told_time(time)
