"""Cosign's signatures with public keys: what they claim, and whether it is true. No I/O."""

from cmp.cosign.claim import Claim
from cmp.cosign.keys import PublicKey, read_keys
from cmp.cosign.verify import Unverified, Verified, verify

__all__ = ["Claim", "PublicKey", "Unverified", "Verified", "read_keys", "verify"]
