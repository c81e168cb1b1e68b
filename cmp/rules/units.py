"""Resource, ref, image: the units of an ImageUpdater, each with what is wrong with itself.

`broken` is a unit that cannot be understood: what it would rule is disabled. A ref's `failure` is
another thing: the Image Updater passes over such a ref, and the next that matches governs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace

from cmp.errors import Finding, Place
from cmp.located import Located, path_text
from cmp.policy.glob import Glob
from cmp.reference import ImageName, InvalidReferenceError, Reference, Repository
from cmp.rules.model import (
    CommonUpdateSettings,
    CosignKey,
    ImagesVerification,
    LabelSelector,
    ManifestTargets,
    WriteBackConfig,
)


class _Unit:
    """What stands at one place of a file."""

    __slots__ = ()
    located: Located

    @property
    def place(self) -> Place:
        """Where the unit begins."""
        return self.located.place

    @property
    def path(self) -> str:
        """The unit's path in its document."""
        return path_text(self.located.path)


@dataclass(frozen=True, slots=True)
class Image(_Unit):
    """An image and the settings that are merged for it.

    *alias* is unique in its ref and never "", *written_alias* as the user wrote it. *name* is
    None where it cannot be read. *verification_above* is the spec's, for a ref that uses
    annotations.
    """

    located: Located
    alias: str
    written_alias: str
    name: ImageName | None
    settings: CommonUpdateSettings
    targets: ManifestTargets | None = None
    verification: ImagesVerification | None = None
    verification_above: ImagesVerification | None = None
    pin: str | None = None
    findings: tuple[Finding, ...] = ()
    broken: bool = False

    @property
    def unusable(self) -> str | None:
        """Why no registry or no manifest can hold a name that is stated here; None if they can."""
        if self.name is None:
            return "it names no image"
        if self.name.fault:
            return self.name.fault
        try:
            self._manifest_name()
        except InvalidReferenceError as error:
            return str(error)
        return None

    @property
    def manifest_name(self) -> Reference | None:
        """`manifestTargets.kustomize.name`: the name as it stands in the manifest, if usable."""
        try:
            return self._manifest_name()
        except InvalidReferenceError:
            return None

    @property
    def repositories(self) -> frozenset[Repository]:
        """The repositories that this image touches in a manifest; empty where they are unknown."""
        if self.name is None or self.name.fault:
            return frozenset()
        name = self.manifest_name
        return frozenset({self.name.repository, *([name.repository] if name else [])})

    @property
    def verified(self) -> bool:
        """Whether signatures are asked for."""
        return asks_for_signatures(self.verification_above) or asks_for_signatures(
            self.verification
        )

    @property
    def cosign_key(self) -> CosignKey | None:
        """Which key signatures are to be of; the nearest that is named."""
        blocks = (self.verification, self.verification_above)
        return next((block.cosign_key for block in blocks if block and block.cosign_key), None)

    @property
    def lacks_key(self) -> bool:
        """Whether signatures are asked for and no key is named."""
        return self.verified and self.cosign_key is None

    def _manifest_name(self) -> Reference | None:
        target = self.targets.kustomize if self.targets else None
        return Reference.parse(target.name) if target and target.name else None


def asks_for_signatures(verification: ImagesVerification | None) -> bool:
    """Whether the block is there, and does not say otherwise."""
    return verification is not None and verification.enabled is not False


def image_name(text: str) -> ImageName:
    """What *text* names, which holds no alias: a `=` in it belongs to a constraint."""
    return replace(ImageName.parse(f"={text}"), text=text)


def unique_alias(alias: str, taken: dict[str, int]) -> str:
    """*alias*, or the first of `alias-2`, `alias-3`, … that is free; *taken* counts them."""
    unique = alias
    while unique in taken:
        taken[alias] += 1
        unique = f"{alias}-{taken[alias]}"
    taken[unique] = 1
    return unique


@dataclass(frozen=True, slots=True)
class Ref(_Unit):
    """Which Applications, and how their images are ruled; *settings* are those of spec and ref.

    *glob* is None where the pattern is malformed or, then blank, cannot be read; *images* where
    they cannot be read; *failure* is why the ref is passed over. With annotations *verification*
    is the ref's own alone, as for the Image Updater, and *verification_above* the spec's.
    *unclear* is a ref that may match more or be more specific than can be read.
    """

    located: Located
    pattern: str
    glob: Glob | None
    selector: LabelSelector | None
    use_annotations: bool
    settings: CommonUpdateSettings
    verification: ImagesVerification | None
    write_back: WriteBackConfig
    verification_above: ImagesVerification | None = None
    images: tuple[Image, ...] | None = ()
    findings: tuple[Finding, ...] = ()
    broken: bool = False
    unclear: bool = False
    failure: Finding | None = None


@dataclass(frozen=True, slots=True)
class Resource(_Unit):
    """An ImageUpdater. *refs* is None where they cannot be read.

    *namespace* is where its Applications are, "" if it says none.
    """

    located: Located
    namespace: str
    name: str
    refs: tuple[Ref, ...] | None = ()
    findings: tuple[Finding, ...] = ()
    broken: bool = False

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name

    @property
    def order(self) -> tuple[str, str, str]:
        """What decides between resources that reach one image equally."""
        data = json.dumps(self.located.data, sort_keys=True)
        return self.namespace, self.name, hashlib.sha256(data.encode()).hexdigest()

    def all_findings(self) -> Iterator[Finding]:
        """What is wrong with the resource and with all that it holds."""
        yield from self.findings
        for ref in self.refs or ():
            yield from ref.findings
            for image in ref.images or ():
                yield from image.findings
