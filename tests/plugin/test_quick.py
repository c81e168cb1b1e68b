"""What is rendered quickly has the bytes that `cmp.render` gives, or is not rendered quickly."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmp.errors import RetagError
from cmp.plugin import child, kustomize, quick
from cmp.plugin.full import permissions_of
from cmp.render import render
from cmp.render.child import environment as surroundings
from cmp.render.kustomization import check_references
from cmp.render.workspace import workspace
from cmp.request import from_environment

OBJECT = b"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n"
ENVIRONMENT = {b"ARGOCD_APP_NAME": b"web", b"PATH": os.fsencode(os.environ["PATH"])}


def quickly(source: Path, **more: str) -> bytes | None:
    """What `quick` makes of *source*, with *more* variables."""
    added = {name.encode(): text.encode() for name, text in more.items()}
    with contextlib.chdir(source):
        return quick.render(ENVIRONMENT | added)


def fully(source: Path, **more: str) -> bytes | None:
    """What `cmp.render` makes of it; None if it refuses."""
    variables = {"ARGOCD_APP_NAME": "web", **more}
    try:
        return render(from_environment(variables, source.resolve()), permissions_of(variables))
    except RetagError:
        return None


def fill(folder: Path, files: Mapping[str, bytes]) -> Path:
    """*folder* with *files*; a content `-> x` is a link to x, a name ending in `/` a folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            path.mkdir(exist_ok=True)
        elif content.startswith(b"-> "):
            path.symlink_to(content.decode().removeprefix("-> "))
        else:
            path.write_bytes(content)
    return folder


NAMES = st.sampled_from(
    [
        *(
            "a.yaml",
            "b.yml",
            "c.yaml",
            "é.yaml",
            ".hidden.yaml",
            "a.YAML",
            "values.yaml",
            "README",
        ),
        *("d.json", "e.jsonnet", ".argocd-source.yaml", ".argocd-source-web.yaml", ".git"),
        *(
            "folder.yaml/",
            "below/x.yaml",
            "Chart.yaml",
            "myChart.yaml",
            "yaml",
            ".yaml",
            "a\n.yaml",
        ),
    ]
)
PIECES = st.sampled_from(
    [
        *(OBJECT, OBJECT, b"---\n", b"kind: A\n", b"apiVersion:\n", b"metadata:\n", b"x: 1\n"),
        *(b"\n", b" ", b"\r\n", b"\t", b"{", b'{"kind": "A"}', b"# kind\n", b"'kind' : 1\n"),
        *(b"\xef\xbb\xbf", b"\xff\xfe", b"\xff", "é".encode(), b"+argocd:skip-file-rendering"),
        *(b"...\n", b"- kind: A", b"\x0c", b"\x00"),
    ]
)
CONTENTS = st.lists(PIECES, max_size=4).map(b"".join) | st.sampled_from(
    [b"-> a.yaml", b"-> nowhere", b"-> /etc", OBJECT]
)


