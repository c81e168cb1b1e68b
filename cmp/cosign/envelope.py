"""What cosign stores, read from its bytes: simple signing, and sigstore's bundle. No I/O.

A signature approves an image; an attestation (provenance, an SBOM, a scan) says something about
it, and a pipeline may well sign "this image is bad". So only what `cosign sign` writes counts: a
simple signing payload of cosign's type, or an in-toto statement whose predicate is cosign's for
signing. The signed bytes alone tell; annotations of manifests do not (`cosign attest` of v2.6
annotates each attestation as a signature).

Sources: cosign's SIGNATURE_SPEC.md; sigstore's protobuf-specs (bundle v0.3); DSSE's protocol.md;
in-toto's attestation framework (Statement v1).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cmp.cosign.claim import Claim, faulty
from cmp.reference import is_digest

SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
SIGSTORE_BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
# A payload of `cosign sign` has some 300 bytes, a bundle with a certificate and a log entry some
# 10,000. Larger are attestations (SBOMs), and these do not count.
LARGEST_ENVELOPE = 256 * 1024
# Of a bundle: cosign writes one of each.
MOST_SIGNATURES = 20
MOST_SUBJECTS = 20

_IN_TOTO = "application/vnd.in-toto+json"
_STATEMENT = "https://in-toto.io/Statement/v1"
_SIGNING = "https://sigstore.dev/cosign/sign/v1"
_SIMPLE_SIGNING_TYPE = "cosign container image signature"
# Digests by which a registry may know an image, and in-toto names them the same.
_ALGORITHMS = ("sha256", "sha384", "sha512")


def read_simple_signing(payload: bytes, signature: str, place: str) -> list[Claim]:
    """What *payload* with *signature* (base64, of a layer's annotation) claims."""
    try:
        subject = _simple_signing_subject(payload)
        return [Claim(payload, _base64(signature, "signature"), subject, place)]
    except _UnusableError as error:
        return [faulty(place, str(error))]


def read_bundle(body: bytes, place: str) -> list[Claim]:
    """What the sigstore bundle *body* claims: for each signature each image that it is over."""
    try:
        return list(_bundle_claims(body, place))
    except _UnusableError as error:
        return [faulty(place, str(error))]


class _UnusableError(Exception):
    """It is no signature of an image; the message says why."""


class _Part(BaseModel):
    model_config = ConfigDict(strict=True)


class _Image(_Part):
    digest: str = Field(alias="docker-manifest-digest")


class _Critical(_Part):
    image: _Image
    type: str


class _SimpleSigning(_Part):
    critical: _Critical


class _Signature(_Part):
    sig: str


class _Envelope(_Part):
    payload: str
    payload_type: str = Field(alias="payloadType")
    signatures: list[_Signature] = Field(min_length=1, max_length=MOST_SIGNATURES)


class _Bundle(_Part):
    envelope: _Envelope = Field(alias="dsseEnvelope")


class _Subject(_Part):
    digest: dict[str, str]


class _Statement(_Part):
    type: str = Field(alias="_type")
    predicate_type: str = Field(alias="predicateType")
    subject: list[_Subject] = Field(min_length=1, max_length=MOST_SUBJECTS)


def _bundle_claims(body: bytes, place: str) -> Iterator[Claim]:
    envelope = _read(_Bundle, body, "bundle").envelope
    payload = _base64(envelope.payload, "payload")
    subjects = _subjects(envelope.payload_type, payload)
    signed = _pre_authentication_encoding(envelope.payload_type, payload)
    for each in envelope.signatures:
        signature = _base64(each.sig, "signature")
        for subject in subjects:
            yield Claim(signed, signature, subject, place)


def _subjects(payload_type: str, payload: bytes) -> Sequence[str]:
    """The digests of the images that *payload* approves."""
    if payload_type == SIMPLE_SIGNING:
        return [_simple_signing_subject(payload)]
    if payload_type == _IN_TOTO:
        return _statement_subjects(payload)
    raise _UnusableError(f"the payload's type is {payload_type!r}")


def _simple_signing_subject(payload: bytes) -> str:
    critical = _read(_SimpleSigning, payload, "payload").critical
    if critical.type != _SIMPLE_SIGNING_TYPE:
        raise _UnusableError(f"the payload says it is a {critical.type!r}")
    if not is_digest(critical.image.digest):
        raise _UnusableError("the payload names no digest of an image")
    return critical.image.digest


def _statement_subjects(payload: bytes) -> Sequence[str]:
    statement = _read(_Statement, payload, "statement")
    if statement.predicate_type != _SIGNING:
        raise _UnusableError(f"it attests {statement.predicate_type!r}, and approves nothing")
    if statement.type != _STATEMENT:
        raise _UnusableError(f"the statement's type is {statement.type!r}")
    stated = [
        f"{algorithm}:{subject.digest[algorithm]}"
        for subject in statement.subject
        for algorithm in _ALGORITHMS
        if algorithm in subject.digest
    ]
    digests = list(filter(is_digest, stated))
    if not digests:
        raise _UnusableError("the statement names no digest of an image")
    return digests


def _pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """What DSSE signs: protocol.md, "Signature Definition"."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


_Model = TypeVar("_Model", bound=_Part)


def _read(model: type[_Model], body: bytes, noun: str) -> _Model:
    if len(body) > LARGEST_ENVELOPE:
        raise _UnusableError(f"the {noun} is longer than {LARGEST_ENVELOPE} bytes")
    try:
        return model.model_validate(_json(body))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        what = f"{where}: {first['msg']}" if where else first["msg"]
        raise _UnusableError(f"the {noun} is malformed: {what}") from None
    except (ValueError, RecursionError):
        raise _UnusableError(f"the {noun} is no JSON, or is cut off") from None


def _json(body: bytes) -> Any:
    """*body* as JSON that all readers take for the same. Raises `ValueError`, `RecursionError`."""
    return json.loads(body.decode(), object_pairs_hook=_unique, parse_constant=_refuse)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object. A key that stands twice could hold one digest for us and another for others."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _UnusableError("a key stands twice in one object")
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _base64(text: str, noun: str) -> bytes:
    """The bytes that *text* stands for: base64 of RFC 4648, section 4."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise _UnusableError(f"the {noun} is not in base64") from None
