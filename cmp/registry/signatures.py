"""What a registry holds that claims to be a signature of an image, by cosign's three habits.

    referrers of the digest      bundles, and signatures of cosign's OCI 1.1 mode
    the tag sha256-<hex>         the same, where the registry has no API for referrers
    the tag sha256-<hex>.sig     cosign's own way: a layer for each signature

All are read and added up, for an image may be signed twice, by tools of different age. What is
missing is no error; what is there and malformed is a claim with its fault, and hides no other.
Sources: OCI distribution specification 1.1, "Listing Referrers" and "Referrers Tag Schema";
cosign's SIGNATURE_SPEC.md, "Storage".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from cmp.cosign import Claim
from cmp.registry.metadata import Content
from cmp.registry.referrers import Referrer


class SignedContent(Content, Protocol):
    """What lies in one repository, and what is about it."""

    async def referrers(self, digest: str) -> Sequence[Referrer] | None:
        """What says that it is about *digest*; None where the registry cannot tell."""
        ...


async def read_claims(content: SignedContent, digest: str) -> list[Claim]:
    """What claims to be a signature of the manifest or index *digest*; [] for nothing.

    Raises `cmp.errors.RegistryError` where something may be there and could not be read.
    """
    raise NotImplementedError
