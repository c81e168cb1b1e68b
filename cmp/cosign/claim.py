"""`Claim`: what is said to be the signature of an image, as found in a registry."""

from __future__ import annotations

from dataclasses import dataclass

from cmp.errors import printable

_LONGEST = 200  # characters


@dataclass(frozen=True, slots=True)
class Claim:
    """*signature* (DER) is said to be one over the bytes *signed*, which bind the image *subject*.

    *subject* is the digest that the signed payload names (`sha256:…`), *place* where the claim was
    found, for messages. Nothing of it is verified. What cannot be a signature of an image says why
    in *fault*, and nothing else of it counts. *unread*: it stands for others that are there and
    were not read, of which one may be good.
    """

    signed: bytes
    signature: bytes
    subject: str
    place: str
    fault: str = ""
    unread: bool = False


def faulty(place: str, fault: str, *, unread: bool = False) -> Claim:
    """The claim found at *place* that cannot be a signature of an image, for what *fault* says.

    Both may quote what lies in a registry, which can be long and can hold anything.
    """
    return Claim(b"", b"", "", _short(place), _short(fault), unread)


def _short(text: str) -> str:
    line = printable(text)
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
