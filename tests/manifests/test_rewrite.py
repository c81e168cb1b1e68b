"""What is rewritten, what is left alone, and that nothing else in the text changes."""

from __future__ import annotations

import pytest

from cmp.manifests import ImageField, Quoting, find_images, rewrite
from cmp.reference import InvalidReferenceError, Repository
from tests.manifests.streams import RULED, retagged

APP = "registry.example.com/team/app"
DIGEST = "sha256:" + "0a" * 32


def pod(image: str) -> str:
    """A Pod with *image*, as written after `image:`."""
    return f"kind: Pod\nspec:\n  containers:\n  - name: a\n    image: {image}\n    tty: yes\n"


SCALARS = {
    "plain": (f"{APP}:1", f"{APP}:2.0.0"),
    "plain with a comment": (f"{APP}:1  # {APP}:1", f"{APP}:2.0.0  # {APP}:1"),
    "without a tag": (APP, f"{APP}:2.0.0"),
    "double quotes": (f'"{APP}:1"', f'"{APP}:2.0.0"'),
    "single quotes": (f"'{APP}:1'", f"'{APP}:2.0.0'"),
    "quotes and a comment": (f"'{APP}:1' # why", f"'{APP}:2.0.0' # why"),
    "digest": (f"{APP}@{DIGEST}", f"{APP}:2.0.0"),
    "tag and digest": (f"{APP}:1@{DIGEST}", f"{APP}:2.0.0"),
    "anchor": (f"&a {APP}:1", f"&a {APP}:2.0.0"),
    "anchor and tag": (f'&a !!str "{APP}:1"', f'&a !!str "{APP}:2.0.0"'),
    "tag and anchor": (f"!!str  &a\t{APP}:1", f"!!str  &a\t{APP}:2.0.0"),
    "a tag that Argo CD ignores": (f"!custom {APP}:1", f"!custom {APP}:2.0.0"),
    "anchor on a line of its own": (f"&a # c\n      {APP}:1", f"&a # c\n      {APP}:2.0.0"),
    "value on the next line": (f"\n      {APP}:1", f"\n      {APP}:2.0.0"),
    "escapes": ('"registry.example.com\\x2fteam/\\u0061pp:1"', f'"{APP}:2.0.0"'),
    "many blanks": (f"    {APP}:1   ", f"    {APP}:2.0.0   "),
    "a tab after the colon": (f"\t{APP}:1", f"\t{APP}:2.0.0"),
}


@pytest.mark.parametrize(("before", "after"), SCALARS.values(), ids=SCALARS)
def test_an_image_keeps_its_quotes_and_everything_around_it(before: str, after: str) -> None:
    assert retagged(pod(before).encode()) == pod(after).encode()


