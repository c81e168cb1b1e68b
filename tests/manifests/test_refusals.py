"""What stops a render: a ruled image that cannot be written, or that Argo CD would not see."""

from __future__ import annotations

import pytest

from cmp.errors import ManifestError
from cmp.manifests import find_images
from tests.manifests.streams import RULED, retagged

APP = "registry.example.com/team/app"
POD = f"containers:\n- image: {APP}:1\n"

# stream, code, where the error begins
CANNOT_BE_WRITTEN = {
    "a literal block": (f"containers:\n- image: |\n    {APP}:1\n", "RT406", "line 2"),
    "a folded block": (f"containers:\n- image: >-\n    {APP}:1\n", "RT406", "line 2"),
    "joined lines": (
        'containers:\n- image: "registry.example.com/\\\n    team/app:1"\n',
        "RT406",
        "line 2",
    ),
    "base64": (
        "containers:\n- image: !!binary cmVnaXN0cnkuZXhhbXBsZS5jb20vdGVhbS9hcHA6MQ==\n",
        "RT406",
        "line 2",
    ),
    "an anchor of another field": (
        f"a: &i {APP}:1\ncontainers:\n- image: *i\n",
        "RT407",
        "line 1",
    ),
    "an alias in another field": (
        f"containers:\n- image: &i {APP}:1\n  name: *i\n",
        "RT407",
        "line 2",
    ),
    "an alias as a key": (
        f"containers:\n- image: &i {APP}:1\n- *i : x\n",
        "RT407",
        "line 2",
    ),
    "an anchor that is a key": (f"&i {APP}:1: x\ncontainers:\n- image: *i\n", "RT407", "line 1"),
    "a container that is something else": (
        f"x: &c {{image: {APP}:1}}\ncontainers: [*c]\n",
        "RT407",
        "line 1",
    ),
    "a mapping merged into a container and more": (
        f"x: &c {{image: {APP}:1}}\ncontainers:\n- <<: *c\n",
        "RT407",
        "line 1",
    ),
    "a container merged into something else": (
        f"containers:\n- &c {{image: {APP}:1}}\nx:\n  <<: [*c]\n",
        "RT407",
        "line 2",
    ),
    "a list that is something else": (
        f"containers: &l [{{image: {APP}:1}}]\nothers: *l\n",
        "RT407",
        "line 1",
    ),
    "UTF-16 in one line": (f"\ufeff{{containers: [{{image: '{APP}:1'}}]}}\n", "RT406", "line 1"),
    "UTF-16": ("\ufeff" + POD, "RT406", "line 1"),
}


@pytest.mark.parametrize(
    ("stream", "code", "where"), CANNOT_BE_WRITTEN.values(), ids=CANNOT_BE_WRITTEN
)
def test_an_image_that_cannot_be_rewritten_is_an_error(stream: str, code: str, where: str) -> None:
    encoding = "utf-16-be" if stream.startswith("\ufeff") else "utf-8"

    with pytest.raises(ManifestError) as caught:
        find_images(stream.encode(encoding), {RULED})

    assert caught.value.code == code
    assert caught.value.where.startswith(where)
    assert caught.value.exit_code == 4


