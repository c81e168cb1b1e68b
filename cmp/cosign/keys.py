"""Public keys, as `cosign generate-key-pair` and `openssl ec -pubout` write them: PEM.

ECDSA on the curve P-256 alone, which is what cosign makes and the Image Updater asks for. A file
may hold several keys, so that one can follow another: a signature by any of them counts.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)

from cmp.errors import RuleError

# A P-256 key takes 178 bytes of PEM; what is longer than this is no file of keys.
LARGEST_PEM = 64 * 1024
# Each signature is tried with each key.
MOST_KEYS = 20

# RFC 7468, "Textual Encoding", section 3; what stands outside the blocks is commentary.
_LABEL = re.compile(r"-----BEGIN ([^\r\n-]*)-----")
PUBLIC_KEY = re.compile(
    r"-----BEGIN PUBLIC KEY-----([A-Za-z0-9+/=\s]*)-----END PUBLIC KEY-----", re.ASCII
)
_ALGORITHM = ec.ECDSA(hashes.SHA256())


@dataclass(frozen=True, slots=True)
class PublicKey:
    """An ECDSA key on P-256. *fingerprint* is `SHA256:` and the base64 of its SPKI's hash.

    *label* is what people call it, for messages; "" for nothing.
    """

    fingerprint: str
    label: str = ""
    _key: ec.EllipticCurvePublicKey = field(kw_only=True, repr=False, compare=False)

    def __str__(self) -> str:
        return f"{self.label} ({self.fingerprint})" if self.label else self.fingerprint

    def signed(self, message: bytes, signature: bytes) -> bool:
        """Whether *signature* (ASN.1 DER) is this key's over the SHA-256 of *message*."""
        try:
            self._key.verify(signature, message, _ALGORITHM)
        except InvalidSignature:
            return False
        return True


def read_keys(pem: bytes | str, *, label: str = "") -> tuple[PublicKey, ...]:
    """The keys in *pem*, each once, in its order; *label* names where they come from.

    Raises `RuleError`: RT354 for what is no PEM of public keys, RT355 for a private key, RT356
    for a key that is not ECDSA on P-256, RT357 for too much. No message shows any of *pem*.
    """
    text = _text(pem, label)
    labels = _LABEL.findall(text)
    if any("PRIVATE" in each for each in labels):
        what = "this is a private key"
        raise RuleError("RT355", what, where=label, remedy="put only cosign.pub here")
    blocks = PUBLIC_KEY.findall(text)
    if not blocks or len(blocks) != len(labels):
        raise _no_key(label)
    if len(blocks) > MOST_KEYS:
        raise RuleError("RT357", f"there are more than {MOST_KEYS} public keys", where=label)
    keys = [_key(block, label) for block in blocks]
    return tuple({key.fingerprint: key for key in keys}.values())


def _text(pem: bytes | str, label: str) -> str:
    if len(pem) > LARGEST_PEM:
        what = f"the public keys are longer than {LARGEST_PEM} bytes"
        raise RuleError("RT357", what, where=label)
    return pem if isinstance(pem, str) else pem.decode("latin-1")


def _key(block: str, label: str) -> PublicKey:
    try:
        spki = base64.b64decode("".join(block.split()), validate=True)
        key = load_der_public_key(spki)
    except UnsupportedAlgorithm:
        key = None
    except ValueError:
        raise _no_key(label) from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise RuleError(
            "RT356",
            "the public key is not ECDSA on P-256",
            where=label,
            remedy="sign with a key that cosign generate-key-pair makes",
        )
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return PublicKey(fingerprint(spki), label, _key=key)


def fingerprint(spki: bytes) -> str:
    """What people see a key as: `SHA256:` and the base64 of the hash of its *spki* (DER)."""
    digest = base64.b64encode(hashlib.sha256(spki).digest()).decode().rstrip("=")
    return f"SHA256:{digest}"


def _no_key(label: str) -> RuleError:
    return RuleError(
        "RT354",
        "this is no public key in PEM",
        where=label,
        remedy="put cosign.pub here: -----BEGIN PUBLIC KEY-----, its lines, and the end",
    )
