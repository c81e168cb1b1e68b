"""Simple signing and bundles: what cosign wrote is read, what differs in anything is not."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmp.cosign import Claim, Unverified, Verified, verify
from cmp.cosign.envelope import (
    LARGEST_ENVELOPE,
    MOST_SIGNATURES,
    MOST_SUBJECTS,
    SIMPLE_SIGNING,
    read_bundle,
    read_simple_signing,
)
from tests.cosign.cases import case, key

BUNDLED = case("referrers/bundle")
BUNDLE = BUNDLED.document("dsseEnvelope")
SIMPLE = case("referrers/simple")
PAYLOAD = SIMPLE.document("cosign container image signature")
MANIFEST = json.loads(SIMPLE.document("dev.cosignproject.cosign/signature"))
SIGNATURE: str = MANIFEST["layers"][0]["annotations"]["dev.cosignproject.cosign/signature"]
STATEMENT = base64.b64decode(json.loads(BUNDLE)["dsseEnvelope"]["payload"])

Change = Callable[[dict[str, Any]], Any]


def changed(body: bytes, change: Change) -> bytes:
    """The JSON object *body* after *change*."""
    value = json.loads(body)
    change(value)
    return json.dumps(value).encode()


def statement(change: Change) -> bytes:
    """The bundle whose statement went through *change*; its signature is then of another text."""
    return with_payload(changed(STATEMENT, change))


def with_payload(payload: bytes, kind: str = "application/vnd.in-toto+json") -> bytes:
    """The bundle with another payload."""

    def change(bundle: dict[str, Any]) -> None:
        bundle["dsseEnvelope"]["payload"] = base64.b64encode(payload).decode()
        bundle["dsseEnvelope"]["payloadType"] = kind

    return changed(BUNDLE, change)


def fault(claims: list[Claim]) -> str:
    """The fault of the one claim."""
    (claim,) = claims
    assert (claim.signed, claim.signature, claim.subject) == (b"", b"", "")
    return claim.fault


def test_a_bundle_of_cosign_is_read() -> None:
    (claim,) = read_bundle(BUNDLE, "here")

    assert (claim.subject, claim.place, claim.fault) == (BUNDLED.digest, "here", "")
    assert key("first").signed(claim.signed, claim.signature)


def test_simple_signing_of_cosign_is_read() -> None:
    (claim,) = read_simple_signing(PAYLOAD, SIGNATURE, "here")

    assert (claim.subject, claim.place, claim.fault) == (SIMPLE.digest, "here", "")
    assert key("first").signed(claim.signed, claim.signature)


def test_what_is_signed_of_a_bundle_is_its_pre_authentication_encoding() -> None:
    (claim,) = read_bundle(with_payload(PAYLOAD, SIMPLE_SIGNING), "")

    assert claim.signed == b"DSSEv1 48 %b %d %b" % (SIMPLE_SIGNING.encode(), len(PAYLOAD), PAYLOAD)
    assert claim.subject == SIMPLE.digest


def test_a_bundle_as_long_as_allowed_is_read() -> None:
    assert read_bundle(BUNDLE.rjust(LARGEST_ENVELOPE), "referrer") == read_bundle(
        BUNDLE, "referrer"
    )


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(b"", "is no JSON", id="empty"),
        pytest.param(b"null", "Input should be a valid dictionary", id="null"),
        pytest.param(b"[" * 100_000, "is no JSON", id="deep"),
        pytest.param(b'{"a": NaN}', "is no JSON", id="not a number"),
        pytest.param(b"\xef\xbb\xbf" + BUNDLE, "is no JSON", id="byte order mark"),
        pytest.param(BUNDLE.decode().encode("utf-16"), "is no JSON", id="UTF-16"),
        pytest.param(b'{"a": ' + b"9" * 5000 + b"}", "is no JSON", id="a huge number"),
        pytest.param(b" " * LARGEST_ENVELOPE + BUNDLE, "longer than", id="giant"),
        pytest.param(BUNDLE + b"{}", "is no JSON", id="two values"),
        pytest.param(b'{"messageSignature": {}}', "dsseEnvelope: Field required", id="of a blob"),
        pytest.param(BUNDLE[:-1] + b', "dsseEnvelope": {}}', "stands twice", id="two envelopes"),
        pytest.param(
            changed(BUNDLE, lambda b: b["dsseEnvelope"].update(signatures=[])),
            "at least 1 item",
            id="no signature",
        ),
        pytest.param(
            changed(
                BUNDLE,
                lambda b: b["dsseEnvelope"].update(
                    signatures=b["dsseEnvelope"]["signatures"] * (MOST_SIGNATURES + 1)
                ),
            ),
            "at most 20 items",
            id="many signatures",
        ),
        pytest.param(
            changed(BUNDLE, lambda b: b["dsseEnvelope"].update(signatures=[{"sig": "?"}])),
            "the signature is not in base64",
            id="signature not in base64",
        ),
        pytest.param(
            changed(BUNDLE, lambda b: b["dsseEnvelope"].update(payload="e30")),
            "the payload is not in base64",
            id="payload not padded",
        ),
        pytest.param(
            changed(BUNDLE, lambda b: b["dsseEnvelope"].update(payload=7)),
            "valid string",
            id="payload is a number",
        ),
        pytest.param(
            changed(BUNDLE, lambda b: b["dsseEnvelope"].update(payloadType="text/plain")),
            "the payload's type is 'text/plain'",
            id="another payload type",
        ),
        pytest.param(
            with_payload(b'{"_type": 1, "_type": 2}'), "stands twice", id="two types of statement"
        ),
        pytest.param(with_payload(PAYLOAD), "the statement is malformed", id="payload swapped"),
        pytest.param(
            with_payload(STATEMENT, SIMPLE_SIGNING),
            "the payload is malformed",
            id="statement called simple signing",
        ),
        pytest.param(
            statement(lambda s: s.update(_type="https://in-toto.io/Statement/v0.1")),
            "the statement's type is",
            id="an older statement",
        ),
        pytest.param(
            statement(lambda s: s.update(predicateType="https://slsa.dev/provenance/v1")),
            "it attests 'https://slsa.dev/provenance/v1', and approves nothing",
            id="provenance",
        ),
        pytest.param(statement(lambda s: s.update(subject=[])), "at least 1", id="no subject"),
        pytest.param(
            statement(lambda s: s.update(subject=s["subject"] * (MOST_SUBJECTS + 1))),
            "at most 20 items",
            id="many subjects",
        ),
        pytest.param(
            statement(lambda s: s.update(subject=[{"digest": {"gitCommit": "0" * 40}}])),
            "names no digest",
            id="a subject that is no image",
        ),
        pytest.param(
            statement(lambda s: s.update(subject=[{"digest": {"sha256": "../x"}}])),
            "names no digest",
            id="a digest that is none",
        ),
    ],
)
def test_what_is_no_bundle_over_an_image_is_a_fault(body: bytes, expected: str) -> None:
    assert expected in fault(read_bundle(body, "here"))


@pytest.mark.parametrize(
    ("payload", "signature", "expected"),
    [
        pytest.param(PAYLOAD, "", None, id="no signature, which no key made"),
        pytest.param(PAYLOAD, "?", "the signature is not in base64", id="signature no base64"),
        pytest.param(PAYLOAD[:-1], SIGNATURE, "is no JSON, or is cut off", id="cut off"),
        pytest.param(b"{}", SIGNATURE, "critical: Field required", id="empty"),
        pytest.param(
            changed(PAYLOAD, lambda p: p["critical"].update(type="atomic container signature")),
            SIGNATURE,
            "says it is a 'atomic container signature'",
            id="another tool's",
        ),
        pytest.param(
            changed(PAYLOAD, lambda p: p["critical"].update(image={})),
            SIGNATURE,
            "docker-manifest-digest: Field required",
            id="no digest",
        ),
        pytest.param(
            PAYLOAD.replace(b"sha256:", b"sha256-"), SIGNATURE, "no digest", id="no such digest"
        ),
        pytest.param(
            PAYLOAD.replace(b'"critical":', b'"critical":{},"critical":', 1),
            SIGNATURE,
            "stands twice",
            id="a key twice",
        ),
    ],
)
def test_simple_signing_that_cannot_count_says_why(
    payload: bytes, signature: str, expected: str | None
) -> None:
    claims = read_simple_signing(payload, signature, "here")

    if expected is not None:
        assert expected in fault(claims)
    assert isinstance(verify(claims, SIMPLE.digest, [key("first")]), Unverified)


def test_a_fault_quotes_no_more_than_a_line() -> None:
    told = fault(
        read_bundle(statement(lambda s: s.update(predicateType="x\n\u202e" * 20_000)), "here")
    )

    assert len(told) == 200
    assert "\n" not in told
    assert "\u202e" not in told


def test_each_subject_of_each_signature_is_a_claim() -> None:
    subjects = [
        {"name": "one", "digest": {"sha256": "1" * 64, "sha512": "2" * 128}},
        {"digest": {"gitCommit": "3" * 40}},
        {"digest": {"sha256": "4" * 64}},
    ]
    body = changed(
        statement(lambda s: s.update(subject=subjects)),
        lambda b: b["dsseEnvelope"].update(signatures=[{"sig": "AA=="}, {"sig": "AQ=="}]),
    )
    found = [(claim.signature, claim.subject) for claim in read_bundle(body, "")]

    digests = [f"sha256:{'1' * 64}", f"sha512:{'2' * 128}", f"sha256:{'4' * 64}"]
    assert found == [(each, digest) for each in (b"\0", b"\1") for digest in digests]


def verified(claims: list[Claim], digest: str) -> bool:
    """Whether the first key made one of *claims* over *digest*."""
    return isinstance(verify(claims, digest, [key("first")]), Verified)


def test_no_head_of_a_bundle_verifies() -> None:
    heads = (BUNDLE[:length] for length in range(len(BUNDLE)))

    assert not any(verified(read_bundle(head, ""), BUNDLED.digest) for head in heads)


def test_no_head_of_a_payload_verifies() -> None:
    heads = (PAYLOAD[:length] for length in range(len(PAYLOAD)))
    claims = [claim for head in heads for claim in read_simple_signing(head, SIGNATURE, "")]

    assert not verified(claims, SIMPLE.digest)


@given(st.integers(0, len(PAYLOAD) - 1), st.integers(1, 255))
def test_a_payload_with_a_changed_byte_does_not_verify(place: int, flip: int) -> None:
    payload = bytearray(PAYLOAD)
    payload[place] ^= flip

    assert not verified(read_simple_signing(bytes(payload), SIGNATURE, ""), SIMPLE.digest)


@given(st.integers(0, len(STATEMENT) - 1), st.integers(1, 255))
def test_a_statement_with_a_changed_byte_does_not_verify(place: int, flip: int) -> None:
    payload = bytearray(STATEMENT)
    payload[place] ^= flip

    assert not verified(read_bundle(with_payload(bytes(payload)), ""), BUNDLED.digest)


@given(st.integers(0, len(BUNDLE) - 1), st.integers(1, 255))
def test_a_bundle_with_a_changed_byte_approves_no_other_image(place: int, flip: int) -> None:
    body = bytearray(BUNDLE)
    body[place] ^= flip
    claims = read_bundle(bytes(body), "")

    approved = [claim.subject for claim in claims if verified([claim], claim.subject)]
    assert approved in ([], [BUNDLED.digest])


@given(st.binary(max_size=300))
def test_any_bytes_are_read_without_an_error(body: bytes) -> None:
    assert fault(read_bundle(body, ""))
    assert fault(read_simple_signing(body, SIGNATURE, ""))
