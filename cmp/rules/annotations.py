"""Rules in an Application's annotations, for refs with `useAnnotations: true`.

As the Image Updater's v1 reads those of its v0: `image-list` names the images, everything else is
for the Application as a whole or, as `<alias>.…`, for one image. What is blank is absent, but
ignore-tags. An alias is what stands before the first `=`, if it could be one: `image:>=1.0` has
none, while `org/image=…` has.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

from cmp.rules.model import CommonUpdateSettings, ManifestTargets, WriteBackConfig
from cmp.rules.rule import MOST_RULES

PREFIX = "argocd-image-updater.argoproj.io/"
IMAGE_LIST = PREFIX + "image-list"

_ALIAS = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9-._/]*|", re.ASCII)
_BOOLEANS = {  # Go's strconv.ParseBool
    **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True),
    **dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), False),
}


class InvalidAnnotationError(ValueError):
    """An annotation that makes the Image Updater skip the Application."""


@dataclass(frozen=True, slots=True)
class AnnotatedImage:
    """One image of the list; without alias ("") it has only the shared settings."""

    alias: str
    name: str
    settings: CommonUpdateSettings | None = None
    targets: ManifestTargets | None = None


@dataclass(frozen=True, slots=True)
class Annotated:
    """What the annotations say: *settings* are shared by all images."""

    images: tuple[AnnotatedImage, ...]
    settings: CommonUpdateSettings
    write_back: WriteBackConfig


def listed_images(annotations: Mapping[str, str]) -> list[AnnotatedImage]:
    """The images that are listed, without settings; none where there is no list.

    Of more than `MOST_RULES` one too many is told, which disables them all. Raises
    `InvalidAnnotationError`.
    """
    pairs = map(str.strip, annotations.get(IMAGE_LIST, "").split(","))
    return [_listed(pair) for pair in islice(filter(None, pairs), MOST_RULES + 1)]


def read_annotations(annotations: Mapping[str, str]) -> Annotated:
    """All that *annotations* say. Raises `InvalidAnnotationError`."""
    images = [
        AnnotatedImage(
            image.alias,
            image.name,
            _settings(annotations, f"{image.alias}."),
            _targets(annotations, image.alias),
        )
        if image.alias
        else image
        for image in listed_images(annotations)
    ]
    return Annotated(tuple(images), _settings(annotations, ""), _write_back(annotations))


def _listed(pair: str) -> AnnotatedImage:
    alias, equals, name = (part.strip() for part in pair.partition("="))
    if not equals or not _ALIAS.fullmatch(alias):
        return AnnotatedImage("", pair)
    if not name:
        raise InvalidAnnotationError(f"{IMAGE_LIST}: {alias}= has no image")
    return AnnotatedImage(alias, name)


def _settings(annotations: Mapping[str, str], prefix: str) -> CommonUpdateSettings:
    """The settings of one alias (*prefix* `alias.`), or the shared ones (*prefix* "")."""
    allow_tags = _text(annotations, f"{prefix}allow-tags")
    fields = {
        "updateStrategy": _text(annotations, f"{prefix}update-strategy"),
        "allowTags": None if allow_tags is None else [allow_tags],
        "pullSecret": _text(annotations, f"{prefix}pull-secret"),
        "forceUpdate": _boolean(annotations, f"{prefix}force-update"),
        "ignoreTags": _list(annotations, f"{prefix}ignore-tags"),
    }
    if prefix:  # v0 had no shared platforms
        platforms = _list(annotations, f"{prefix}platforms") or []
        fields["platforms"] = [platform for platform in platforms if platform] or None
    return CommonUpdateSettings.model_validate(fields)


def _targets(annotations: Mapping[str, str], alias: str) -> ManifestTargets | None:
    helm = {
        name: _text(annotations, f"{alias}.helm.image-{name}") for name in ("name", "tag", "spec")
    }
    kustomize = _text(annotations, f"{alias}.kustomize.image-name")
    helm_stated = any(helm.values())
    if helm_stated and kustomize:
        raise InvalidAnnotationError(f"{alias} has a target for helm and one for kustomize")
    if not helm_stated and not kustomize:
        return None
    return ManifestTargets.model_validate(
        {"helm": helm} if helm_stated else {"kustomize": {"name": kustomize}}
    )


def _write_back(annotations: Mapping[str, str]) -> WriteBackConfig:
    git = {
        "writeBackTarget": _text(annotations, "write-back-target"),
        "branch": _text(annotations, "git-branch"),
        "repository": _text(annotations, "git-repository"),
    }
    method = _text(annotations, "write-back-method")
    return WriteBackConfig.model_validate({"method": method, "gitConfig": git})


def _text(annotations: Mapping[str, str], name: str) -> str | None:
    return annotations.get(PREFIX + name, "").strip() or None


def _list(annotations: Mapping[str, str], name: str) -> list[str] | None:
    text = annotations.get(PREFIX + name)
    return None if text is None else [item.strip() for item in text.split(",")]


def _boolean(annotations: Mapping[str, str], name: str) -> bool | None:
    text = annotations.get(PREFIX + name)
    if text is None:
        return None
    value = _BOOLEANS.get(text.strip())
    if value is None:
        raise InvalidAnnotationError(f"{PREFIX}{name} is neither true nor false")
    return value
