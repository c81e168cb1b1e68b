"""Whether what claims to sign an image does: a digest, the claims found about it, and keys."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cmp.cosign.claim import Claim
from cmp.cosign.keys import PublicKey

# Each is tried with each key, of 0.1 ms each: a registry must not keep anyone busy.
MOST_CLAIMS = 200


@dataclass(frozen=True, slots=True)
class Verified:
    """A signature of the image is *key*'s; *place* is where it was found."""

    key: PublicKey
    place: str

    def __str__(self) -> str:
        return f"signed by {self.key}"


@dataclass(frozen=True, slots=True)
class Unverified:
    """No signature of the image is by a given key; *reason* says it for people.

    *incomplete*: there are more than were looked at, so that one of them may be.
    """

    reason: str
    incomplete: bool = False

    def __str__(self) -> str:
        return self.reason


def verify(
    claims: Iterable[Claim], digest: str, keys: Sequence[PublicKey]
) -> Verified | Unverified:
    """Whether one of *keys* made one of *claims* over the image *digest* (`sha256:…`).

    One is enough: what is wrong with other claims does not matter then. Pure; raises nothing.
    """
    found = list(dict.fromkeys(claims))
    about = [claim for claim in found if not claim.fault and claim.subject == digest]
    for claim in about[:MOST_CLAIMS]:
        for key in keys:
            if key.signed(claim.signed, claim.signature):
                return Verified(key, claim.place)
    incomplete = len(about) > MOST_CLAIMS or any(claim.unread for claim in found)
    return Unverified(_reason(found, about, keys), incomplete)


def _reason(found: Sequence[Claim], about: Sequence[Claim], keys: Sequence[PublicKey]) -> str:
    """Why none of *found*, of which *about* are of the image, counts: the weightiest cause."""
    whole = [claim for claim in found if not claim.fault]
    if about:
        reason = f"{_count(about)} of it, by none of the keys {', '.join(map(str, keys))}"
        return reason + _faults(found, "; besides, ")
    if len(whole) < len(found):
        return "no signature that counts" + _faults(found, ": ")
    return f"{_count(whole)} found, of another digest" if whole else "it is not signed"


def _count(claims: Sequence[Claim]) -> str:
    return "1 signature" if len(claims) == 1 else f"{len(claims)} signatures"


def _faults(claims: Iterable[Claim], before: str) -> str:
    """The first fault of *claims* and how many more there are, after *before*; "" without any."""
    faults = [f"{claim.place}: {claim.fault}" for claim in claims if claim.fault]
    if not faults:
        return ""
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return f"{before}{faults[0]}{more}"