@given(st.dictionaries(NAMES, CONTENTS, max_size=4))
def test_a_folder_has_the_same_bytes_or_is_left_to_others(files: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = fill(Path(folder), files)
        quick_bytes = quickly(source)
        assert quick_bytes is None or quick_bytes == fully(source)


PLAIN: dict[str, dict[str, bytes]] = {
    "nothing": {},
    "one file": {"a.yaml": OBJECT},
    "no last line end": {"a.yaml": OBJECT.strip()},
    "several": {"b.yml": OBJECT, "a.yaml": b"# first\n" + OBJECT, "README.md": b"\xff"},
    "values beside them": {"a.yaml": OBJECT, "values.yaml": b"replicas: 1\n"},
    "folders": {"a.yaml": OBJECT, "b.yaml/x.yaml": OBJECT, ".git/config": b"", "c/d.yaml": b""},
    "not ASCII": {"a.yaml": OBJECT + "# é\n".encode()},
}
ODD: dict[str, dict[str, bytes]] = {
    "JSON": {"a.json": b'{"kind": "A"}'},
    "jsonnet": {"a.jsonnet": b""},
    "a link": {"a.txt": OBJECT, "a.yaml": b"-> a.txt"},
    "a byte order mark": {"a.yaml": b"\xef\xbb\xbf" + OBJECT},
    "UTF-16": {"a.yaml": b"\xff\xfe" + OBJECT.decode().encode("utf-16-le")},
    "no UTF-8": {"a.yaml": OBJECT + b"# \xff\n"},
    "braces": {"a.yaml": b" {}\n" + OBJECT},
    "told to be left out": {"a.yaml": b"# +argocd:skip-file-rendering\n" + OBJECT},
    "perhaps an object": {"a.yaml": b"kind: A\n"},
    "overrides": {"a.yaml": OBJECT, ".argocd-source.yaml": b""},
    "a chart": {"Chart.yaml": b"name: x\n"},
    "much text": {"a.yaml": OBJECT, "b.yaml": b"#" * (16 * 1024 * 1024)},
}


@pytest.mark.parametrize("case", PLAIN)
def test_plain_folders_are_rendered_quickly(tmp_path: Path, case: str) -> None:
    source = fill(tmp_path, PLAIN[case])
    assert quickly(source) == fully(source) is not None


@pytest.mark.parametrize("case", ODD)
def test_odd_folders_are_left_to_others(tmp_path: Path, case: str) -> None:
    assert quickly(fill(tmp_path, ODD[case])) is None


def test_folders_with_many_entries_are_left_to_others(tmp_path: Path) -> None:
    for number in range(2_001):
        (tmp_path / f"{number}").touch()
    assert quickly(tmp_path) is None


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.yaml")
    assert quickly(tmp_path) is None


def test_a_folder_that_is_gone_is_left_to_others(tmp_path: Path) -> None:
    source = tmp_path / "app"
    source.mkdir()
    with contextlib.chdir(source):
        source.rmdir()
        assert quick.render(ENVIRONMENT) is None


@pytest.mark.parametrize("text", ["", "null", "[]", " [] \n"])
def test_parameters_that_state_nothing_are_none(tmp_path: Path, text: str) -> None:
    assert quickly(tmp_path, ARGOCD_APP_PARAMETERS=text) == b""


@pytest.mark.parametrize(
    "variables",
    [
        {"ARGOCD_APP_PARAMETERS": '[{"name":"freeze","string":"true"}]'},
        {"ARGOCD_APP_PARAMETERS": "[[]]"},
        {"ARGOCD_ENV_RETAG_FREEZE": "true"},
        {"ARGOCD_ENV_RETAG_": ""},
        {"ARGOCD_APP_NAME": ""},
    ],
)
def test_requests_that_state_something_are_left_to_others(
    tmp_path: Path, variables: dict[str, str]
) -> None:
    assert quickly(tmp_path, **variables) is None


def test_variables_that_are_not_for_retag_do_not_matter(tmp_path: Path) -> None:
    assert quickly(tmp_path, ARGOCD_ENV_TOOL="helm", PARAM_TOOL="helm", KUBE_VERSION="1") == b""


# Kustomizations, of which the source is `app`.
TREES: dict[str, dict[str, bytes]] = {
    "files": {
        "app/kustomization.yaml": b"# mine\n---\nnamePrefix: x-\nresources:\n- a.yaml\n\n  # b\n",
        "app/a.yaml": OBJECT,
    },
    "a base beside it": {
        "app/kustomization.yml": b"resources:\n  - ../base\n  - ./a.yaml \n",
        "app/a.yaml": OBJECT.replace(b"a\n", b"b\n"),
        "base/Kustomization": b"Resources: \n- below/a.yaml\nimages:\n- name: x\n  newTag: '1'\n",
        "base/below/a.yaml": OBJECT,
    },
    "lists in one line": {
        "app/kustomization.yaml": b"resources: [../base,./a.yaml]\nBases:  [ ../other ]  \n",
        "app/a.yaml": OBJECT.replace(b"a\n", b"b\n"),
        "base/kustomization.yaml": b"# mine\nresources: [a.yaml]\n\n# yours\nnamePrefix: x-\n",
        "base/a.yaml": OBJECT,
        "other/kustomization.yaml": b"resources: [a-c_1.yaml, b/c.yaml]\nnameSuffix: -x\n",
        "other/a-c_1.yaml": OBJECT,
        "other/b/c.yaml": OBJECT.replace(b"a\n", b"c\n"),
    },
    "twice the same component": {
        "app/kustomization.yaml": b"resources: \n- a.yaml\ncomponents:\n- ../c\n- ../c/\n",
        "app/a.yaml": OBJECT,
        "c/kustomization.yaml": (
            b"apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n"
            b"commonAnnotations:\n  a: b\n"
        ),
    },
}
ODD_TREES: dict[str, dict[str, bytes]] = {
    **{
        f"a list in one line with {what}": {"app/kustomization.yaml": text}
        for what, text in {
            "nothing": b"resources: []\n",
            "quotes": b'resources: ["a.yaml"]\n',
            "a comment": b"resources: [a.yaml] # mine\n",
            "a last comma": b"resources: [a.yaml,]\n",
            "a blank in a name": b"resources: [a.yaml b.yaml]\n",
            "a list": b"resources: [[a.yaml]]\n",
            "no end": b"resources: [a.yaml\n",
            "no beginning": b"resources: a.yaml]\n",
            "its end in the next line": b"resources: [a.yaml\n]\n",
            "items behind it": b"resources: [a.yaml]\n- a.yaml\n",
            "text behind it": b"resources: [a.yaml]\n  a\n",
            "an absolute path": b"resources: [/etc]\n",
            "a link": b"resources: [l]\n",
            "the way out": b"resources: [a.yaml, ../../other]\n",
        }.items()
    },
    "quotes": {"app/kustomization.yaml": b'resources:\n- "a.yaml"\n'},
    "an item that is no path": {"app/kustomization.yaml": b"resources:\n- |\n  kind: A\n"},
    "an absolute path": {"app/kustomization.yaml": b"resources:\n- /etc\n"},
    "no item": {"app/kustomization.yaml": b"resources:\n  a.yaml\n"},
    "indents": {"app/kustomization.yaml": b"resources:\n- a.yaml\n  - a.yaml\n"},
    "a path that goes on in the next line": {
        "app/kustomization.yaml": b"resources:\n- a.yaml\n  - a.yaml\n",
        "app/a.yaml - a.yaml": OBJECT,
    },
    "no key": {"app/kustomization.yaml": b"- a.yaml\n"},
    "a text that goes on": {"app/kustomization.yaml": b"namePrefix: |\nx\nresources:\n- a.yaml\n"},
    "a tab": {"app/kustomization.yaml": b"resources:\t\n- a.yaml\n"},
    "no ASCII": {"app/kustomization.yaml": "resources:\n- é.yaml\n".encode()},
    "a host": {"app/kustomization.yaml": b"resources:\n- https://example.com/a\n"},
    "a short host": {"app/kustomization.yaml": b"resources:\n- github.com/a/b\n"},
    "a link": {"app/kustomization.yaml": b"resources:\n- l\n", "app/l": b"-> a.yaml"},
    "a link on the way": {
        "app/kustomization.yaml": b"resources:\n- l/a.yaml\n",
        "app/l": b"-> .",
    },
    "a linked kustomization": {
        "app/kustomization.yaml": b"-> k",
        "app/k": b"resources:\n- a.yaml\n",
    },
    "out of the repository": {"app/kustomization.yaml": b"resources:\n- ../../other\n"},
    "the source is told to be deeper": {"app/kustomization.yaml": b"resources:\n- ../../\n"},
    "a long kustomization": {
        "app/kustomization.yaml": b"#" * 70_000 + b"\nresources:\n- a.yaml\n"
    },
    "a base without kustomization": {
        "app/kustomization.yaml": b"resources:\n- ../base\n",
        "base/a.yaml": OBJECT,
    },
    "a file that is not there": {"app/kustomization.yaml": b"resources:\n- nothing.yaml\n"},
    "nothing to build": {"app/kustomization.yaml": b"{}\n"},
    "a failing one": {"app/kustomization.yaml": b"nonsense: true\nresources:\n- a.yaml\n"},
    "the repository itself": {"app/kustomization.yaml": b"resources:\n- ..\n- a.yaml\n"},
}


def tree(folder: Path, files: Mapping[str, bytes]) -> Path:
    """A repository with *files* and the file `app/a.yaml`; its source."""
    other = {"other/kustomization.yaml": b"resources:\n- a.yaml\n", "other/a.yaml": OBJECT}
    fill(folder, other)
    fill(folder / "repository", {"app/a.yaml": OBJECT, **files})
    return folder / "repository/app"


@pytest.mark.parametrize("case", TREES)
def test_plain_kustomizations_are_built_quickly(tmp_path: Path, case: str) -> None:
    source = tree(tmp_path, TREES[case])
    built = quickly(source, ARGOCD_APP_SOURCE_PATH="app")
    assert built
    assert built == fully(source, ARGOCD_APP_SOURCE_PATH="app")


@pytest.mark.parametrize("case", ODD_TREES)
def test_odd_kustomizations_are_left_to_others(tmp_path: Path, case: str) -> None:
    assert quickly(tree(tmp_path, ODD_TREES[case]), ARGOCD_APP_SOURCE_PATH="app") is None


def test_very_many_kustomizations_are_left_to_others(tmp_path: Path) -> None:
    folders = {f"app/{n}/kustomization.yaml": b"namePrefix: a\n" for n in range(201)}
    lines = b"".join(b"- %d\n" % number for number in range(201))
    source = tree(tmp_path, {"app/kustomization.yaml": b"resources:\n" + lines, **folders})
    assert not kustomize.is_plain(str(source), str(source))


@pytest.mark.parametrize(
    ("path", "root"),
    [
        ("app", "/repository"),
        ("", "/repository/app"),
        (".", "/repository/app"),
        ("deep/app", "/repository"),
        ("repository/app", None),
        ("elsewhere", "/repository/app"),
        ("./app", None),
        ("/app", None),
        ("a/../app", None),
    ],
)
def test_the_root_is_found_as_by_a_request_or_not_at_all(path: str, root: str | None) -> None:
    found = kustomize.root_of("/repository/app", path)
    assert found == root
    if root:
        request = from_environment(
            {"ARGOCD_APP_NAME": "web", "ARGOCD_APP_SOURCE_PATH": path}, Path("/repository/app")
        )
        assert str(request.root) == root


@pytest.mark.parametrize("name", kustomize.PERMISSIONS)
def test_what_the_operator_allows_is_for_others(tmp_path: Path, name: bytes) -> None:
    source = tree(tmp_path, TREES["files"])
    assert quickly(source, **{name.decode(): "true"}) is None
    assert quickly(source, **{name.decode(): "false"})


@pytest.mark.parametrize("path", ["", "relative:/usr/bin", "/nowhere"])
def test_a_program_that_is_not_found_is_left_to_others(tmp_path: Path, path: str) -> None:
    assert quickly(tree(tmp_path, TREES["files"]), PATH=path) is None


def test_a_file_that_is_no_program_is_left_to_others(tmp_path: Path) -> None:
    fill(tmp_path, {"bin/kustomize": b"nothing\n"})
    (tmp_path / "bin/kustomize").chmod(0o755)
    assert quickly(tree(tmp_path, TREES["files"]), PATH=str(tmp_path / "bin")) is None


def is_plain(source: Path, root: Path) -> bool:
    """Whether it is; what cannot be read is not."""
    try:
        return kustomize.is_plain(str(source), str(root))
    except OSError:
        return False


LINES = st.sampled_from(
    [
        *(
            "resources:",
            "- a.yaml",
            "- ../base",
            "  - ../base",
            "- ../../other",
            "- l",
            "- ./..",
            "-",
        ),
        *(
            "namePrefix: x",
            "namePrefix: |",
            "namePrefix: |-",
            "  a",
            " ",
            "# x",
            "---",
            "...",
            "{}",
        ),
        *("bases:", "Bases:", "Resources :", "resources: #", "? resources", ": - ../../other"),
        *(
            "components: &a",
            "patches:",
            "- path: ../../other",
            "a b: c",
            "'resources':",
            "-  ../o",
        ),
        *("- github.com/a/b", "- ../../other # x", "resources: x", "\x0b- ../../other", "- &a"),
    ]
)


ITEMS = st.sampled_from(
    [
        *(
            "a.yaml",
            "../base",
            "../../other",
            "l",
            "l/a.yaml",
            "./..",
            "/etc",
            "",
            "-",
            "- a.yaml",
        ),
        *("'a.yaml'", '"../../other"', "[a.yaml]", "[", "]", "{}", "&a l", "*a", "!!str l", "a b"),
        *("a: b", "? l", "#", "a.yaml #", "null", "1", "github.com/a/b", "a.yaml\n  ", "\n- l"),
    ]
)
BLANKS = st.sampled_from(["", "", " ", "  ", "\t", "\n", "\n  "])
LISTS_IN_ONE_LINE = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["resources:", "bases:", "Components:", "patches:", "namePrefix: 'a\nbases:"]),
    st.sampled_from([" [", "  [ ", "[", " ", " &a [", " [ #\n", "\n  [", " # ["]),
    st.lists(
        st.builds("{}{}{}".format, BLANKS, ITEMS, BLANKS) | st.sampled_from(["a.yaml", "../base"]),
        max_size=3,
    ).map(",".join),
    st.sampled_from(
        ["]", "]", " ] ", ",]", "] # x", "]]", "]#", "", "\n]", "\n  ]", "] l", "]: l"]
    ),
)


