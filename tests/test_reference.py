"""References print what was written, and every spelling of a repository is one repository."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmp.reference import ImageName, InvalidReferenceError, Reference, Repository

SHA = "sha256:" + "7a" * 32

PARSED = [
    ("nginx", "", "nginx", None, None),
    ("nginx:1.25", "", "nginx", "1.25", None),
    (f"nginx@{SHA}", "", "nginx", None, SHA),
    (f"zot:5000/team/app:v1@{SHA}", "zot:5000", "team/app", "v1", SHA),
    ("localhost/app", "localhost", "app", None, None),
    ("[::1]:5000/app:1", "[::1]:5000", "app", "1", None),
    ("Host/app:1", "Host", "app", "1", None),
    ("a__b/c-d.e:_1", "", "a__b/c-d.e", "_1", None),
    ("a_b.c/app", "", "a_b.c/app", None, None),
]


@pytest.mark.parametrize(("text", "registry", "name", "tag", "digest"), PARSED)
def test_a_reference_has_the_parts_that_stand_in_it(
    text: str, registry: str, name: str, tag: str | None, digest: str | None
) -> None:
    reference = Reference.parse(text)

    assert (registry, name, tag, digest) == (
        reference.registry,
        reference.name,
        reference.tag,
        reference.digest,
    )
    assert text == str(reference)


REFUSED = [
    # An empty part is not a part.
    ("", "is not a repository name"),
    ("nginx:", "is not a tag"),
    ("nginx@", "is not a digest"),
    ("reg.io/", "is not a repository name"),
    # Repositories are lower case, and elements do not begin or end with a separator.
    ("reg.io/App", "lower case"),
    ("a-/b", "is not a repository name"),
    ("a//b", "is not a repository name"),
    # A version constraint is not a tag.
    ("nginx:~1.2", "is not a tag"),
    ("nginx:" + "a" * 129, "is not a tag"),
    # Only algorithms that OCI registers, in lower-case hex.
    ("nginx@md5:" + "a" * 32, "is not a digest"),
    ("nginx@sha256:" + "A" * 64, "is not a digest"),
    # An image ID stands for an image without a name.
    ("7a" * 32, "image ID"),
    ("a/" * 127 + "ab", "at most 255"),
    ("http://reg.io/a", "is not a tag"),
    ("réseau.io/app", "is not a repository name"),
]


@pytest.mark.parametrize(("text", "reason"), REFUSED)
def test_what_is_no_reference_is_refused_with_the_part_at_fault(text: str, reason: str) -> None:
    with pytest.raises(InvalidReferenceError, match=reason):
        Reference.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "nginx",
        "library/nginx:1",
        "docker.io/nginx",
        "docker.io/library/nginx:1.25",
        f"index.docker.io/library/nginx@{SHA}",
    ],
)
def test_docker_hub_has_one_repository_for_all_its_spellings(text: str) -> None:
    assert Repository("docker.io", "library/nginx") == Reference.parse(text).repository


def test_other_registries_keep_library_and_host_as_they_are() -> None:
    assert str(Reference.parse("reg.io/library/app:1").repository) == "reg.io/library/app"
    assert Reference.parse("reg.io/library/app:1").repository.last_element == "app"


@pytest.mark.parametrize(
    ("text", "tag", "digest", "expected"),
    [
        ("app:1", "2", None, "app:2"),
        (f"app:1@{SHA}", "2", None, "app:2"),
        ("docker.io/library/nginx", "2", SHA, f"docker.io/library/nginx:2@{SHA}"),
        ("zot:5000/app:1", None, SHA, f"zot:5000/app@{SHA}"),
    ],
)
def test_another_tag_keeps_the_spelling_of_the_repository(
    text: str, tag: str | None, digest: str | None, expected: str
) -> None:
    moved = Reference.parse(text).with_tag(tag, digest)

    assert expected == str(moved)
    assert moved == Reference.parse(expected)


IMAGE_NAMES = [
    ("web=nginx:~1.2", "web", "docker.io/library/nginx", "~1.2"),
    ("nginx:>=1.0, <2", "", "docker.io/library/nginx", ">=1.0, <2"),
    ("=nginx", "", "docker.io/library/nginx", None),
    ("web=zot:5000/app:^1", "web", "zot:5000/app", "^1"),
    ("localhost/app:~1", "", "localhost/app", "~1"),
    ("docker.io/library/nginx:~1", "", "docker.io/library/nginx", "~1"),
    (f"reg.io/a:~1@{SHA}", "", "reg.io/a", "~1"),
    (f"reg.io/a/b@{SHA}@{SHA}", "", "reg.io/a/b", None),
]


@pytest.mark.parametrize(("text", "alias", "repository", "constraint"), IMAGE_NAMES)
def test_an_image_name_may_hold_a_constraint_in_place_of_a_tag(
    text: str, alias: str, repository: str, constraint: str | None
) -> None:
    image = ImageName.parse(text)

    assert (alias, repository, constraint) == (
        image.alias,
        str(image.repository),
        image.constraint,
    )
    assert image.fault is None


def test_an_image_name_that_no_registry_can_hold_says_why() -> None:
    assert ImageName.parse("reg.io/App:1").fault == (
        "'App' is not a repository name: a repository is lower case"
    )
    assert ImageName.parse("a=b=c").fault == "'b=c' is not a repository name"
    assert ImageName.parse("a.b-/app:~1").fault == "'a.b-' is not a registry host"


def test_an_image_name_prints_its_repository_as_written() -> None:
    assert ImageName.parse("web=docker.io/nginx:~1").written_repository == "docker.io/nginx"


hosts = st.sampled_from(["", "docker.io/", "zot:5000/", "reg.io/", "localhost/"])
elements = st.from_regex(r"[a-z0-9]{1,5}((\.|_|__|-)[a-z0-9]{1,3})?", fullmatch=True)
paths = st.lists(elements, min_size=1, max_size=3).map("/".join)
tags = st.none() | st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,10}", fullmatch=True)


@given(host=hosts, path=paths, tag=tags, digest=st.sampled_from(["", f"@{SHA}"]))
def test_printing_a_parsed_reference_gives_back_the_text(
    host: str, path: str, tag: str | None, digest: str
) -> None:
    text = host + path + (f":{tag}" if tag else "") + digest

    assert text == str(Reference.parse(text))


@given(st.text(max_size=60))
def test_any_text_is_a_reference_or_refused(text: str) -> None:
    image = ImageName.parse(text)
    try:
        reference = Reference.parse(text)
    except InvalidReferenceError:
        return
    assert reference.repository == image.repository
    assert image.legal
