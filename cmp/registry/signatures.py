"""What a registry holds that claims to be a signature of an image, by cosign's three habits.

    referrers of the digest      bundles, and signatures of cosign's OCI 1.1 mode
    the tag sha256-<hex>         the same, where the registry has no API for referrers
    the tag sha256-<hex>.sig     cosign's own way: a layer for each signature

All are read and added up, for an image may be signed twice, by tools of different age. What is
missing is no error; what is there and malformed is a claim with its fault, and hides no other.
What is too much to be read is one too, and says that it is.
Sources: OCI distribution specification 1.1, "Listing Referrers" and "Referrers Tag Schema";
cosign's SIGNATURE_SPEC.md, "Storage".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cmp.cosign import Claim
from cmp.cosign.claim import faulty
from cmp.cosign.envelope import (
    LARGEST_ENVELOPE,
    SIGSTORE_BUNDLE,
    SIMPLE_SIGNING,
    read_bundle,
    read_simple_signing,
)
from cmp.errors import BadReplyError, NotFoundError
from cmp.registry.digest import check_digest, verify
from cmp.registry.documents import DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, Descriptor
from cmp.registry.metadata import Content
from cmp.registry.referrers import Referrer, read_referrers

# An image has some signatures, attestations and SBOMs. A pipeline that signs again each night adds
# a layer each time, and all of these name one payload, which is read once.
MOST_ARTIFACTS = 100
MOST_LAYERS = 200
MOST_PAYLOADS = 100

# Kinds of referrers that may hold signatures. Where a client keeps the list itself, cosign calls a
# bundle by the type of its empty config; other kinds (SBOMs) are not looked at.
_KINDS = (
    SIGSTORE_BUNDLE,
    "application/vnd.dev.cosign.artifact.sig.v1+json",
    "application/vnd.oci.empty.v1+json",
    "",
)
_SIGNATURE = "dev.cosignproject.cosign/signature"


class SignedContent(Content, Protocol):
    """What lies in one repository, and what is about it."""

    async def referrers(self, digest: str) -> Sequence[Referrer] | None:
        """What says that it is about *digest*; None where the registry cannot tell."""
        ...


async def read_claims(content: SignedContent, digest: str) -> list[Claim]:
    """What claims to be a signature of the manifest or index *digest*; [] for nothing.

    Raises `cmp.errors.RegistryError` where something may be there and could not be read.
    """
    check_digest(digest)
    reading = _Reading(content)
    await reading.referrers(digest)
    tag = digest.replace(":", "-")
    await reading.tag(tag)
    await reading.tag(f"{tag}.sig")
    return reading.claims


class _Descriptor(BaseModel):
    model_config = ConfigDict(strict=True)

    media_type: str = Field("", alias="mediaType")
    digest: str
    size: int = 0
    annotations: dict[str, str] | None = None


class _Artifact(BaseModel):
    """A manifest, of which only the layers matter."""

    model_config = ConfigDict(strict=True)

    layers: list[_Descriptor] = Field(min_length=1)


class _Reading:
    """The claims found so far, and how much was read for them."""

    def __init__(self, content: SignedContent) -> None:
        self.claims: list[Claim] = []
        self._content = content
        self._artifacts: set[str] = set()
        self._layers = 0
        self._payloads: dict[str, bytes] = {}

    async def referrers(self, digest: str) -> None:
        """Reads what the registry lists as about *digest*."""
        place = "referrers"
        try:
            found = await self._content.referrers(digest)
        except NotFoundError:
            return
        except BadReplyError as error:
            self._fault(place, error.what)
            return
        await self._listed(found or (), place)

    async def tag(self, tag: str) -> None:
        """Reads what *tag* names: an artifact, or an index of some."""
        try:
            named = await self._content.resolve(tag)
            media_type, body = await self._manifest(named)
            if media_type == OCI_INDEX:
                await self._listed(read_referrers(body), f"tag {tag}")
            else:
                await self._artifact(media_type, body, f"tag {tag}")
        except NotFoundError:
            return
        except BadReplyError as error:
            self._fault(f"tag {tag}", error.what)

    async def _listed(self, referrers: Sequence[Referrer], place: str) -> None:
        for each in referrers:
            if each.artifact_type not in _KINDS or each.digest in self._artifacts:
                continue
            if len(self._artifacts) == MOST_ARTIFACTS:
                self._unread(place, f"only the first {MOST_ARTIFACTS} manifests were read")
                return
            self._artifacts.add(each.digest)
            await self._referrer(each, f"referrer {each.digest}")

    async def _referrer(self, referrer: Referrer, place: str) -> None:
        try:
            named = Descriptor(referrer.media_type, referrer.digest)
            await self._artifact(*await self._manifest(named), place)
        except (BadReplyError, NotFoundError) as error:
            self._fault(place, error.what)

    async def _manifest(self, named: Descriptor) -> tuple[str, bytes]:
        check_digest(named.digest)
        media_type, body = await self._content.manifest(named)
        verify(named.digest, body)
        return media_type, body

    async def _artifact(self, media_type: str, body: bytes, place: str) -> None:
        """Reads the signatures in a manifest, the newest first: cosign appends them."""
        if media_type not in (OCI_MANIFEST, DOCKER_MANIFEST):
            raise BadReplyError("RT594", f"the media type {media_type!r} holds no signatures")
        try:
            layers = _Artifact.model_validate_json(body).layers
        except ValidationError:
            raise BadReplyError("RT594", "the manifest is malformed, or has no layers") from None
        for layer in reversed(layers):
            if layer.media_type not in (SIGSTORE_BUNDLE, SIMPLE_SIGNING):
                continue
            if self._layers == MOST_LAYERS:
                self._unread(place, f"only the last {MOST_LAYERS} signatures were read")
                return
            self._layers += 1
            await self._layer(layer, place)

    async def _layer(self, layer: _Descriptor, place: str) -> None:
        if len(self._payloads) == MOST_PAYLOADS and layer.digest not in self._payloads:
            self._unread(place, f"only {MOST_PAYLOADS} payloads were read")
            return
        try:
            payload = await self._payload(layer)
        except (BadReplyError, NotFoundError) as error:
            self._fault(place, error.what)
            return
        if layer.media_type == SIGSTORE_BUNDLE:
            self.claims += read_bundle(payload, place)
        else:
            signature = (layer.annotations or {}).get(_SIGNATURE, "")
            self.claims += read_simple_signing(payload, signature, place)

    async def _payload(self, layer: _Descriptor) -> bytes:
        if layer.digest in self._payloads:
            return self._payloads[layer.digest]
        if layer.size > LARGEST_ENVELOPE:  # an SBOM's attestation, as a rule
            what = f"it is longer than {LARGEST_ENVELOPE} bytes, as no signature is"
            raise BadReplyError("RT595", what)
        check_digest(layer.digest)
        body = await self._content.blob(layer.digest)
        verify(layer.digest, body)
        # What is too long for the readers is not kept whole.
        return self._payloads.setdefault(layer.digest, body[: LARGEST_ENVELOPE + 1])

    def _unread(self, place: str, what: str) -> None:
        """What is not read must not decide: a good signature may be among it."""
        self.claims.append(faulty(place, what, unread=True))

    def _fault(self, place: str, what: str) -> None:
        self.claims.append(faulty(place, what))
