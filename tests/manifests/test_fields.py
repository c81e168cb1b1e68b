"""Image fields as an operator writes them."""

from __future__ import annotations

from typing import Any

import pytest

from cmp.manifests import ImageField, InvalidImageFieldError


def test_a_field_is_a_fieldspec_of_kustomize() -> None:
    spec = {"path": "spec/image", "group": "g", "version": "v", "kind": "K", "create": False}

    assert ImageField.parse(spec) == ImageField("spec/image", "g", "v", "K")


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no path": ({"kind": "Task"}, "path is missing or empty"),
    "an empty path": ({"path": "//"}, "path is missing or empty"),
    "no string": ({"path": "a", "version": 1.0}, "version is no string: 1.0"),
    "a typing error": ({"paths": "a"}, "unknown field 'paths'"),
}


@pytest.mark.parametrize(("spec", "message"), REFUSED.values(), ids=REFUSED)
def test_another_mapping_is_refused(spec: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidImageFieldError, match=message):
        ImageField.parse(spec)