# Each ruled image ends in `:1`, and becomes `:2.0.0`.
REWRITTEN = {
    "init containers": f"spec:\n  initContainers:\n  - image: {APP}:1\n",
    "ephemeral containers": f"spec:\n  ephemeralContainers:\n  - image: {APP}:1\n",
    "any depth of any kind": f"kind: Foo\na:\n- c: {{containers: [{{image: {APP}:1}}]}}\n",
    "a list in a list": f"- - containers:\n    - image: {APP}:1\n",
    "an image volume": f"spec:\n  volumes:\n  - image: {{reference: '{APP}:1', pullPolicy: x}}\n",
    "a List of objects": f"kind: List\nitems:\n- spec: {{containers: [image: {APP}:1]}}\n",
    "flow style": f"spec: {{containers: [{{name: a, image: {APP}:1}}, {{image: nginx}}]}}\n",
    "JSON in YAML": f'---\n{{"containers":[{{"image":"{APP}:1"}}]}}\n',
    "a JSON value": f'{{"containers":[{{"name":"a","image":"{APP}:1"}}]}}',
    "JSON values one after the other": f'{{}}\n{{"containers":[{{"image":"{APP}:1"}}]}} {{}}\n',
    "YAML after JSON": f'{{"a":1}}\n---\ncontainers:\n- image: {APP}:1\n',
    "JSON after YAML": f'a: 1\n---\n{{"containers":[{{"image":"{APP}:1"}}]}}\n',
    "a quoted key": f'"containers":\n- "image": {APP}:1\n',
    "an escaped key": f'containers:\n- "im\\u0061ge": {APP}:1\n',
    "an explicit key": f"? containers\n:\n- ? image\n  : {APP}:1\n",
    "a key from an alias": f"a: &k image\ncontainers:\n- *k : {APP}:1\n",
    "a tagged key": f"!!str containers:\n- !!str image: {APP}:1\n",
    "an anchored key": f"&l containers:\n- &i image: {APP}:1\n",
    "a base64 key": f"containers:\n- !!binary aW1hZ2U=: {APP}:1\n",
    "a key that occurs twice": f"containers:\n- image: {APP}:1\n  name: a\n  image: '{APP}:1'\n",
    "a key twice in JSON": f'{{"containers":[{{"image":"{APP}:1","image":"{APP}:1"}}]}}',
    "CRLF": f"a: 1\r\n---\r\ncontainers:\r\n- image: {APP}:1\r\n",
    "CR alone": f"containers:\r- image: {APP}:1\r  name: a\r",
    "a line separator": f"a: b\u2028containers:\u2028- image: {APP}:1\u2028",
    "a byte order mark": f"\ufeffcontainers:\n- image: {APP}:1\n",
    "a byte order mark in a later document": f"a: 1\n---\n\ufeffcontainers:\n- image: {APP}:1\n",
    "characters of two, three and four bytes": f"é: 🙂\ncontainers:\n- image: {APP}:1 # é\n",
    "JSON with such characters": f'{{"🙂":"é","containers":[{{"é":"✓","image":"{APP}:1"}}]}}',
    "no line break at the end": f"containers:\n- image: {APP}:1",
    "documents with comments between": f"# a\n---\n# b\ncontainers:\n- image: {APP}:1\n---\n#d\n",
    "an alias of a container": f"containers:\n- &c {{image: {APP}:1}}\n- *c\n",
    "an alias of the list": f"containers: &l\n- image: {APP}:1\ninitContainers: *l\n",
    "an alias of an image": f"containers:\n- image: &i {APP}:1\n- image: *i\n",
    "a container merged into others": (
        f"containers:\n- &c\n  image: {APP}:1\n- <<: *c\n  name: b\n- <<: [*c]\n  name: c\n"
    ),
    "a container merged twice": f"containers:\n- &c {{image: {APP}:1}}\n- <<: [*c, *c]\n",
    "a merge of a merge": f"containers:\n- &a {{image: {APP}:1}}\n- &b {{<<: *a}}\n- {{<<: *b}}\n",
    "a mapping merged in place": f"containers:\n- <<: {{image: {APP}:1}}\n  name: a\n",
    "mappings merged in place": f"containers:\n- <<: [{{image: {APP}:1}}, {{name: a}}]\n",
    "a merged image that is overridden": (
        f"containers:\n- &c {{image: {APP}:1}}\n- {{<<: *c, image: '{APP}:1'}}\n"
    ),
    "a pod spec merged": f"a: &p\n  containers: [image: {APP}:1]\nb:\n  <<: *p\n",
    "an anchor defined again": f"a: &x 1\ncontainers:\n- image: &x {APP}:1\n- image: *x\n",
}


@pytest.mark.parametrize("stream", REWRITTEN.values(), ids=REWRITTEN)
def test_images_are_found_wherever_containers_are(stream: str) -> None:
    assert f"{APP}:1" in stream

    assert retagged(stream.encode()).decode() == stream.replace(f"{APP}:1", f"{APP}:2.0.0")


