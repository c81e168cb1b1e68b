"""`Rule`: which tags one image of one Application may have, merged and without Kubernetes.

What cannot be a rule because it is broken is a `DisabledUnit`: it keeps its place, since the
Application must not be rendered as if there were no rule.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass

from cmp.errors import Finding, Place, Severity
from cmp.parameters import is_ours
from cmp.policy.settings import FilterTags, Settings
from cmp.reference import ImageName, Reference, Repository
from cmp.rules.model import CommonUpdateSettings, ManifestTargets
from cmp.rules.remarks import foreign_secret, operators_credential
from cmp.rules.units import Image, Ref, Resource

# Images that are ruled for one Application, of which the largest have some dozens: each is looked
# at in each render, and whoever may write rules of a namespace could name a million.
MOST_RULES = 1000

# What does not select among tags: changing it must not lose the memory of the last good choice.
_NOT_SELECTING = ("pin", "suspend", "output")


@dataclass(frozen=True, slots=True, order=True)
class Identity:
    """Which rule it is: *source* is ImageUpdater or annotations, *namespace* and *name* are the
    resource's, *ref* its name pattern. *fingerprint* is a hash of the fields that select.
    """

    source: str
    namespace: str
    name: str
    ref: str
    alias: str
    fingerprint: str

    @property
    def rule(self) -> str:
        """All but the fingerprint, as a text that no other rule has."""
        return json.dumps((self.source, self.namespace, self.name, self.ref, self.alias))

    def __str__(self) -> str:
        resource = f"{self.namespace}/{self.name}" if self.namespace else self.name
        image = f"{self.alias} (annotations)" if self.source == "annotations" else self.alias
        return f"ImageUpdater {resource}, ref {self.ref}, image {image}"


@dataclass(frozen=True, slots=True, order=True)
class CosignKey:
    """Where public keys are: under *key* of the Secret *name* of a namespace ("" if unknown)."""

    namespace: str
    name: str
    key: str

    @property
    def secret(self) -> str:
        """The Secret, as it is spoken of."""
        return f"{self.namespace}/{self.name}"

    def __str__(self) -> str:
        return f"key {self.key} of the Secret {self.secret}"


@dataclass(frozen=True, slots=True)
class Rule:
    """*manifest_name* is how the image is called in the manifest, where that is another name.

    *pull_secret* is raw, and never shown; "" for the registry's own credentials. *cosign_key* is
    None where signatures are not asked for, or no key is named. *force_update* has no effect, nor
    have the *variables* of `plugin.env` that the Image Updater writes. *notes* say what is stated
    and has none.
    """

    identity: Identity
    image: ImageName
    settings: Settings
    place: Place
    manifest_name: Reference | None = None
    pull_secret: str = dataclasses.field(default="", repr=False)
    cosign_key: CosignKey | None = None
    force_update: bool = False
    variables: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def alias(self) -> str:
        """The image's alias, unique in its ref."""
        return self.identity.alias

    @property
    def repository(self) -> Repository:
        """Where the tags are."""
        return self.image.repository

    @property
    def repositories(self) -> frozenset[Repository]:
        """Under which names the image stands in the manifests."""
        name = self.manifest_name
        return frozenset({self.repository, *([name.repository] if name else [])})


@dataclass(frozen=True, slots=True)
class DisabledUnit:
    """An image that is ruled by something broken: *what* is wrong with it at *place*, *path*.

    *repositories* are empty where it cannot be told which images are meant: then all are.
    *pinned* is whether it states a pin, readable or not.
    """

    place: Place
    path: str
    repositories: frozenset[Repository]
    what: str
    findings: tuple[Finding, ...] = ()
    pinned: bool = False

    def concerns(self, repository: Repository) -> bool:
        """Whether an image of *repository* may be meant."""
        return not self.repositories or repository in self.repositories


