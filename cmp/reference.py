"""References: what stands in an `image:` field, and which repository that is.

A `Reference` keeps the text as written, so printing gives back what the user wrote; a `Repository`
is the normalised name that the spellings of one image share. Grammar and normalisation:
distribution/reference v0.6.0. `ImageName` is the rule's side, `[alias=]reference` where a version
constraint may stand in the place of the tag: the Image Updater's looser split, with a boundary
where that reads `zot:5000/app` as Docker Hub's image `zot` (docs/image-updater.md).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

DOCKER_HUB = "docker.io"
_HUB_ALIASES = frozenset({"docker.io", "index.docker.io"})
_NORMALISED = 4096  # repositories kept: each is asked for with every image, at every render
_LONGEST_NAME = 255  # distribution/reference: NameTotalLengthMax

_DOMAIN_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = re.compile(rf"(?:{_DOMAIN_LABEL}(?:\.{_DOMAIN_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?")
_HOST_AND_PORT = re.compile(r"\[.*\](?::[0-9]+)?|[^:]+:[0-9]+")
_ELEMENT = r"[a-z0-9]+(?:(?:[._]|__|[-]+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_ELEMENT}(?:/{_ELEMENT})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
# go-digest: the algorithms it knows, their encoding in lower-case hex.
_DIGEST = re.compile(r"sha256:[a-f0-9]{64}|sha384:[a-f0-9]{96}|sha512:[a-f0-9]{128}")
_HEX_ID = re.compile(r"[a-f0-9]{64}")  # an image ID, which is no name
# The official CRD's pattern of an alias.
_ALIAS = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9-._]*")


class InvalidReferenceError(ValueError):
    """The text is no reference; the message says which part."""


@dataclass(frozen=True, slots=True, order=True)
class Repository:
    """A repository's normalised name: *registry* host (Docker Hub is `docker.io`) and *path*."""

    registry: str
    path: str

    def __str__(self) -> str:
        return f"{self.registry}/{self.path}"

    @property
    def last_element(self) -> str:
        """The last path element, which every spelling of the repository holds."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Reference:
    """`[registry/]name[:tag][@digest]`; *registry* and *name* as written, "" where not stated."""

    text: str
    registry: str
    name: str
    tag: str | None = None
    digest: str | None = None

    def __str__(self) -> str:
        return self.text

    @classmethod
    def parse(cls, text: str) -> Reference:
        """The reference that *text* spells. Raises `InvalidReferenceError`."""
        rest, at, digest = text.partition("@")
        if at:
            _check_digest(digest)
        registry, rest = _split_registry(rest, _is_registry_or_upper_case)
        name, tag = _split_tag(rest)
        if registry and not _DOMAIN.fullmatch(registry):
            # As distribution/reference: `a_b.c` is no host, and may still be a path element.
            registry, name = "", f"{registry}/{name}"
        if tag is not None and not _TAG.fullmatch(tag):
            raise InvalidReferenceError(f"{tag!r} is not a tag")
        _check_name(registry, name)
        return cls(text, registry, name, tag, digest if at else None)

    @property
    def repository(self) -> Repository:
        """The repository, normalised."""
        return normalise(self.registry, self.name)

    @property
    def written_repository(self) -> str:
        """The reference without tag and digest, as written."""
        return _join(self.registry, self.name)

    def with_tag(self, tag: str | None, digest: str | None = None) -> Reference:
        """The same repository, spelled the same, at another *tag* or *digest* (`sha256:…`)."""
        text = self.written_repository
        text += f":{tag}" if tag is not None else ""
        text += f"@{digest}" if digest is not None else ""
        return replace(self, text=text, tag=tag, digest=digest)


@dataclass(frozen=True, slots=True)
class ImageName:
    """A rule's `[alias=]reference`: *constraint* is the tag part, a version constraint or a tag.

    *alias* is "" where there is none; *constraint* None where there is no tag part. *legal* says
    whether it is a reference in the strict grammar.
    """

    text: str
    alias: str
    registry: str
    name: str
    constraint: str | None = None
    digest: str | None = None
    legal: bool = True

    @classmethod
    def parse(cls, text: str) -> ImageName:
        """What *text* names. Never fails: `fault` says whether a registry could hold it."""
        alias, reference = _split_alias(text)
        try:
            parsed = Reference.parse(reference)
        except InvalidReferenceError:
            rest, at, digest = reference.partition("@")
            registry, rest = _split_registry(rest, is_registry)
            # As the Image Updater splits it: before a digest a tag is what follows the last colon.
            name, tag = _split_tag(rest, last=bool(at))
            return cls(text, alias, registry, name, tag, digest if at else None, legal=False)
        return cls(text, alias, parsed.registry, parsed.name, parsed.tag, parsed.digest)

    @property
    def repository(self) -> Repository:
        """The repository, normalised."""
        return normalise(self.registry, self.name)

    @property
    def written_repository(self) -> str:
        """The name without alias, tag and digest, as written."""
        return _join(self.registry, self.name)

    @property
    def fault(self) -> str | None:
        """Why no registry can hold such a repository; None if one can."""
        try:
            _check_name(self.registry, self.name)
        except InvalidReferenceError as error:
            return str(error)
        return None


@lru_cache(maxsize=_NORMALISED)
def normalise(registry: str, name: str) -> Repository:
    """The repository that *registry* ("" is Docker Hub) and *name* mean, in any spelling."""
    if registry in _HUB_ALIASES or not registry:
        return Repository(DOCKER_HUB, name if "/" in name else f"library/{name}")
    return Repository(registry, name)


def is_registry(element: str) -> bool:
    """Whether a reference's first path element names a registry (distribution/reference).

    `http:` of a URL does not: what follows a colon is a port.
    """
    return "." in element or element == "localhost" or bool(_HOST_AND_PORT.fullmatch(element))


def is_repository_path(text: str) -> bool:
    """Whether *text* can be a repository's name within its registry (distribution/reference)."""
    return len(text) <= _LONGEST_NAME and _PATH.fullmatch(text) is not None


