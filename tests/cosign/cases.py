"""What `scripts/cosign_data.py` made with the real cosign: public keys, and signed images."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cmp.cosign import PublicKey, read_keys
from cmp.registry.documents import Descriptor
from cmp.registry.referrers import Referrer, read_referrers
from tests.registry.memory import MemoryContent

DATA = Path(__file__).parent / "data"
KEYS = ("first", "second", "foreign")
CASES = sorted(path.relative_to(DATA).with_suffix("").as_posix() for path in DATA.glob("*/*.json"))


class SignedMemory(MemoryContent):
    """Answers as `cmp.registry.signatures.SignedContent`; *listed* are the referrers."""

    listed: Sequence[Referrer] | None = None

    async def referrers(self, digest: str) -> Sequence[Referrer] | None:
        """The referrers, whatever is asked for."""
        self._ask("referrers", f"referrers of {digest}")
        return self.listed


@dataclass(frozen=True)
class Case:
    """A signed image: its digest, what its repository holds, the keys by which cosign agrees."""

    digest: str
    tags: dict[str, Descriptor]
    documents: dict[str, bytes]
    listed: list[Referrer] | None
    verified_by_cosign: list[str]

    def content(self) -> SignedMemory:
        """The repository, with nothing asked of it yet."""
        content = SignedMemory(self.tags, self.documents.values())
        content.listed = self.listed
        return content

    def document(self, part: str) -> bytes:
        """The one document that holds *part*."""
        (found,) = (body for body in self.documents.values() if part.encode() in body)
        return found


def key(name: str) -> PublicKey:
    """The public key *name*."""
    (found,) = read_keys((DATA / f"{name}.pub").read_bytes())
    return found


def case(name: str) -> Case:
    """The case *name*, as `tags/simple`."""
    held = json.loads((DATA / f"{name}.json").read_bytes())
    listed = held["referrers"]
    return Case(
        digest=held["digest"],
        tags={
            tag: Descriptor(named["media_type"], named["digest"])
            for tag, named in held["tags"].items()
        },
        documents={digest: body.encode() for digest, body in held["documents"].items()},
        listed=None if listed is None else read_referrers(json.dumps(listed).encode()),
        verified_by_cosign=held["cosign verifies with"],
    )