NOT_SEEN = {
    "after dots": (f"a: 1\n...\n{POD}", "RT405", "line 2"),
    "after a document that ends by itself": (
        f"{{a: 1}}\n{{containers: [image: {APP}:1]}}\n",
        "RT405",
        "line 2",
    ),
    "after a separator that ends in CR alone": (f"a: 1\r---\r{POD}", "RT405", "line 1"),
    "after a next line separator": (f"a: 1\x85---\x85{POD}", "RT405", "line 1"),
    "JSON values in YAML": (
        f'a: 1\n---\n{{"b":1}}\n{{"containers":[{{"image":"{APP}:1"}}]}}\n',
        "RT405",
        "line 4",
    ),
    "dropped, and broken in itself": (f"a: 1\n...\n{POD}b: 'c", "RT405", "line 2"),
    "text in a separator's line": (f"--- {{a: 1}}\n{POD}", "RT404", "line 1"),
    "text in the next separator's line": (f"{POD}--- !!map\na: 1\n", "RT404", "line 3"),
    "four dashes": (f"a: 1\n----\n{POD}", "RT404", "line 2"),
    "a directive": (f"%YAML 1.1\n---\n{POD}", None, ""),
    "a directive with an image": (f"%YAML 1.1\n# {APP}\n---\n{POD}", "RT403", "line 3"),
    "a later version of YAML": (f"%YAML 1.2\r---\r{POD}", "RT403", "line 1"),
    "no text": (f"{POD}  name: \udcff\n", "RT403", "line 3"),
    "a control character": (f"{POD}  name: \x07\n", "RT403", "line 3"),
    "a tab that indents": (f"{POD}\tname: a\n", "RT403", "line 3"),
    "an unclosed quote": (f"{POD}  name: 'a\n", "RT403", "line 4"),
    "a separator in quotes": (f'a: "\n---\n"\n{POD}', "RT403", "line 6"),
    "an anchor missing": (f"{POD}  name: *a\n", "RT403", "line 3"),
    "an anchor within itself": (f"{POD}a: &a [*a]\n", "RT403", "line 3"),
    "null as a key": (f"{POD}~: a\n", "RT403", "line 3"),
    "nothing as a key": (f"{POD}? \n", "RT403", "line 3"),
    "a list as a key": (f"{POD}? [a]\n: b\n", "RT403", "line 3"),
    "a mapping as a key, from an alias": (f"a: &a {{}}\nb: {{*a : 1}}\n{POD}", "RT403", "line 2"),
    "null as a key, from an alias": (f"a: &a ~\nb: {{*a : 1}}\n{POD}", "RT403", "line 2"),
    "text merged": (f"{POD}a:\n  <<: b\n", "RT403", "line 4"),
    "a list of text merged": (f"{POD}a:\n  <<: [b]\n", "RT403", "line 4"),
    "a list of lists merged": (f"{POD}a:\n  <<: [[b]]\n", "RT403", "line 4"),
    "an alias of text merged": (f"{POD}b: &b c\na:\n  <<: *b\n", "RT403", "line 5"),
    "a number that JSON has not": (f"{POD}a: .nan\n", "RT403", "line 3"),
    "a tag that does not fit": (f"{POD}a: !!int b\n", "RT403", "line 3"),
    "base64 that is none": (f"{POD}a: !!binary b\n", "RT403", "line 3"),
    "an escaped slash": (f'{POD}a: "b\\\\\\/"\n', "RT403", "line 3"),
    "an escaped slash after a tag": (f'{POD}a: !!str "\\/"\n', "RT403", "line 3"),
    "a question mark in brackets": (f"{POD}a: {{b: c?d}}\n", "RT403", "line 3"),
    "JSON that breaks off": (
        f'{{"a":1}}{{"b":2}}\n{{"containers":[{{"image":"{APP}:1"}}]',
        "RT403",
        "line 2",
    ),
    "YAML after two JSON values": (f'{{"a":1}}{{"b":2}}\n---\n{POD}', "RT403", "line 2"),
    "a few bytes after JSON": (f'{{"containers":[{{"image":"{APP}:1"}}]}} #', None, ""),
}


@pytest.mark.parametrize(("stream", "code", "where"), NOT_SEEN.values(), ids=NOT_SEEN)
def test_an_image_that_argo_cd_would_not_see_is_an_error(
    stream: str, code: str | None, where: str
) -> None:
    text = stream.encode("utf-8", "surrogateescape")
    if code is None:  # Argo CD refuses another part of it: loud enough
        assert b":2.0.0" in retagged(text)
        return

    with pytest.raises(ManifestError) as caught:
        find_images(text, {RULED})

    assert (caught.value.code, caught.value.where.split(",")[0]) == (code, where)


ACCEPTED = {
    "a number that JSON has not, as a key": f"{POD}.nan: a\n",
    "such a number in quotes": f"{POD}a: '.nan'\n",
    "a tag that fits": f"{POD}a: !!int '1'\nb: !!float 1\nc: !!null ~\nd: !!bool y\ne: !!str 1\n",
    "base64": f"{POD}a: !!binary aGk=\n",
    "backslashes before a slash": f'{POD}a: "b\\\\/c"\n',
    "an escaped slash outside of quotes": f"{POD}a: b\\/c\nd: '\\/'\n",
    "an escaped slash in JSON": f'{{"a":"\\/","containers":[{{"image":"{APP}:1"}}]}}',
    "a question mark at the start": f"{POD}a: [?b]\n",
    "a question mark in quotes": f"{POD}a: ['b?c']\n",
    "a question mark outside of brackets": f"{POD}a: b?c\nb: {{}}\n",
    "a colon at the end in brackets": f"{POD}a: [b:]\n",
    "a version of YAML before CR alone": f"%YAML 1.1\r---\r{POD}",
    "a byte order mark as a character": f"{POD}a: \ufeff\n",
    "nothing after dots": f"{POD}...\n# c\n",
}


@pytest.mark.parametrize("stream", ACCEPTED.values(), ids=ACCEPTED)
def test_what_argo_cd_accepts_is_rewritten(stream: str) -> None:
    assert retagged(stream.encode()).decode() == stream.replace(f"{APP}:1", f"{APP}:2.0.0")


def test_the_error_names_the_object() -> None:
    stream = (
        "---\nkind: Pod\nmetadata: {name: a, namespace: b}\nspec:\n"
        f"  containers:\n  - image: |\n      {APP}:1\n"
    )

    with pytest.raises(ManifestError) as caught:
        find_images(stream.encode(), {RULED})

    assert str(caught.value) == (
        "line 6, document 1, Pod b/a, spec.containers[0].image: "
        f"{APP}:1 is written as a block; "
        "write it in one line of UTF-8 [RT406]"
    )
