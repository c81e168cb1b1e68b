"""Whether what claims to sign an image does: a digest, the claims found about it, and keys."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from cmp.cosign.claim import Claim
from cmp.cosign.keys import PublicKey

# Each is tried with each key, of 0.1 ms each: a registry must not keep anyone busy.
MOST_CLAIMS = 200


class Cause(Enum):
    """Why no signature counts; where there is more than one cause, the first of these."""

    FOREIGN_KEY = "foreign key"  # a signature of this digest fits no key: another's, or changed
    FAULTY = "faulty"  # what is there cannot be read as a signature of an image
    OTHER_DIGEST = "another digest"  # only other images are signed
    UNSIGNED = "unsigned"  # there is nothing


@dataclass(frozen=True, slots=True)
class Verified:
    """A signature of the image is *key*'s; *place* is where it was found."""

    key: PublicKey
    place: str

    def __str__(self) -> str:
        return f"signed by {self.key}"


@dataclass(frozen=True, slots=True)
class Unverified:
    """No signature of the image is by a given key; *reason* says it for people."""

    cause: Cause
    reason: str

    def __str__(self) -> str:
        return self.reason


def verify(
    claims: Iterable[Claim], digest: str, keys: Sequence[PublicKey]
) -> Verified | Unverified:
    """Whether one of *keys* made one of *claims* over the image *digest* (`sha256:…`).

    One is enough: what is wrong with other claims does not matter then. Pure; raises nothing.
    """
    found = list(dict.fromkeys(claims))
    whole = [claim for claim in found if not claim.fault]
    about = [claim for claim in whole if claim.subject == digest]
    for claim in about[:MOST_CLAIMS]:
        for key in keys:
            if key.signed(claim.signed, claim.signature):
                return Verified(key, claim.place)
    if about:
        reason = f"{_count(about)} of it, by none of the keys {', '.join(map(str, keys))}"
        return Unverified(Cause.FOREIGN_KEY, reason + _faults(found, "; besides, "))
    if len(whole) < len(found):
        return Unverified(Cause.FAULTY, "no signature that counts" + _faults(found, ": "))
    if whole:
        return Unverified(Cause.OTHER_DIGEST, f"{_count(whole)} found, of another digest")
    return Unverified(Cause.UNSIGNED, "it is not signed")


def _count(claims: Sequence[Claim]) -> str:
    return "1 signature" if len(claims) == 1 else f"{len(claims)} signatures"


def _faults(claims: Iterable[Claim], before: str) -> str:
    """The first fault of *claims* and how many more there are, after *before*; "" without any."""
    faults = [f"{claim.place}: {claim.fault}" for claim in claims if claim.fault]
    if not faults:
        return ""
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return f"{before}{faults[0]}{more}"
