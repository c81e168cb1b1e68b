"""What an Application's manifest gives the plugin, and image fields from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cmp.cli.files import read_application
from cmp.errors import RuleError, UsageError
from cmp.manifests.configured import read_fields

HEAD = """\
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: web, namespace: prod}
spec:
  project: front
"""


def manifest(folder: Path, spec: str) -> Path:
    """A file with an Application whose spec holds *spec* besides its project."""
    path = folder / "app.yaml"
    path.write_text(f"{HEAD}  {spec}\n")
    return path


OURS = "{plugin: {name: retag, env: [{name: RETAG_TOOL, value: helm}]}}"
OTHER = "{plugin: {name: other, env: [{name: RETAG_TOOL, value: directory}]}}"
HELM = "parameters: [{name: tool, string: helm}]"


@pytest.mark.parametrize(
    ("spec", "values"),
    [
        pytest.param("source: {path: app}", {}, id="no plugin"),
        pytest.param("source: {plugin: {name: retag}}", {}, id="nothing stated"),
        pytest.param(f"source: {OURS}", {"tool": "helm"}, id="variables"),
        pytest.param(
            f"source: {{plugin: {{name: retag, {HELM}}}}}", {"tool": "helm"}, id="parameters"
        ),
        pytest.param(
            f"source: {OURS.replace('env', HELM + ', env').replace('value: helm', 'value: auto')}",
            {"tool": "helm"},
            id="parameters win over variables",
        ),
        pytest.param(
            "source: {plugin: {name: retag, env: [{name: TOOL, value: helm}, {value: x}]}}",
            {},
            id="variables of others",
        ),
        pytest.param(
            "source: {plugin: {name: retag, env: [{name: RETAG_HELM_VALUES}]}}",
            {"helm-values": ""},
            id="a variable without a value",
        ),
        pytest.param(f"source: {OTHER}", {}, id="another plugin"),
        pytest.param(
            f"sources: [{{ref: x}}, {OTHER}, {OURS}, {OURS.replace('helm', 'directory')}]",
            {"tool": "helm"},
            id="the first source with the plugin",
        ),
    ],
)
def test_an_application_gives_the_plugins_parameters(
    tmp_path: Path, spec: str, values: dict[str, Any]
) -> None:
    application, options = read_application(manifest(tmp_path, spec))

    assert (application.name, application.namespace) == ("web", "prod")
    assert application.project == "front"
    assert options.values == values


def test_a_file_of_several_applications_is_refused(tmp_path: Path) -> None:
    path = manifest(tmp_path, f"source: {{path: app}}\n---\n{HEAD}")

    with pytest.raises(UsageError, match=r"app\.yaml holds 2 Applications; name a file with one"):
        read_application(path)


def test_what_else_is_in_the_file_is_passed_over(tmp_path: Path) -> None:
    path = manifest(tmp_path, "source: {path: app}\n---\nkind: AppProject\n---\n- a list")

    assert read_application(path)[0].name == "web"


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        ("images: []\n", "1:1", "no image fields here"),
        ("a: 1\n", "1:1", "no image fields here"),
        ("images:\n- {path: spec/image}\n- {kind: X}\n", "3:3", "path"),
    ],
    ids=["an empty list", "another key", "a field without a path"],
)
def test_what_is_no_image_field_is_told_with_its_place(
    tmp_path: Path, text: str, place: str, what: str
) -> None:
    path = tmp_path / "fields.yaml"
    path.write_text(text)

    with pytest.raises(RuleError, match=rf"fields\.yaml:{place}: .*{what}.*\[RT352\]"):
        read_fields(path)