UNCHANGED = {
    "nothing": "",
    "blank lines": "\n\n",
    "an image elsewhere": f"image: {APP}:1\nspec:\n  image: {APP}:1\n",
    "containers that are no list": f"containers:\n  image: {APP}:1\n",
    "a key that looks like a list": f"containers:\n  '[]':\n    image: {APP}:1\n",
    "a list of other things": f"sidecars:\n- image: {APP}:1\n",
    "a container that is text": f"containers:\n- {APP}:1\n",
    "an image below an image": f"containers:\n- image: {{image: {APP}:1}}\n",
    "a volume's image without reference": f"volumes:\n- image: {APP}:1\n  reference: {APP}:1\n",
    "a reference in a container": f"containers:\n- image: {{reference: {APP}:1}}\n",
    "a ConfigMap's block": f"data:\n  pod.yaml: |\n    containers:\n    - image: {APP}:1\n",
    "a ConfigMap's line": f'data:\n  a: "containers:\\n- image: {APP}:1\\n"\n',
    "an environment variable": f"containers:\n- env:\n  - name: image\n    value: {APP}:1\n",
    "annotations": f"metadata:\n  annotations:\n    image: {APP}:1\n",
    "arguments": f"containers:\n- args: ['{APP}:1']\n  command: [image, '{APP}:1']\n",
    "comments": f"# {APP}:1\ncontainers:\n- name: a # image: {APP}:1\n",
    "another repository": f"containers:\n- image: {APP}le:1\n- image: {APP}/x:1\n- image: x/app\n",
    "another registry": "containers:\n- image: registry.example.org/team/app:1\n",
    "upper case": "containers:\n- image: registry.example.com/team/App:1\n",
    "a placeholder": f"containers:\n- image: {APP}:${{TAG}}\n",
    "a tag missing": f"containers:\n- image: '{APP}:'\n",
    "a blank in it": f"containers:\n- image: ' {APP}:1'\n",
    "a line within": "containers:\n- image: registry.example.com/team/\n    app:1\n",
    "a number": "containers:\n- image: 190\n- image: 1_90\n- image: 0xbe\n- image: 190.0\n",
    "null and booleans": f"containers:\n- image:\n- image: ~\n- image: yes\n# {APP}\n",
    "a number in JSON": '{"containers":[{"image":190},{"image":null},{"image":true}]}',
    "a tagged number": 'containers:\n- image: !!int "190"\n',
    "a merge key in quotes": f'containers:\n- "<<": {{image: {APP}:1}}\n',
    "a key that begins with a byte order mark": f"a: 1\n\ufeffcontainers:\n- image: {APP}:1\n",
    "CRDs": f"kind: CustomResourceDefinition\nproperties:\n  containers:\n    image: {APP}\n",
    "text that Argo CD refuses, unruled": "a: [\n---\n%YAML 1.1\n---\nb: \x07\n",
    "bytes that are no text, unruled": "a: \udcff\n",
    "a dropped document, unruled": "a: 1\n...\nb: 2\n",
    "deep nesting, unruled": "[" * 5000,
    "deep JSON, unruled": '{"a":' * 5000,
}


@pytest.mark.parametrize("stream", UNCHANGED.values(), ids=UNCHANGED)
def test_everything_else_stays_as_it_is(stream: str) -> None:
    text = stream.encode("utf-8", "surrogateescape")

    assert retagged(text) == text


PLAIN = {
    "a number in base 60": ("190:20", "30", '"190:30"'),
    "a float in base 60": ("190:20", "30.5", '"190:30.5"'),
    "text to all": ("190:20", "99x", "190:99x"),
    "more than base 60": ("190:20", "61", "190:61"),
    "quotes that are there": ("'190:20'", "30", "'190:30'"),
}


@pytest.mark.parametrize(("before", "tag", "after"), PLAIN.values(), ids=PLAIN)
def test_a_plain_scalar_gets_quotes_where_a_reader_would_see_a_number(
    before: str, tag: str, after: str
) -> None:
    assert retagged(pod(before).encode(), tag=tag) == pod(after).encode()


def test_a_date_is_text() -> None:
    stream = pod("2001-01-01").encode()
    (site,) = find_images(stream, {Repository("docker.io", "library/2001-01-01")})

    assert rewrite(stream, {site: "2001-01-02"}) == pod('"2001-01-02"').encode()


def test_an_ipv6_registry_does_not_open_a_list() -> None:
    stream = pod(f"{APP}:1").encode()
    (site,) = find_images(stream, {RULED})

    assert rewrite(stream, {site: "[::1]:5000/app:2"}) == pod('"[::1]:5000/app:2"').encode()


def test_the_same_reference_leaves_the_text_alone_however_it_is_spelled() -> None:
    stream = pod('"registry.example.com\\x2fteam/app:1"').encode()
    (site,) = find_images(stream, {RULED})

    assert rewrite(stream, {site: f"{APP}:1"}) is stream


