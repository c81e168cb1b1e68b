"""plugin.yaml says what Argo CD needs, and its commands work as Argo CD starts them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from cmp.errors import RuleError
from cmp.parameters import IMAGES, PARAMETERS
from cmp.plugin import wire
from cmp.render import render
from cmp.request import from_environment
from tests.plugin.commands import CASES, ROOT, Command, Plugin, arguments, plugin_yaml, read, run
from tests.plugin.double import replies, resolver
from tests.plugin.test_quick import OBJECT, fill
from tests.render.sources import snapshot

GENERATE = plugin_yaml().spec.generate
DYNAMIC = plugin_yaml().spec.parameters.dynamic

CHART = {
    "plain/Chart.yaml": b"apiVersion: v2\nname: web\nversion: 0.1.0\n",
    "plain/values.yaml": b"image: a\n",
    "plain/values-prod.yaml": b"image: b\n",
    "plain/templates/a.yaml": (
        b"kind: ConfigMap\napiVersion: v1\nmetadata: {name: {{ .Release.Name }}}\n"
        b"data: {image: {{ .Values.image }}, at: {{ .Capabilities.KubeVersion }}}\n"
    ),
}
KUSTOMIZATION = {
    "plain/kustomization.yaml": b"namePrefix: x-\nresources:\n- ../base\n",
    "base/kustomization.yaml": b"resources:\n- a.yaml\n",
    "base/a.yaml": OBJECT,
}
SOURCES = {
    "directory": {"plain/a.yaml": OBJECT},
    "kustomize": KUSTOMIZATION,
    "helm": CHART,
}


def test_no_field_is_misspelt_that_argo_cd_would_overlook() -> None:
    text = yaml.safe_load((ROOT / "plugin.yaml").read_text("utf-8"))
    text["spec"]["Generate"] = text["spec"]["generate"]
    with pytest.raises(ValidationError):
        Plugin.model_validate(text)


@pytest.mark.parametrize(
    ("once", "twice"),
    [
        pytest.param("kind:", "kind: ConfigManagementPlugin\nkind:", id="at the top"),
        pytest.param("  generate:", "  generate: {command: [a]}\n  generate:", id="below spec"),
    ],
)
def test_no_key_stands_twice_of_which_one_would_be_overlooked(once: str, twice: str) -> None:
    text = (ROOT / "plugin.yaml").read_text("utf-8")
    assert text.count(f"\n{once}") == 1
    with pytest.raises(RuleError, match="the key stands twice"):
        read(text.replace(f"\n{once}", f"\n{twice}"))


def test_commands_are_of_absolute_paths_without_a_shell() -> None:
    for command in (GENERATE, DYNAMIC):
        program, option, script, subcommand = command.command
        assert program.startswith("/")
        assert script.startswith("/")
        assert (option, subcommand) in {("-IS", "generate"), ("-IS", "parameters")}
        assert Path(arguments(command)[2]).is_file()
        assert len(" ".join(command.command)) < 80, "it is part of every error in Argo CD"


def test_the_plugins_own_parameters_are_announced_as_they_are() -> None:
    text = yaml.safe_load((ROOT / "plugin.yaml").read_text("utf-8"))
    assert text["spec"]["parameters"]["static"] == [
        parameter.announcement
        for parameter in PARAMETERS
        if parameter.tool is None and not parameter.refused and parameter.name != IMAGES
    ]


@pytest.fixture
def socket_variable(socket_path: Path) -> dict[str, str]:
    """What the container says besides."""
    return {"RETAG_SOCKET": str(socket_path)}


def in_process(repository: Path, environment: dict[str, str]) -> bytes:
    """What `cmp.render` makes of it."""
    source = repository / environment["ARGOCD_APP_SOURCE_PATH"]
    return render(from_environment(environment, source))


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("case", ["plain", "empty-plugin-section"])
def test_what_argo_cd_says_is_enough(
    tmp_path: Path, socket_path: Path, socket_variable: dict[str, str], case: str, source: str
) -> None:
    repository = fill(tmp_path, SOURCES[source])
    environment = CASES[case]
    with resolver(socket_path) as double:
        result = run(GENERATE, repository / "plain", environment | socket_variable)
    expected = in_process(repository, environment)
    assert expected
    assert result == (0, "", expected)
    [asked] = double.asked
    assert asked.path == wire.GENERATE
    assert asked.environment == environment
    assert asked.manifests == expected


VARIANTS: dict[str, dict[str, str | None]] = {
    "no parameters at all": {"ARGOCD_APP_PARAMETERS": None},
    "an Application in another namespace": {"ARGOCD_APP_NAME": "team-a_web"},
    "no version of Kubernetes": {"KUBE_VERSION": None, "KUBE_API_VERSIONS": None},
    "an empty version, as the hydrator gives": {"KUBE_VERSION": "", "KUBE_API_VERSIONS": ""},
    "files that were uploaded": {"ARGOCD_APP_REVISION": "streamed"},
    "many versions of APIs": {"KUBE_API_VERSIONS": ",".join(f"g{n}/v1" for n in range(9000))},
    "less, as for an announcement": {
        "ARGOCD_APP_NAMESPACE": None,
        "ARGOCD_APP_PROJECT_NAME": None,
        "ARGOCD_APP_REVISION": None,
        "KUBE_VERSION": None,
        "KUBE_API_VERSIONS": None,
    },
}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("variant", VARIANTS)
def test_what_argo_cd_leaves_out_is_not_needed(
    tmp_path: Path, socket_path: Path, socket_variable: dict[str, str], variant: str, source: str
) -> None:
    repository = fill(tmp_path, SOURCES[source])
    changed = CASES["plain"] | VARIANTS[variant]
    environment = {name: text for name, text in changed.items() if text is not None}
    with resolver(socket_path) as double:
        result = run(GENERATE, repository / "plain", environment | socket_variable, umask=0o077)
    assert result == (0, "", in_process(repository, environment))
    assert double.asked[0].environment == environment


@pytest.mark.parametrize("path", ["", "."])
def test_a_chart_at_the_root_does_not_see_our_temporary_files_as_its_own(
    tmp_path: Path, socket_path: Path, socket_variable: dict[str, str], path: str
) -> None:
    chart = {name.removeprefix("plain/"): text for name, text in CHART.items()}
    chart["templates/files.yaml"] = b"a: [{{ range $path, $_ := .Files }}{{ $path }}, {{ end }}]\n"
    repository = fill(tmp_path, chart)
    stated = json.dumps([{"name": "helm-values", "string": "image: c"}])
    environment = CASES["plain"] | {
        "ARGOCD_APP_SOURCE_PATH": path,
        "ARGOCD_APP_PARAMETERS": stated,
    }
    with resolver(socket_path):
        code, stderr, stdout = run(GENERATE, repository, environment | socket_variable)
    assert (code, stderr) == (0, "")
    assert b"a: [values-prod.yaml, ]\n" in stdout


def test_as_many_parameters_as_linux_passes_are_taken(
    tmp_path: Path, socket_path: Path, socket_variable: dict[str, str]
) -> None:
    repository = fill(tmp_path, CHART)
    text = "image: c\n#" + "x" * (128 * 1024 - 1000)
    stated = json.dumps([{"name": "helm-values", "string": text}])
    environment = CASES["plain"] | {"ARGOCD_APP_PARAMETERS": stated}
    with resolver(socket_path) as double:
        code, _, stdout = run(GENERATE, repository / "plain", environment | socket_variable)
    assert code == 0
    assert b"image: c," in stdout
    assert double.asked[0].environment["ARGOCD_APP_PARAMETERS"] == stated


def test_parameters_that_retag_has_not_are_an_error_that_names_the_nearest(
    tmp_path: Path, socket_variable: dict[str, str], socket_path: Path
) -> None:
    repository = fill(tmp_path, CHART)
    environment = CASES["other-namespace-with-everything"] | socket_variable
    with resolver(socket_path):
        code, stderr, stdout = run(GENERATE, repository / "plain", environment)
    assert (code, stdout) == (2, b"")
    assert stderr.startswith("error: ")
    assert "[RT222]" in stderr


def test_an_announcement_is_what_the_resolver_says(
    tmp_path: Path, socket_path: Path, socket_variable: dict[str, str]
) -> None:
    repository = fill(tmp_path, SOURCES["directory"])
    with resolver(socket_path, replies(0, b"", b"[{}]")):
        result = run(DYNAMIC, repository / "plain", CASES["plain"] | socket_variable)
    assert result == (0, "", b"[{}]")


@pytest.mark.parametrize("source", SOURCES)
def test_nothing_is_written_outside_the_checkout(
    tmp_path: Path, socket_path: Path, socket_variable: dict[str, str], source: str
) -> None:
    repository = fill(tmp_path / "repository", SOURCES[source])
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    places = {"HOME": str(elsewhere), "TMPDIR": str(elsewhere)}
    with resolver(socket_path):
        run(GENERATE, repository / "plain", CASES["plain"] | socket_variable | places)
    assert not list(elsewhere.iterdir())
    assert [each.name for each in repository.iterdir()] == [
        each.name for each in repository.iterdir() if each.name in {"plain", "base", ".git"}
    ]
    assert not list(repository.glob(".git/*"))


@pytest.mark.parametrize("source", ["directory", "kustomize"])
def test_a_plain_source_may_be_read_only(
    tmp_path: Path, socket_path: Path, socket_variable: dict[str, str], source: str
) -> None:
    repository = fill(tmp_path, SOURCES[source])
    before = snapshot(repository)
    for path in [repository, *repository.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    with resolver(socket_path):
        code, _, _ = run(GENERATE, repository / "plain", CASES["plain"] | socket_variable)
    assert code == 0
    assert snapshot(repository) == before


# What `python -I -S` has not loaded yet when the plugin starts. Each more is paid by each request.
_WARM = {
    "__future__",
    "_socket",
    "cmp",
    *("cmp.plugin", "cmp.plugin.main", "cmp.plugin.connection", "cmp.plugin.faults"),
    *("cmp.plugin.quick", "cmp.plugin.wire"),
}
_MODULES = {
    "directory": _WARM,
    "kustomize": _WARM | {"cmp.plugin.kustomize", "cmp.plugin.child", "resource", "_stat"},
}
_COUNT = """
import sys
before = set(sys.modules)
sys.path.insert(0, sys.argv[1])
from cmp.plugin.main import main
code = main(["generate"])
sys.stderr.write(" ".join(set(sys.modules) - before))
sys.exit(code)
"""


@pytest.mark.parametrize("source", _MODULES)
def test_the_warm_path_imports_next_to_nothing(
    tmp_path: Path, socket_path: Path, socket_variable: dict[str, str], source: str
) -> None:
    repository = fill(tmp_path, SOURCES[source])
    count = Command(command=[sys.executable, "-IS", "-c", _COUNT, str(ROOT)])
    with resolver(socket_path):
        code, stderr, _ = run(count, repository / "plain", CASES["plain"] | socket_variable)
    assert code == 0
    assert set(stderr.split()) <= _MODULES[source]
