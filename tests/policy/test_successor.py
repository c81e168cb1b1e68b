"""What is written in the place of a reference, and when it may stay."""

from __future__ import annotations

import pytest

from cmp.policy import Output, successor
from cmp.reference import Reference
from cmp.tags import Tag

OLD = "sha256:" + "0a" * 32
NEW = "sha256:" + "1b" * 32
TAG, BOTH, DIGEST = Output.TAG, Output.TAG_AND_DIGEST, Output.DIGEST

WRITTEN = [
    pytest.param("app:1", TAG, NEW, "app:2", id="tag for tag"),
    pytest.param("app", TAG, NEW, "app:2", id="tag where there was none"),
    pytest.param("zot:5000/app:1", TAG, None, "zot:5000/app:2", id="the registry stays"),
    pytest.param(f"app:2@{OLD}", TAG, NEW, "app:2", id="a digest goes, as in the Image Updater"),
    pytest.param(f"app@{OLD}", TAG, NEW, "app:2", id="tag for digest"),
    pytest.param("app:2", BOTH, NEW, f"app:2@{NEW}", id="the digest is added"),
    pytest.param(f"app:2@{OLD}", BOTH, NEW, f"app:2@{NEW}", id="the digest moved"),
    pytest.param(f"app:1@{OLD}", BOTH, NEW, f"app:2@{NEW}", id="both"),
    pytest.param("app:2", DIGEST, NEW, f"app@{NEW}", id="digest for tag"),
    pytest.param(f"app@{OLD}", DIGEST, NEW, f"app@{NEW}", id="digest for digest"),
    pytest.param("app:1", BOTH, None, "app:2", id="no digest is known: the tag"),
    pytest.param("app:1", DIGEST, None, "app:2", id="no digest is known, and only it is wanted"),
]

STAYING = [
    pytest.param("app:2", TAG, id="the tag"),
    pytest.param(f"app:2@{NEW}", BOTH, id="both"),
    pytest.param(f"app:stable@{NEW}", BOTH, id="the digest, at another tag"),
    pytest.param(f"app@{NEW}", BOTH, id="the digest alone"),
    pytest.param(f"app@{NEW}", DIGEST, id="the digest that is wanted"),
]


@pytest.mark.parametrize(("current", "output", "digest", "after"), WRITTEN)
def test_a_chosen_tag_is_written(
    current: str, output: Output, digest: str | None, after: str
) -> None:
    new = successor(Reference.parse(current), Tag("2", digest), output)
    assert str(new) == after
    assert new is not None
    assert successor(new, Tag("2", digest), output) is None


@pytest.mark.parametrize(("current", "output"), STAYING)
def test_a_reference_that_is_at_the_chosen_tag_stays(current: str, output: Output) -> None:
    assert successor(Reference.parse(current), Tag("2", NEW), output) is None
