"""Where things are looked for: files, folders, Lists, JSON and ConfigMaps."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import pytest

from cmp.errors import RuleError
from cmp.lint import lint
from cmp.located import load_documents
from cmp.located.reader import LONGEST_TEXT
from tests.lint.files import (
    MARK,
    application,
    image,
    lint_text,
    marked,
    registries,
    settings,
)

FAULTY = settings("allowTags: ^v1")
DEPLOYMENT = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n"


def codes(*paths: Path, registries: Path | None = None) -> list[str]:
    """The codes that are found in *paths*."""
    return [each.code for each in lint(paths, registries, environment={})]


def as_list(*texts: str) -> str:
    """The documents of *texts* as a List in JSON."""
    items = [each.data for text in texts for each in load_documents(text, "")]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("", ["RT370"], id="nothing"),
        pytest.param(DEPLOYMENT, ["RT370"], id="something else"),
        pytest.param("resources: [web.yaml]", ["RT370"], id="a kustomization without kind"),
        pytest.param("- 1\n---\nfree text", ["RT370"], id="no mapping"),
        pytest.param(
            "apiVersion: app.k8s.io/v1beta1\nkind: Application\nmetadata: {name: a}",
            ["RT370"],
            id="another group's Application",
        ),
        pytest.param("kind: List\nitems: 1", ["RT370"], id="a List that is none"),
        pytest.param(DEPLOYMENT + "---\n" + FAULTY, ["RT371"], id="beside something else"),
        pytest.param(as_list(DEPLOYMENT, FAULTY), ["RT371"], id="in a List"),
        pytest.param(as_list(as_list(FAULTY)), ["RT371"], id="in a List of a List"),
        pytest.param("﻿" + FAULTY, ["RT371"], id="after a byte order mark"),
        pytest.param(
            application(plugin="env: [{name: A, value: b}]"), ["RT389"], id="Application"
        ),
        pytest.param("a: [", ["RT300"], id="no YAML"),
        pytest.param("a: b\n" * (LONGEST_TEXT // 4), ["RT301"], id="too long"),
        pytest.param("# " + "é" * (LONGEST_TEXT // 2), ["RT301"], id="too long in bytes"),
        pytest.param(registries("api_url: http://a.example.com"), ["RT340"], id="registries"),
        pytest.param(image() + "---\n" + registries(), ["RT331"], id="registries too late"),
        pytest.param("kind: ConfigMap\ndata: {registries.conf: 1}", ["RT370"], id="no text"),
    ],
)
def test_a_file_is_read_for_what_it_holds(tmp_path: Path, text: str, found: list[str]) -> None:
    assert [each.code for each in lint_text(tmp_path, text, file="some.yaml")] == found


def test_a_folder_is_read_as_far_as_rules_would_be(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yml", "c.json", "d.txt", ".e.yaml"):
        (tmp_path / name).write_text(FAULTY)
    (tmp_path / "registries.conf").write_text(registries("api_url: http://a.example.com"))
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "f.yaml").write_text(FAULTY)

    files = {each.place.file for each in lint([tmp_path], None, environment={})}

    assert files == {
        str(tmp_path / name) for name in ("a.yaml", "b.yml", "c.json", "registries.conf")
    }


def test_an_empty_folder_is_told(tmp_path: Path) -> None:
    assert codes(tmp_path) == ["RT370"]


def test_files_that_are_not_of_retag_are_no_fault_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "web.yaml").write_text(DEPLOYMENT)
    (tmp_path / "values.yaml").write_text("image: {tag: v1}")
    (tmp_path / "rules.yaml").write_text(image())

    assert codes(tmp_path) == []


def test_a_file_given_twice_is_told_once(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(FAULTY)

    assert codes(path, path, tmp_path) == ["RT371"]


def test_what_is_no_utf_8_is_told(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_bytes(b"a: \xff")

    assert codes(path) == ["RT300"]


def test_a_path_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match=r"missing.yaml: cannot be read: No such file .*RT308"):
        codes(tmp_path / "missing.yaml")


def test_a_folder_that_cannot_be_read_is_an_error() -> None:
    with pytest.raises(RuleError, match="RT308"):
        codes(Path("/proc/1/task/1/fdinfo/../../../map_files/."))


def config_map(block: str) -> str:
    """A ConfigMap in which registries.conf stands as *block*."""
    head = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n"
    return f"{head}  registries.conf: {block}"


INSECURE = registries("api_url: https://a.example.com, insecure: ▸yes")
BLOCK = config_map("|\n" + textwrap.indent(INSECURE, "    "))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(BLOCK, id="as a block"),
        pytest.param(BLOCK.replace("\n", "\r\n"), id="with CRLF"),
        pytest.param(config_map(MARK + json.dumps(INSECURE.replace(MARK, ""))), id="quoted"),
        pytest.param(config_map("|\n    registries: ▸1\n"), id="wrong as a whole"),
        pytest.param(config_map(r'▸"\r\rregistries: 1"'), id="with a line end of its own"),
    ],
)
def test_registries_in_a_config_map_have_their_place_there(tmp_path: Path, text: str) -> None:
    path = tmp_path / "map.yaml"
    path.write_bytes(text.replace(MARK, "").encode())
    (finding,) = lint([path], None, environment={})

    assert [(finding.place.line, finding.place.column)] == marked(text)
    assert finding.path.startswith('data["registries.conf"].')
