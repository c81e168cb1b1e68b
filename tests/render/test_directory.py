"""Plain manifests of a folder: which files are read, in which order, joined how."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cmp.errors import RenderError, UsageError
from cmp.options import Options
from cmp.render import directory
from cmp.render.workspace import workspace
from tests.render.sources import rendered, snapshot, write


def _object(name: str) -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n"


def _names(text: str) -> list[str]:
    """The names of the objects in *text*, in their order."""
    return [line.split()[-1].strip('"}') for line in text.splitlines() if "name" in line]


_TREE = {
    "b.yaml": _object("b"),
    "a.yml": _object("a"),
    "c.json": '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {\n"name": "c"}}',
    "deep/er/d.yaml": _object("d"),
    "deep.yaml": _object("e"),
    "README.md": _object("no-manifest"),
    "x.yaml.bak": _object("no-manifest"),
    "Z.YAML": _object("no-manifest"),
    "values.yaml": "image: x\nworkload:\n  kind: Deployment\n",
    ".argocd-source.yaml": _object("override"),
    ".argocd-source-web.yaml": _object("override"),
    "skipped.yaml": f"# +argocd:skip-file-rendering\n{_object('skipped')}",
}


@pytest.mark.parametrize(
    ("params", "names"),
    [
        pytest.param([], ["a", "b", "c", "e"], id="one folder"),
        pytest.param(["directory-recurse=true"], ["a", "b", "c", "d", "e"], id="and those below"),
        pytest.param(["directory-include=*.yml"], ["a"], id="include"),
        pytest.param(["directory-exclude={a*,c.json}"], ["b", "e"], id="exclude"),
        pytest.param(
            ["directory-recurse=true", "directory-include=deep/*"], ["d"], id="include by path"
        ),
        pytest.param(
            ["directory-include=?.*", "directory-exclude=a*"], ["b", "c"], id="exclude wins"
        ),
        pytest.param(
            ["directory-disable-extension-filter=true", "directory-include=*.bak"],
            ["no-manifest"],
            id="any extension",
        ),
    ],
)
def test_files_are_chosen_and_ordered_as_argo_cd_does(
    tmp_path: Path, params: list[str], names: list[str]
) -> None:
    write(tmp_path / "app", _TREE)

    assert _names(rendered(tmp_path, "app", *params)) == names


def test_each_files_text_is_unchanged_between_separators(tmp_path: Path) -> None:
    odd = "# head\r\napiVersion: v1\r\nkind:   List # x\r\nitems: ['yes', 0644]\r\n"
    write(tmp_path, {"a.yaml": "", "b.yaml": _object("b") + "...\n", "c.yaml": _object("c")[:-1]})
    (tmp_path / "a.yaml").write_bytes(odd.encode())

    text = rendered(tmp_path, ".")

    assert text == f"{odd}---\n{_object('b')}...\n---\n{_object('c')}"


def test_one_file_comes_out_as_it_is(tmp_path: Path) -> None:
    write(tmp_path, {"a.yaml": f"---\n{_object('a')}---\n# end\n"})

    assert rendered(tmp_path, ".") == f"---\n{_object('a')}---\n# end\n"


def test_json_alone_stays_a_stream_of_json(tmp_path: Path) -> None:
    json = '{"kind": "ConfigMap", "data": {"a": "\\ud83d\\ude00"}}'
    write(tmp_path, {"a.json": json, "b.json": json + "\n"})

    assert rendered(tmp_path, ".") == f"{json}\n{json}\n"


def test_json_among_yaml_is_a_document(tmp_path: Path) -> None:
    write(tmp_path, {"a.json": '{"kind": "A"}', "b.json": '{"kind": "B"}', "c.yml": "kind: C\n"})

    assert rendered(tmp_path, ".") == '{"kind": "A"}\n---\n{"kind": "B"}\n---\nkind: C\n'


def test_surrogate_pairs_of_json_among_yaml_become_characters(tmp_path: Path) -> None:
    json = '{"kind": "A", "a": "\\ud83d\\ude00 \\\\ud83d\\ude00 \\u00e9"}'
    write(tmp_path, {"a.json": json, "b.yaml": "kind: B\na: \\ud83d\\ude00\n"})

    assert rendered(tmp_path, ".") == (
        '{"kind": "A", "a": "😀 \\\\ud83d\\ude00 \\u00e9"}\n---\nkind: B\na: \\ud83d\\ude00\n'
    )


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('{"kind": "A"}\n{"kind": "B"}\n', id="JSON behind JSON"),
        pytest.param('\n{"kind": "A"}\n{"kind": "B"}\n', id="JSON behind a line's end"),
        pytest.param('{"kind": "A"}\nkind: B\n', id="YAML behind JSON"),
        pytest.param('{"kind": "A"}---\nkind: B\n', id="a separator that is none"),
    ],
)
def test_what_would_be_lost_behind_json_is_an_error_unless_it_is_alone(
    tmp_path: Path, text: str
) -> None:
    write(tmp_path, {"a.yaml": text})

    assert rendered(tmp_path, ".") == text

    write(tmp_path, {"b.yaml": _object("b")})
    with pytest.raises(RenderError, match=r"a\.yaml goes on behind a JSON object.*RT453"):
        rendered(tmp_path, ".")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('\n{"kind": "A"}\n\n---\nkind: B\n', id="a separator"),
        pytest.param('{"kind": "A"}  \n', id="blanks"),
        pytest.param("{apiVersion: 1, kind: A, metadata: {}}\n", id="YAML's own braces"),
        pytest.param('{"kind": ' + "[" * 100_000 + "\n", id="nested too deep"),
    ],
)
def test_json_in_yaml_files_stays_as_it_is(tmp_path: Path, text: str) -> None:
    write(tmp_path, {"a.yaml": text, "b.yaml": _object("b")})

    assert rendered(tmp_path, ".") == f"{text}---\n{_object('b')}"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(_object("é").encode("utf-8-sig"), id="UTF-8 with a mark"),
        pytest.param(b"\xff\xfe" + _object("é").encode("utf-16-le"), id="UTF-16, little end"),
        pytest.param(b"\xfe\xff" + _object("é").encode("utf-16-be"), id="UTF-16, big end"),
    ],
)
def test_byte_order_marks_do_not_reach_the_stream(tmp_path: Path, content: bytes) -> None:
    write(tmp_path, {"a.yaml": _object("a")})
    (tmp_path / "b.yaml").write_bytes(content)

    assert rendered(tmp_path, ".") == f"{_object('a')}---\n{_object('é')}"


@pytest.mark.parametrize("content", [b"kind: \xe9\n", b"\xff\xfek"], ids=["Latin-1", "half"])
def test_what_is_no_unicode_text_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.yaml").write_bytes(content)

    with pytest.raises(RenderError, match=r"a\.yaml is no Unicode text.*RT452"):
        rendered(tmp_path, ".")


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        pytest.param("", False, id="empty"),
        pytest.param("# only a comment\n", False, id="comment"),
        pytest.param("replicas: 3\nimage: {tag: v1}\n", False, id="values"),
        pytest.param("workload:\n  kind: Deployment\n", False, id="a kind further down"),
        pytest.param("{{- define `x` -}}\n", False, id="a template"),
        pytest.param("kind: Namespace\n", True, id="a kind alone"),
        pytest.param("'kind': Namespace\n", True, id="a quoted kind"),
        pytest.param('a: 1\n---\n"kind" : Namespace\n', True, id="in a later document"),
        pytest.param('{"kind": "List", "items": []}\n', True, id="JSON"),
        pytest.param("apiVersion: v1\nx: {kind: a}\n", False, id="flow style"),
        pytest.param("{{ x }}\napiVersion:\n kind:\n metadata:\n", True, id="a broken manifest"),
        pytest.param("{{ x }}\napiVersion:\n metadata:\n", False, id="broken, without a kind"),
        pytest.param("{{ x }}\n kind:\n metadata:\n", False, id="broken, without a version"),
        pytest.param("{{ x }}\napiVersion:\n kind:\n", False, id="broken, without metadata"),
    ],
)
def test_yaml_that_is_no_manifest_is_passed_over(tmp_path: Path, text: str, taken: bool) -> None:  # noqa: FBT001 - a column
    write(tmp_path, {"a.yaml": text})

    assert rendered(tmp_path, ".") == (text if taken else "")


def test_json_without_an_object_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, {"package.json": '{"name": "x"}'})

    with pytest.raises(RenderError, match=r"package\.json holds no Kubernetes object.*RT451"):
        rendered(tmp_path, ".")
    assert rendered(tmp_path, ".", "directory-exclude=package.json") == ""


def test_jsonnet_is_an_error_unless_left_out(tmp_path: Path) -> None:
    write(tmp_path, {"a.jsonnet": "{}", "b.libsonnet": "{}", "c.yaml": _object("c")})

    with pytest.raises(RenderError, match=r"a\.jsonnet is jsonnet.*directory-exclude.*RT450"):
        rendered(tmp_path, ".")
    assert rendered(tmp_path, ".", "directory-exclude=*.jsonnet") == _object("c")


@pytest.mark.parametrize("name", ["directory-include", "directory-exclude"])
def test_a_glob_that_is_none_is_an_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=rf"parameter {name} is no glob.*RT227"):
        rendered(tmp_path, ".", f"{name}=[")


def test_links_in_the_repository_are_read_where_they_lead(tmp_path: Path) -> None:
    write(tmp_path, {"common/x": _object("x"), "app/b.yaml": _object("b")})
    (tmp_path / "app" / "a.yaml").symlink_to("../common/x")
    (tmp_path / "app" / "nowhere.yaml").symlink_to("../nothing")
    (tmp_path / "app" / "folder.yaml").symlink_to("../common")

    assert _names(rendered(tmp_path, "app", "directory-recurse=true")) == ["x", "b"]


def test_a_link_out_of_the_repository_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, {"repo/app/b.yaml": _object("b"), "secret.yaml": _object("secret")})
    (tmp_path / "repo" / "app" / "a.yaml").symlink_to("../../secret.yaml")

    with pytest.raises(RenderError, match=r"app/a\.yaml leads out of the repository.*RT434"):
        rendered(tmp_path / "repo", "app")


def test_pipes_and_devices_are_passed_over(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.yaml")
    write(tmp_path, {"b.yaml": _object("b")})

    assert rendered(tmp_path, ".") == _object("b")


def test_too_much_to_read_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {"a.yaml": _object("a"), "b.yaml": _object("b")})
    monkeypatch.setattr(directory, "LARGEST_OUTPUT", 60)

    with pytest.raises(RenderError, match=r"longer than 60 bytes \[RT436\]"):
        rendered(tmp_path, ".")


def test_reading_ends_in_time(tmp_path: Path) -> None:
    write(tmp_path, {"a.yaml": _object("a")})

    with workspace(tmp_path, tmp_path, seconds=-1) as late, pytest.raises(RenderError) as caught:
        directory.render_directory(Options(), late)

    assert caught.value.code == "RT432"


def test_reading_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path, _TREE)
    before = snapshot(tmp_path)

    rendered(tmp_path, ".")

    assert snapshot(tmp_path) == before
