"""Which tool renders a source, and what is refused before any does."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

import pytest

import cmp.render
from cmp.errors import RenderError, UsageError
from cmp.options import parse_params
from cmp.parameters import Tool
from cmp.render import detect, read_manifests, render
from cmp.request import Request
from tests.render.sources import rendered, write


@pytest.mark.parametrize(
    ("names", "tool"),
    [
        pytest.param([], Tool.DIRECTORY, id="empty"),
        pytest.param(["a.yaml"], Tool.DIRECTORY, id="manifests"),
        pytest.param(["Chart.yaml"], Tool.HELM, id="chart"),
        pytest.param(["kustomization.yaml"], Tool.KUSTOMIZE, id="kustomization.yaml"),
        pytest.param(["kustomization.yml"], Tool.KUSTOMIZE, id="kustomization.yml"),
        pytest.param(["Kustomization"], Tool.KUSTOMIZE, id="Kustomization"),
        pytest.param(["Chart.yaml", "kustomization.yaml"], Tool.KUSTOMIZE, id="both"),
        pytest.param(["Chart.yaml", "Kustomization"], Tool.KUSTOMIZE, id="both in upper case"),
        pytest.param(["zChart.yaml", "kustomization.yaml"], Tool.HELM, id="the last name decides"),
        pytest.param(["chart.yaml", "KUSTOMIZATION"], Tool.DIRECTORY, id="other case"),
        pytest.param(["kustomization.json"], Tool.DIRECTORY, id="other ending"),
        pytest.param(["Chart.yaml/x", "sub/kustomization.yaml"], Tool.DIRECTORY, id="folders"),
    ],
)
def test_the_tool_is_found_out_as_argo_cd_does(
    tmp_path: Path, names: list[str], tool: Tool
) -> None:
    write(tmp_path, dict.fromkeys(names, ""))

    assert detect(tmp_path) is tool


def test_a_link_counts_by_its_name_wherever_it_leads(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "Chart.yaml").symlink_to("folder")

    assert detect(tmp_path) is Tool.HELM


def test_the_parameter_tool_decides(tmp_path: Path) -> None:
    write(tmp_path, {"kustomization.yaml": "resources: [a.yaml]\n", "a.yaml": "kind: A\n"})

    assert rendered(tmp_path, ".", "tool=directory", "directory-include=a.yaml") == "kind: A\n"


@pytest.mark.parametrize(
    ("params", "message"),
    [
        pytest.param(
            ["helm-values=a: 1"], "helm-values has no effect: directory renders it", id="a"
        ),
        pytest.param(
            ["tool=directory", "kustomize-namespace=x"], "kustomize-namespace has", id="b"
        ),
        pytest.param(
            ["tool=kustomize", "directory-recurse=false"], "kustomize renders it", id="c"
        ),
    ],
)
def test_a_parameter_of_another_tool_is_an_error(
    tmp_path: Path, params: list[str], message: str
) -> None:
    with pytest.raises(UsageError, match=rf"{message}.*RT226"):
        rendered(tmp_path, ".", *params)


def test_rendered_manifests_are_used_as_they_are() -> None:
    request = Request("web", manifests=b"\xff any bytes", options=parse_params(["freeze=true"]))

    assert render(request) == b"\xff any bytes"


def test_parameters_of_tools_have_no_effect_on_rendered_manifests() -> None:
    request = Request("web", manifests=b"", options=parse_params(["helm-skip-crds=true"]))

    with pytest.raises(UsageError, match=r"the manifests are rendered already.*RT226"):
        render(request)


@pytest.mark.parametrize(
    ("path", "code"),
    [("nothing", "RT435"), ("file", "RT435"), ("..", "RT434"), ("out", "RT434"), ("/", "RT434")],
)
def test_a_source_is_a_folder_of_its_repository(tmp_path: Path, path: str, code: str) -> None:
    repository = write(tmp_path / "repo", {"file": ""})
    (repository / "out").symlink_to("..")

    with pytest.raises(RenderError, match=code):
        rendered(repository, path)


def test_a_source_without_repository_is_its_own(tmp_path: Path) -> None:
    write(tmp_path, {"app/a.yaml": "kind: A\n", "secret.yaml": "kind: Secret\n"})

    assert render(Request("web", path=str(tmp_path / "app"))) == b"kind: A\n"

    (tmp_path / "app" / "b.yaml").symlink_to("../secret.yaml")
    with pytest.raises(RenderError, match="RT434"):
        render(Request("web", path=str(tmp_path / "app")))


def test_no_room_for_temporary_files_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nothing"))

    with pytest.raises(RenderError, match=r"nothing.*: No such file or directory \[RT435\]"):
        rendered(tmp_path, ".")


def test_standard_input_is_read_whole() -> None:
    assert read_manifests(io.BytesIO(b"kind: A\n")) == b"kind: A\n"


def test_endless_standard_input_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cmp.render, "LARGEST_OUTPUT", 3)

    with pytest.raises(RenderError, match=r"longer than 3 bytes \[RT436\]"):
        read_manifests(io.BytesIO(b"1234"))
