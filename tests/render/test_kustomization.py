"""Lists in one line of a kustomization, read as kustomize itself understands them."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cmp.errors import RenderError
from tests.effort import examples
from tests.render.sources import rendered, write

_OBJECT = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n"
_TREE = {
    "outside/kustomization.yaml": "resources: [a.yaml]\n",
    "outside/a.yaml": _OBJECT.replace("name: a", "name: outside"),
    "repo/app/a.yaml": _OBJECT,
    "repo/base/kustomization.yaml": "resources: [a-b_1.yaml]\n",
    "repo/base/a-b_1.yaml": _OBJECT.replace("name: a", "name: b"),
}


def _source(folder: Path, text: str) -> Path:
    """A repository whose source `app` has that kustomization, and a link out of it."""
    write(folder, {**_TREE, "repo/app/kustomization.yaml": text})
    (folder / "repo/app/link").symlink_to("../../outside")
    return folder / "repo"


@pytest.mark.parametrize("value", ["[link]", "[a.yaml, ../../outside]", "[ a.yaml,/etc ]  # x"])
def test_a_plain_list_is_read_with_its_line(tmp_path: Path, value: str) -> None:
    root = _source(tmp_path, f"# mine\nresources: {value}\n")

    with pytest.raises(RenderError, match=r"^app/kustomization.yaml:2: .*RT434"):
        rendered(root, "app")


@pytest.mark.parametrize("value", ["[link,]", "['link']", "[link\n]", "&a [link]", "[!!str link]"])
def test_any_other_list_is_read_by_kustomize(tmp_path: Path, value: str) -> None:
    root = _source(tmp_path, f"# mine\nresources: {value}\n")

    with pytest.raises(RenderError, match=r"^app/kustomization.yaml: .*RT434"):
        rendered(root, "app")


def test_a_plain_list_is_built(tmp_path: Path) -> None:
    root = _source(tmp_path, "resources: [a.yaml,  ../base ] # x\n")

    assert rendered(root, "app").count("kind: ConfigMap") == 2


_ITEMS = st.sampled_from(["a.yaml", " ../base ", "link", "../../outside", "'link'", "[link]", "]"])
_VALUES = st.builds(
    "{}{}{}".format,
    st.sampled_from(["[", " [", "[ ", "&a [", "[ #\n", "'[", ""]),
    st.lists(_ITEMS, max_size=3).map(",".join),
    st.sampled_from(["]", " ] # x", "]#", ",]", "\n]", "]\n- link", "]\n  - link", "]]", "'", ""]),
)


@settings(max_examples=examples(40))
@given(_VALUES)
def test_no_list_leads_out_of_the_repository(value: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = _source(Path(folder).resolve(), f"resources: {value}\n")
        try:
            text = rendered(root, "app")
        except RenderError:
            return
        assert "outside" not in text