def is_digest(text: str) -> bool:
    """Whether *text* is a digest, `sha256:` and 64 hex characters (or sha384, sha512)."""
    return _DIGEST.fullmatch(text) is not None


def is_alias(text: str) -> bool:
    """Whether *text* is an alias as the official CRD allows it."""
    return _ALIAS.fullmatch(text) is not None


def _split_alias(text: str) -> tuple[str, str]:
    alias, equals, reference = text.partition("=")
    if equals and (not alias or is_alias(alias)):
        return alias, reference
    return "", text


def _split_registry(text: str, named_by: Callable[[str], bool]) -> tuple[str, str]:
    first, slash, rest = text.partition("/")
    if slash and named_by(first):
        return first, rest
    return "", text


def _is_registry_or_upper_case(element: str) -> bool:
    """A repository name is lower case, so distribution/reference reads `Host/app` as a host."""
    return is_registry(element) or element != element.lower()


def _split_tag(text: str, *, last: bool = False) -> tuple[str, str | None]:
    if not last:
        name, colon, tag = text.partition(":")
    elif text.rfind(":") > text.rfind("/"):
        name, colon, tag = text.rpartition(":")
    else:
        name, colon, tag = text, "", ""
    return name, tag if colon else None


def _join(registry: str, name: str) -> str:
    return f"{registry}/{name}" if registry else name


def _check_name(registry: str, name: str) -> None:
    if registry and not _DOMAIN.fullmatch(registry):
        raise InvalidReferenceError(f"{registry!r} is not a registry host")
    if not _PATH.fullmatch(name):
        lower = ": a repository is lower case" if name != name.lower() else ""
        raise InvalidReferenceError(f"{name!r} is not a repository name{lower}")
    if not registry and _HEX_ID.fullmatch(name):
        raise InvalidReferenceError(f"{name!r} is an image ID, not a repository name")
    path = normalise(registry, name)
    if len(path.path) > _LONGEST_NAME:
        raise InvalidReferenceError(f"a repository name has at most {_LONGEST_NAME} characters")


def _check_digest(digest: str) -> None:
    if not is_digest(digest):
        raise InvalidReferenceError(f"{digest!r} is not a digest (sha256 and 64 hex characters)")
