"""Cosign's signatures with public keys: what they claim, and whether it is true. No I/O."""

from cmp.cosign.claim import Claim

__all__ = ["Claim"]
