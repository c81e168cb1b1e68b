"""Verified or not, and why not: what the real cosign made, and what was changed of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmp.cosign import Claim, Unverified, Verified, verify
from cmp.cosign.claim import faulty
from cmp.cosign.envelope import read_bundle
from cmp.cosign.verify import MOST_CLAIMS
from tests.cosign.cases import case, key

CASE = case("referrers/bundle")
(CLAIM,) = read_bundle(CASE.document("dsseEnvelope"), "referrer")
FOREIGN = replace(CLAIM, place="elsewhere", signature=b"0")
OTHER = "sha256:" + "0" * 64
FAULT = faulty("tag", "it is cut off")


def refusal(*claims: Claim, digest: str = CASE.digest, keys: str = "first") -> Unverified:
    """Why none of *claims* counts."""
    answer = verify(claims, digest, [key(name) for name in keys.split()])
    assert isinstance(answer, Unverified)
    return answer


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param([CLAIM], id="alone"),
        pytest.param([FAULT, CLAIM], id="after a malformed one"),
        pytest.param([FOREIGN, CLAIM], id="after one that no key made"),
        pytest.param([replace(CLAIM, subject=OTHER), CLAIM], id="after one of another image"),
        pytest.param([CLAIM, CLAIM, FAULT], id="twice"),
    ],
)
def test_one_signature_by_the_key_is_enough(claims: list[Claim]) -> None:
    assert verify(claims, CASE.digest, [key("first")]) == Verified(key("first"), "referrer")


@pytest.mark.parametrize("names", [["first", "second"], ["second", "first"]])
def test_one_of_several_keys_is_enough_and_is_named(names: list[str]) -> None:
    answer = verify([CLAIM], CASE.digest, [key(name) for name in names])

    assert answer == Verified(key("first"), "referrer")
    assert str(answer) == f"signed by {key('first')}"


def test_nothing_there_is_unsigned() -> None:
    assert refusal() == Unverified("it is not signed")


def test_a_signature_by_other_keys_names_those_asked_for() -> None:
    answer = refusal(CLAIM, keys="second foreign")

    expected = f"1 signature of it, by none of the keys {key('second')}, {key('foreign')}"
    assert str(answer) == expected


def test_a_signature_of_another_image_is_told_apart() -> None:
    answer = refusal(CLAIM, replace(CLAIM, place="again"), digest=OTHER)

    assert answer == Unverified("2 signatures found, of another digest")


def test_malformed_ones_are_told_the_first_with_how_many_more() -> None:
    answer = refusal(FAULT, faulty("tag", "more"), replace(CLAIM, subject=OTHER))

    expected = "no signature that counts: tag: it is cut off (and 1 more)"
    assert answer == Unverified(expected)


def test_what_is_malformed_besides_a_foreign_signature_is_told_too() -> None:
    answer = refusal(FAULT, FOREIGN)

    assert answer.reason.startswith("1 signature of it, ")
    assert answer.reason.endswith("; besides, tag: it is cut off")


def test_a_fault_counts_whatever_else_a_claim_says() -> None:
    answer = refusal(replace(CLAIM, fault="read only in part"))

    assert answer.reason.startswith("no signature that counts: ")


def test_what_is_found_twice_counts_once() -> None:
    assert refusal(FOREIGN, FOREIGN).reason.startswith("1 signature of it, ")


def test_a_fault_that_quotes_a_registry_is_one_line_that_can_be_shown() -> None:
    assert faulty("tag", "it is \x1b[2J\n cut").fault.isprintable()
    assert faulty("referrer \x1b[2J\u202e", "it is cut").place.isprintable()
    assert len(faulty("referrer " + "x" * 1_000_000, "it is cut").place) == 200


def test_without_keys_nothing_is_verified() -> None:
    assert refusal(CLAIM, keys="").reason.startswith("1 signature of it, ")


def test_a_registry_full_of_signatures_is_not_tried_to_the_end() -> None:
    junk = [replace(CLAIM, signature=bytes([count])) for count in range(MOST_CLAIMS)]

    assert refusal(*junk, CLAIM).incomplete
    assert not refusal(*junk).incomplete
    assert isinstance(verify([*junk[1:], CLAIM], CASE.digest, [key("first")]), Verified)


UNREAD = faulty("tag", "only some were read", unread=True)


@pytest.mark.parametrize(
    "claims", [[UNREAD], [FOREIGN, UNREAD], [replace(CLAIM, subject=OTHER), UNREAD]]
)
def test_where_not_all_was_read_the_answer_is_incomplete(claims: list[Claim]) -> None:
    answer = refusal(*claims)

    assert answer.incomplete
    assert "only some were read" in answer.reason
    assert isinstance(verify([*claims, CLAIM], CASE.digest, [key("first")]), Verified)


@given(st.integers(0, len(CLAIM.signature) - 1), st.integers(1, 255))
def test_a_changed_byte_of_the_signature_is_refused(place: int, flip: int) -> None:
    signature = bytearray(CLAIM.signature)
    signature[place] ^= flip

    assert refusal(replace(CLAIM, signature=bytes(signature))).reason.startswith(
        "1 signature of it, "
    )


@given(st.integers(0, len(CLAIM.signed) - 1), st.integers(1, 255))
def test_a_changed_byte_of_what_is_signed_is_refused(place: int, flip: int) -> None:
    signed = bytearray(CLAIM.signed)
    signed[place] ^= flip

    assert refusal(replace(CLAIM, signed=bytes(signed))).reason.startswith("1 signature of it, ")


@given(st.binary(max_size=200))
def test_no_bytes_by_chance_are_a_signature(signature: bytes) -> None:
    assert refusal(replace(CLAIM, signature=signature)).reason.startswith("1 signature of it, ")


@given(st.integers(0, len(CLAIM.signature) - 1))
def test_no_head_of_a_signature_is_one(length: int) -> None:
    assert refusal(replace(CLAIM, signature=CLAIM.signature[:length])).reason.startswith(
        "1 signature of it, "
    )
