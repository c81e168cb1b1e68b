"""Public keys: what cosign and openssl write is read, and nothing else is."""

from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from cmp.cosign import read_keys
from cmp.cosign.keys import LARGEST_PEM, MOST_KEYS
from cmp.errors import RuleError
from tests.cosign.cases import DATA, case, key

FIRST = (DATA / "first.pub").read_text()
SECOND = (DATA / "second.pub").read_text()
MADE = ec.generate_private_key(ec.SECP256R1())


def pem(
    private: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey,
) -> str:
    """The public half of *private*."""
    public = private.public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def block(der: bytes) -> str:
    """*der* as a block that says it is a public key."""
    body = base64.b64encode(der).decode()
    return f"-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n"


def refusal(text: bytes | str) -> RuleError:
    """The error that *text* as keys is."""
    with pytest.raises(RuleError) as caught:
        read_keys(text, label="registry.example.com: cosign.pub")
    return caught.value


def test_a_key_is_known_by_the_hash_of_its_spki() -> None:
    (found,) = read_keys(FIRST)
    spki = base64.b64decode("".join(FIRST.splitlines()[1:-1]))

    expected = base64.b64encode(hashlib.sha256(spki).digest()).decode().rstrip("=")
    assert found.fingerprint == f"SHA256:{expected}"


def test_the_fingerprint_is_the_hint_in_the_bundle_that_cosign_made_with_the_key() -> None:
    bundle = case("tags/bundle").document("publicKey")

    assert key("first").fingerprint.removeprefix("SHA256:").encode() in bundle


def test_a_key_is_shown_with_its_label() -> None:
    (found,) = read_keys(FIRST, label="release")

    assert str(found) == f"release ({found.fingerprint})"


def test_a_representation_shows_no_object_of_the_library() -> None:
    assert "_key" not in repr(key("first"))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(FIRST + SECOND, id="one after the other"),
        pytest.param(FIRST.strip() + SECOND, id="no line break between them"),
        pytest.param(f"# release\n{FIRST}\n\n# before\n{SECOND}", id="comments"),
        pytest.param((FIRST + SECOND).replace("\n", "\r\n"), id="Windows line breaks"),
        pytest.param((FIRST + SECOND).encode(), id="bytes"),
        pytest.param(FIRST + SECOND + FIRST, id="one of them twice"),
    ],
)
def test_several_keys_are_read_in_their_order(text: bytes | str) -> None:
    assert read_keys(text) == (key("first"), key("second"))


def test_a_key_pair_of_another_program_is_read() -> None:
    (found,) = read_keys(pem(MADE))

    assert found.signed(b"text", MADE.sign(b"text", ec.ECDSA(SHA256())))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param("", "RT354", id="nothing"),
        pytest.param("ecdsa-sha2-nistp256 AAAA", "RT354", id="an SSH key"),
        pytest.param(FIRST[:90], "RT354", id="cut off"),
        pytest.param(FIRST + FIRST[:90], "RT354", id="the second cut off"),
        pytest.param(FIRST.replace("PUBLIC KEY", "CERTIFICATE"), "RT354", id="a certificate"),
        pytest.param(FIRST.replace("M", "!", 1), "RT354", id="not base64"),
        pytest.param(block(b"no key"), "RT354", id="not DER"),
        pytest.param(b"\xff\xfe" * 40, "RT354", id="no text"),
        pytest.param(pem(ec.generate_private_key(ec.SECP384R1())), "RT356", id="P-384"),
        pytest.param(pem(ec.generate_private_key(ec.SECP256K1())), "RT356", id="secp256k1"),
        pytest.param(pem(rsa.generate_private_key(65537, 2048)), "RT356", id="RSA"),
        pytest.param(pem(ed25519.Ed25519PrivateKey.generate()), "RT356", id="Ed25519"),
        pytest.param(
            block(bytes.fromhex("300e300706032a030405000303000102")), "RT356", id="a kind unknown"
        ),
        pytest.param(FIRST * (MOST_KEYS + 1), "RT357", id="too many"),
        pytest.param(" " * LARGEST_PEM + FIRST, "RT357", id="too long"),
    ],
)
def test_what_is_no_public_key_on_p_256_is_refused(text: bytes | str, code: str) -> None:
    assert refusal(text).code == code
    assert refusal(text).where == "registry.example.com: cosign.pub"


def test_as_many_keys_as_allowed_are_read() -> None:
    assert read_keys(FIRST * MOST_KEYS) == read_keys(FIRST)
    assert read_keys(FIRST.rjust(LARGEST_PEM)) == read_keys(FIRST)


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_a_private_key_is_refused_and_not_shown(form: PrivateFormat) -> None:
    text = MADE.private_bytes(Encoding.PEM, form, NoEncryption()).decode()
    error = refusal(FIRST + text)

    assert error.code == "RT355"
    assert error.remedy == "put only cosign.pub here"
    assert not any(line in str(error) for line in text.splitlines())


def test_the_private_key_that_cosign_writes_is_refused() -> None:
    name = "ENCRYPTED SIGSTORE " + "PRIVATE KEY"

    assert refusal(f"-----BEGIN {name}-----\nAAAA\n-----END {name}-----\n").code == "RT355"


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_anything_is_read_or_refused(text: bytes | str) -> None:
    with pytest.raises(RuleError):
        read_keys(text)


@given(st.binary(max_size=120))
def test_any_der_is_read_or_refused(der: bytes) -> None:
    with pytest.raises(RuleError):
        read_keys(block(der))