def rule_of(image: Image, ref: Ref, resource: Resource) -> Rule | DisabledUnit:
    """The rule that *image* states, or its place if it is broken."""
    if image.broken or image.unusable or image.name is None:
        lacking = "imagesVerification is on and has no cosignKey" if image.lacks_key else ""
        return disabled_image(image, image.unusable or lacking or "the image is faulty")
    settings = _settings(image, image.name)
    stated = image.settings
    key = _cosign_key(image, resource)
    secret = stated.pull_secret or ""
    if foreign := foreign_secret(image, resource.namespace):
        return disabled_image(image, "", (foreign,))
    return Rule(
        identity=_identity(ref, resource, image.alias, _fingerprint(image.name, settings, key)),
        image=image.name,
        settings=settings,
        place=image.place,
        manifest_name=image.manifest_name,
        pull_secret="" if operators_credential(secret) else secret,
        cosign_key=key,
        force_update=bool(stated.force_update),
        variables=image.targets.variables if image.targets else (),
        notes=_notes(image),
    )


def disabled_image(image: Image, what: str, findings: tuple[Finding, ...] = ()) -> DisabledUnit:
    """*image* as disabled by *findings*, or else by its own errors."""
    errors = tuple(each for each in image.findings if each.severity is Severity.ERROR)
    causes = findings or errors
    reason = causes[0].what if causes else what
    stated = image.located.data
    pinned = isinstance(stated, dict) and stated.get("pin") is not None
    return DisabledUnit(image.place, image.path, image.repositories, reason, causes, pinned)


def _settings(image: Image, name: ImageName) -> Settings:
    stated = image.settings
    filter_tags = stated.filter_tags
    return Settings(
        strategy=stated.update_strategy or "",
        constraint=name.constraint,
        allow_tags=_allow_tags(stated),
        ignore_tags=stated.ignore_tags or (),
        deny_tags=stated.deny_tags or (),
        platforms=stated.platforms or (),
        filter_tags=FilterTags(filter_tags.pattern, filter_tags.extract) if filter_tags else None,
        order_by=stated.order_by or "built",
        output=stated.output or "tag",
        pin=image.pin,
        suspend=bool(stated.suspend),
        min_age=stated.min_age,
        max_severity=stated.max_severity,
        require_trusted=bool(stated.require_trusted),
        verify=image.verified,
    )


def _allow_tags(stated: CommonUpdateSettings) -> tuple[str, ...]:
    """The filters; a blank one allows all, as none does."""
    allowed = stated.allow_tags or ()
    return () if "" in allowed else allowed


def _cosign_key(image: Image, resource: Resource) -> CosignKey | None:
    """Where the key is that *image* must be signed with: a Secret of the resource's namespace."""
    key = image.cosign_key if image.verified else None
    return CosignKey(resource.namespace, key.secret_name, key.key) if key else None


def _fingerprint(name: ImageName, settings: Settings, key: CosignKey | None) -> str:
    """A hash of the fields that select among tags."""
    fields = dataclasses.asdict(settings)
    selecting = {name: fields[name] for name in fields if name not in _NOT_SELECTING}
    text = json.dumps([str(name.repository), selecting, key and str(key)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _identity(ref: Ref, resource: Resource, alias: str, fingerprint: str) -> Identity:
    return Identity(
        source="annotations" if ref.use_annotations else "ImageUpdater",
        namespace=resource.namespace,
        name=resource.name,
        ref=ref.pattern,
        alias=alias,
        fingerprint=fingerprint,
    )


def _notes(image: Image) -> tuple[str, ...]:
    notes = []
    if image.settings.force_update:
        notes.append("forceUpdate has no effect")
    if image.settings.pull_secret and operators_credential(image.settings.pull_secret):
        notes.append("its pullSecret is for registries.conf alone and is not honoured")
    targets = image.targets or ManifestTargets()
    stated = [name for name in targets.stated if name != "kustomize"]
    notes += [f"manifestTargets.{name} has no effect" for name in stated]
    if left := [name for name in targets.variables if not is_ours(name)]:
        notes.append(f"what plugin.env says as {' and '.join(left)} pins nothing")
    return tuple(notes)