@given(st.lists(LINES | LISTS_IN_ONE_LINE, max_size=6).map("\n".join))
def test_what_counts_as_plain_refers_to_nothing_outside(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = hostile(Path(folder).resolve(), text)
        root = source.parent
        if is_plain(source, root):
            with workspace(root, source, seconds=20) as space:
                check_references(space, remote=False)


@given(LISTS_IN_ONE_LINE | st.tuples(LISTS_IN_ONE_LINE, LINES).map("\n".join))
def test_a_list_in_one_line_has_the_same_bytes_or_is_left_to_others(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = hostile(Path(folder).resolve(), text)
        if is_plain(source, source.parent):
            built = quickly(source, ARGOCD_APP_SOURCE_PATH="app")
            assert built is None or built == fully(source, ARGOCD_APP_SOURCE_PATH="app")


def hostile(folder: Path, text: str) -> Path:
    """A source of that kustomization, beside a base and with a link out of its repository."""
    base = {"base/kustomization.yaml": b"resources:\n- a.yaml\n", "base/a.yaml": OBJECT}
    link = {"app/l": b"-> ../../other"}
    return tree(folder, {**base, **link, "app/kustomization.yaml": text.encode()})


@pytest.mark.parametrize("parent", [{}, {"LANG": "C", "TZ": "UTC", "SECRET": "x", "LC_ALL": "C"}])
def test_a_quick_child_has_the_variables_of_any_child(parent: dict[str, str]) -> None:
    quick_ones = child.surroundings({k.encode(): v.encode() for k, v in parent.items()})
    private = Path("/nonexistent")
    names = {name.decode(): value.decode() for name, value in quick_ones.items()}
    moved = {
        name: str(private) if value.startswith(str(private)) else value
        for name, value in surroundings(private, parent).items()
    }
    assert names == moved
