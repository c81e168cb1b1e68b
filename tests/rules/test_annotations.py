"""Annotations of the v0 era, as the Image Updater's v1 reads them."""

from __future__ import annotations

import pytest

from cmp.rules.annotations import PREFIX, InvalidAnnotationError, listed_images, read_annotations


def named(**annotations: str) -> dict[str, str]:
    """Annotations by their names without the prefix; `__` is a dot, `_` a hyphen."""
    return {
        PREFIX + name.replace("__", ".").replace("_", "-"): value
        for name, value in annotations.items()
    }


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("nginx", [("", "nginx")]),
        ("nginx, reg.io/b:1.x ,,c=x:~2", [("", "nginx"), ("", "reg.io/b:1.x"), ("c", "x:~2")]),
        (" a = reg.io/a ", [("a", "reg.io/a")]),
        ("=reg.io/a", [("", "reg.io/a")]),
        ("org/a=reg.io/a", [("org/a", "reg.io/a")]),
        ("reg.io/a:>=1.0", [("", "reg.io/a:>=1.0")]),
        ("a=reg.io/a:>=1.0, <2.0", [("a", "reg.io/a:>=1.0"), ("", "<2.0")]),
        (" , ", []),
    ],
    ids=[
        "one image",
        "blank items are left out",
        "blanks around an alias",
        "an empty alias is none",
        "an alias with a slash",
        "an operator is no alias",
        "a comma splits a range",
        "blank",
    ],
)  # fmt: skip
def test_image_list(text: str, pairs: list[tuple[str, str]]) -> None:
    images = listed_images(named(image_list=text))
    assert [(image.alias, image.name) for image in images] == pairs


def test_an_alias_has_its_own_settings_beside_the_shared_ones() -> None:
    says = read_annotations(
        named(
            image_list="a=x,y",
            update_strategy="digest",
            allow_tags=" regexp:^v ",
            ignore_tags="x, y,",
            pull_secret="pullsecret:ns/name",
            force_update="true",
            platforms="linux/s390x",
            a__update_strategy="name",
            a__ignore_tags="",
            a__force_update="F",
            a__platforms="linux/amd64,, linux/arm64",
            a__pull_secret=" ",
        )
    )
    assert says.settings.model_dump(exclude_none=True) == {
        "update_strategy": "digest",
        "allow_tags": ("regexp:^v",),
        "ignore_tags": ("x", "y", ""),
        "pull_secret": "pullsecret:ns/name",
        "force_update": True,
    }
    first, second = says.images
    assert first.settings is not None
    assert first.settings.model_dump(exclude_none=True) == {
        "update_strategy": "name",
        "ignore_tags": ("",),
        "force_update": False,
        "platforms": ("linux/amd64", "linux/arm64"),
    }
    assert second.settings is None


def test_targets_of_an_alias() -> None:
    says = read_annotations(
        named(
            image_list="a=x,b=y,c=z",
            a__helm__image_name="image.name",
            a__helm__image_tag=" ",
            b__kustomize__image_name="quay.io/y",
        )
    )
    first, second, third = (image.targets for image in says.images)
    assert first is not None
    assert first.helm is not None
    assert (first.stated, first.helm.name, first.helm.tag) == (["helm"], "image.name", None)
    assert second is not None
    assert second.kustomize is not None
    assert (second.stated, second.kustomize.name) == (["kustomize"], "quay.io/y")
    assert third is None


def test_write_back() -> None:
    says = read_annotations(
        named(image_list="x", write_back_method="git", git_branch=" main ", git_repository=" ")
    )
    assert says.write_back.model_dump(exclude_none=True) == {
        "method": "git",
        "git_config": {"branch": "main"},
    }


@pytest.mark.parametrize(
    ("annotations", "says"),
    [
        (named(image_list="a="), "a= has no image"),
        (named(image_list="x", force_update="yes"), "force-update is neither true nor false"),
        (named(image_list="a=x", a__force_update=""), "a.force-update is neither true nor false"),
        (
            named(image_list="a=x", a__helm__image_spec="i", a__kustomize__image_name="b"),
            "a has a target for helm and one for kustomize",
        ),
    ],
)
def test_faulty_annotations(annotations: dict[str, str], says: str) -> None:
    with pytest.raises(InvalidAnnotationError, match=says):
        read_annotations(annotations)


@pytest.mark.parametrize("text", ["1", "t", "T", "true", "TRUE", "True", " true "])
def test_go_booleans(text: str) -> None:
    assert read_annotations(named(force_update=text)).settings.force_update is True
