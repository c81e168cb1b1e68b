"""A repository in memory, which counts what is asked of it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping

from cmp.errors import NotFoundError, RegistryError
from cmp.registry.documents import Descriptor


def digest_of(body: bytes) -> str:
    """The sha256 digest of *body*."""
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


class MemoryContent:
    """Answers as `cmp.registry.metadata.Content`.

    *served* are the media types of digests that are served as another than what names them says;
    *faults* are raised for the tags and digests they stand under.
    """

    def __init__(
        self,
        tags: Mapping[str, Descriptor],
        bodies: Iterable[bytes],
        *,
        served: Mapping[str, str] | None = None,
        faults: Mapping[str, RegistryError] | None = None,
    ) -> None:
        self.tags = tags
        self.bodies = {digest_of(body): body for body in bodies}
        self.served = served or {}
        self.faults = faults or {}
        self.asked: Counter[str] = Counter()

    async def resolve(self, tag: str) -> Descriptor:
        """The manifest that *tag* names."""
        self._ask("resolve", tag)
        if tag not in self.tags:
            raise NotFoundError("RT506", f"there is no tag {tag}")
        return self.tags[tag]

    async def manifest(self, manifest: Descriptor) -> tuple[str, bytes]:
        """The media type and the bytes of a manifest."""
        self._ask("manifest", manifest.digest)
        media_type = self.served.get(manifest.digest, manifest.media_type)
        return media_type, self._body(manifest.digest)

    async def blob(self, digest: str) -> bytes:
        """The bytes of a blob."""
        self._ask("blob", digest)
        return self._body(digest)

    def _ask(self, what: str, name: str) -> None:
        self.asked[what] += 1
        if name in self.faults:
            raise self.faults[name]

    def _body(self, digest: str) -> bytes:
        if digest not in self.bodies:
            raise NotFoundError("RT506", f"there is no {digest}")
        return self.bodies[digest]