def test_only_a_reference_can_be_written() -> None:
    stream = pod(f"{APP}:1").encode()
    (site,) = find_images(stream, {RULED})

    with pytest.raises(InvalidReferenceError):
        rewrite(stream, {site: f"{APP}:1\n  hostNetwork: true"})


def test_a_site_says_where_it_stands() -> None:
    stream = (
        b"# head\n---\nkind: ConfigMap\n---\napiVersion: apps/v1\nkind: Deployment\nspec:\n"
        b"  template:\n    spec:\n      containers:\n      - {}\n      - image: 'registry.exa"
        b"mple.com/team/app:1'\nmetadata:\n  name: web\n  namespace: prod\n"
    )
    (site,) = find_images(stream, {RULED})

    assert stream[site.start : site.end] == f"{APP}:1".encode()
    assert site.quoting is Quoting.SINGLE
    assert (site.image.tag, site.image.repository) == ("1", RULED)
    assert (site.place.document, site.place.line) == (3, 12)
    assert str(site.place) == (
        "line 12, document 3, Deployment prod/web, spec.template.spec.containers[1].image"
    )


def test_an_item_of_a_list_is_an_object_of_its_own() -> None:
    stream = (
        '{"kind":"List","items":[{},{"kind":"Pod","metadata":{"name":"a"},\n'
        f'"spec":{{"containers":[{{"image":"{APP}:1"}}]}}}}]}}'
    )
    (site,) = find_images(stream.encode(), {RULED})

    assert str(site.place) == "line 2, document 1, Pod a, spec.containers[0].image"


def test_an_image_outside_of_any_object_has_a_path_from_the_root() -> None:
    (site,) = find_images(f"- containers:\n  - image: {APP}:1\n".encode(), {RULED})

    assert str(site.place) == "line 2, document 1, [0].containers[0].image"


FIELDS = {
    "a field": ("spec/image", f"spec: {{image: {APP}:1}}", True),
    "a field in a list": ("spec/jobs[]/image", f"spec: {{jobs: [{{image: {APP}:1}}]}}", True),
    "a list without []": ("spec/jobs/image", f"spec: {{jobs: [{{image: {APP}:1}}]}}", True),
    "a list of images": ("spec/images[]", f"spec: {{images: [x, {APP}:1]}}", True),
    "an item of a List": (
        "spec/image",
        f"kind: List\nitems: [{{spec: {{image: {APP}:1}}}}]",
        True,
    ),
    "a slash in a key": ("a\\/b/image", f"a/b: {{image: {APP}:1}}", True),
    "through an alias": ("spec/image", f"spec: &s {{image: {APP}:1}}\nspec: *s", True),
    "the wrong depth": ("spec/image", f"a: {{spec: {{image: {APP}:1}}}}", False),
    "below the field": ("spec/image", f"spec: {{image: {{image: {APP}:1}}}}", False),
    "another key": ("spec/image", f"spec: {{picture: {APP}:1}}", False),
}


@pytest.mark.parametrize(("path", "stream", "found"), FIELDS.values(), ids=FIELDS)
def test_an_operator_names_fields_as_kustomize_does(
    path: str, stream: str, *, found: bool
) -> None:
    expected = stream.replace(":1", ":2.0.0") if found else stream

    assert retagged(stream.encode(), ImageField(path)).decode() == expected


SELECTORS = {
    "kind": ({"kind": "Task"}, True),
    "another kind": ({"kind": "Tasks"}, False),
    "group and version": ({"group": "tasks.example.com", "version": "v1"}, True),
    "another group": ({"group": "example.com"}, False),
    "another version": ({"version": "v1beta1"}, False),
}


@pytest.mark.parametrize(("selector", "found"), SELECTORS.values(), ids=SELECTORS)
def test_a_field_is_one_of_the_selected_objects(selector: dict[str, str], *, found: bool) -> None:
    field = ImageField.parse({"path": "spec/image", **selector})
    stream = f"apiVersion: tasks.example.com/v1\nkind: Task\nspec:\n  image: {APP}:1\n".encode()

    assert (retagged(stream, field) != stream) is found
