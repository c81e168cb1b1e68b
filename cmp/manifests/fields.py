"""Image fields that an operator names, for custom resources."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cmp.manifests.grammar import Pattern


class InvalidImageFieldError(ValueError):
    """The mapping is no kustomize fieldSpec; the message says why."""


@dataclass(frozen=True, slots=True)
class ImageField:
    """A field of a custom resource that holds an image, as in kustomize's `images` fieldSpecs.

    *path* is `spec/template/spec/image`; `spec/jobs[]/image` goes into each item of a list, which
    happens without `[]` too; `\\/` is a slash in a key. *group*, *version* and *kind* narrow the
    objects; "" is any.
    """

    path: str
    group: str = ""
    version: str = ""
    kind: str = ""

    @classmethod
    def parse(cls, spec: Mapping[str, Any]) -> ImageField:
        """The field that *spec* (`{path, group?, version?, kind?}`) names.

        kustomize's `create` is accepted without effect: Retag makes no fields. Raises
        `InvalidImageFieldError`.
        """
        if unknown := sorted(set(spec) - {"path", "group", "version", "kind", "create"}):
            raise InvalidImageFieldError(f"unknown field {unknown[0]!r}")
        texts = {key: spec[key] for key in ("path", "group", "version", "kind") if key in spec}
        for key, value in texts.items():
            if not isinstance(value, str):
                raise InvalidImageFieldError(f"{key} is no string: {value!r}")
        if not any(_elements(texts.get("path", ""))):
            raise InvalidImageFieldError("path is missing or empty")
        return cls(**texts)

    @property
    def pattern(self) -> Pattern:
        """The same, as keys."""
        keys = tuple(element.removesuffix("[]") for element in _elements(self.path))
        return Pattern(keys, rooted=True, group=self.group, version=self.version, kind=self.kind)


def _elements(path: str) -> Iterator[str]:
    for element in re.split(r"(?<!\\)/", path):
        if element:
            yield element.replace("\\/", "/")
