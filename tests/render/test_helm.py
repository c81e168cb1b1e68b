"""The real helm on charts, with each option that Argo CD's own source has."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cmp.errors import RenderError, UsageError
from cmp.options import parse_params
from cmp.render.cluster import kube_version
from cmp.render.helm import template_arguments
from cmp.request import Request
from tests.render.network import serving
from tests.render.sources import rendered, snapshot, write

_SEEN = """\
kind: Seen
data:
  release: {{ .Release.Name }}
  namespace: {{ .Release.Namespace }}
  kube: {{ .Capabilities.KubeVersion }}
  api: {{ .Capabilities.APIVersions.Has "example.com/v1/Thing" }}
  values: {{ .Values | toJson }}
  lookup: {{ lookup "v1" "Secret" "default" "x" | toJson }}
"""
_TEST = """\
kind: Pod
metadata:
  name: a-test
  annotations:
    helm.sh/hook: test
"""
_TREE = {
    "chart/Chart.yaml": "apiVersion: v2\nname: chart\nversion: 1.0.0\n",
    "chart/values.yaml": "from: chart\n",
    "chart/templates/seen.yaml": _SEEN,
    "chart/templates/test.yaml": _TEST,
    "chart/crds/crd.yaml": "kind: CustomResourceDefinition\n",
    "chart/prod.yaml": "from: prod\n",
    "common.yaml": "from: common\ncommon: true\n",
    'with,comma and "quote".yaml': "from: odd\n",
}


def _seen(text: str) -> dict[str, str]:
    """What the chart says that it saw."""
    lines = text.partition("data:\n")[2].partition("---")[0].splitlines()
    return dict(line.strip().split(": ", 1) for line in lines)


def _values(text: str) -> dict[str, object]:
    values = json.loads(_seen(text)["values"])
    assert isinstance(values, dict)
    return values


def test_a_chart_is_rendered_for_the_application_as_argo_cd_would(tmp_path: Path) -> None:
    write(tmp_path, _TREE)
    before = snapshot(tmp_path)

    text = rendered(tmp_path, "chart", name="team-a_web")

    assert _seen(text) == {
        "release": "web",
        "namespace": "prod",
        "kube": "v1.34.0",
        "api": "false",
        "values": '{"from":"chart"}',
        "lookup": "{}",
    }
    assert "CustomResourceDefinition" in text
    assert "a-test" in text
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize(
    ("params", "key", "value"),
    [
        pytest.param(["helm-release-name=other.1"], "release", "other.1", id="release name"),
        pytest.param(["helm-namespace=--debug"], "namespace", "--debug", id="namespace"),
        pytest.param(["helm-kube-version=v1.29.3-eks-1"], "kube", "v1.29.3", id="kube version"),
        pytest.param(["helm-api-versions=example.com/v1/Thing"], "api", "true", id="API version"),
    ],
)
def test_options_reach_the_chart(tmp_path: Path, params: list[str], key: str, value: str) -> None:
    write(tmp_path, _TREE)

    assert _seen(rendered(tmp_path, "chart", *params))[key] == value


@pytest.mark.parametrize(
    ("params", "values"),
    [
        pytest.param(["helm-values-files=prod.yaml"], {"from": "prod"}, id="file of the source"),
        pytest.param(
            ["helm-values-files=../common.yaml", "helm-values-files=prod.yaml"],
            {"from": "prod", "common": True},
            id="the last file wins",
        ),
        pytest.param(
            ["helm-values-files=/common.yaml"],
            {"from": "common", "common": True},
            id="file of the repository",
        ),
        pytest.param(
            ['helm-values-files=../with,comma and "quote".yaml'], {"from": "odd"}, id="odd name"
        ),
        pytest.param(
            ["helm-values-files=${ARGOCD_APP_NAMESPACE}.yaml"], {"from": "prod"}, id="expanded"
        ),
        pytest.param(
            ["helm-values-files=nothing.yaml", "helm-ignore-missing-values-files=true"],
            {"from": "chart"},
            id="missing file",
        ),
        pytest.param(
            ["helm-values-files=prod.yaml", "helm-values=from: inline\nx: é"],
            {"from": "inline", "x": "é"},
            id="inline values over files",
        ),
        pytest.param(
            ["helm-parameters=from=1", "helm-values=from: inline"],
            {"from": 1},
            id="parameters over values",
        ),
        pytest.param(["helm-string-parameters=from=1"], {"from": "1"}, id="string parameter"),
        pytest.param(
            ["helm-parameters=a.b=x,y=z"], {"from": "chart", "a": {"b": "x,y=z"}}, id=","
        ),
        pytest.param(
            [r"helm-parameters=a=x\,y"], {"from": "chart", "a": "x,y"}, id="escaped comma"
        ),
        pytest.param(["helm-parameters=a={x,y}"], {"from": "chart", "a": ["x", "y"]}, id="list"),
        pytest.param(["helm-parameters=a=x,y}"], {"from": "chart", "a": "x,y}"}, id="half a list"),
        pytest.param(
            ["helm-parameters=a=$ARGOCD_APP_NAME"], {"from": "chart", "a": "web"}, id="build"
        ),
        pytest.param([r"helm-parameters=a\.b=x"], {"from": "chart", "a.b": "x"}, id="escaped dot"),
        pytest.param(
            ['helm-file-parameters=a=../with,comma and "quote".yaml'],
            {"from": "chart", "a": "from: odd\n"},
            id="file parameter",
        ),
        pytest.param(["helm-values=--set=a=b: 1"], {"from": "chart", "--set=a=b": 1}, id="option"),
        pytest.param(["helm-parameters=--set=x"], {"from": "chart", "--set": "x"}, id="option 2"),
    ],
)
def test_values_come_from_where_argo_cd_takes_them(
    tmp_path: Path, params: list[str], values: dict[str, object]
) -> None:
    write(tmp_path, _TREE)

    assert _values(rendered(tmp_path, "chart", *params)) == values


@pytest.mark.parametrize(
    ("params", "text"),
    [("helm-skip-crds=true", "CustomResourceDefinition"), ("helm-skip-tests=true", "a-test")],
)
def test_crds_and_tests_can_be_left_out(tmp_path: Path, params: str, text: str) -> None:
    write(tmp_path, _TREE)

    assert text not in rendered(tmp_path, "chart", params)


def test_the_check_of_values_can_be_left_out(tmp_path: Path) -> None:
    write(tmp_path, _TREE | {"chart/values.schema.json": '{"required": ["x"]}'})

    with pytest.raises(RenderError, match="RT431"):
        rendered(tmp_path, "chart")
    rendered(tmp_path, "chart", "helm-skip-schema-validation=true")


@pytest.mark.parametrize(
    ("params", "message"),
    [
        pytest.param(["helm-release-name=-x"], "no release name.*RT227", id="option as name"),
        pytest.param(["helm-release-name={{ 1 }}"], "no release name.*RT227", id="template"),
        pytest.param([f"helm-release-name={'x' * 54}"], "no release name.*RT227", id="long name"),
        pytest.param(["helm-release-name=x\n"], "no release name.*RT227", id="name with line end"),
        pytest.param(["helm-kube-version=latest"], "no Kubernetes version.*RT227", id="version"),
        pytest.param(["helm-api-versions=a,b"], "no API version.*RT227", id="two in one"),
        pytest.param(["helm-api-versions=-x"], "no API version.*RT227", id="option as API"),
        pytest.param(
            ["helm-values-files=https://example.com/v"], "is an address.*RT227", id="URL"
        ),
        pytest.param(["helm-values-files=$values/x"], "file of another source.*RT227", id="ref"),
        pytest.param(["helm-values-files=*.yaml"], "is a glob.*RT227", id="glob"),
        pytest.param(
            ["helm-file-parameters=a=https://x/v"], "is an address.*RT227", id="set-file"
        ),
        pytest.param(
            ["helm-parameters=a,b=1"], "'a,b' is no name of a value.*RT227", id="two names"
        ),
    ],
)
def test_what_helm_would_refuse_or_misread_is_told(
    tmp_path: Path, params: list[str], message: str
) -> None:
    write(tmp_path, _TREE)

    with pytest.raises(UsageError, match=message):
        rendered(tmp_path, "chart", *params)


def test_a_name_cannot_smuggle_in_a_file() -> None:
    request = Request("web")

    with pytest.raises(UsageError, match="is no name of a value"):
        template_arguments(request, [], {"a=/etc/passwd,b": Path("/x")})


def test_the_command_for_nothing_but_a_name_is_short() -> None:
    assert template_arguments(Request("team_web"), [], {}) == [
        "helm",
        "template",
        "--include-crds",
        "--",
        "web",
        ".",
    ]


def test_a_chart_is_told_of_the_cluster_that_argo_cd_knows() -> None:
    request = Request(
        "web", namespace="prod", kube_version="1.34.0", api_versions=("v1", "apps/v1")
    )

    assert template_arguments(request, [], {})[2:5] == [
        "--namespace=prod",
        "--kube-version=1.34.0",
        "--api-versions=v1,apps/v1",
    ]


def test_no_text_of_a_tenant_stands_alone_before_the_dashes() -> None:
    params = [
        "helm-namespace=--x",
        "helm-parameters=--a=--b",
        "helm-string-parameters=-c=-d",
        "helm-skip-crds=true",
    ]
    request = Request("web", options=parse_params(params))

    arguments = template_arguments(request, [Path("-v")], {"-f": Path("-p")})

    assert arguments[2 : arguments.index("--")] == [
        "--namespace=--x",
        '--values="-v"',
        "--set=--a=--b",
        "--set-string=-c=-d",
        "--set-file=-f=-p",
    ]


@pytest.mark.parametrize("parameter", ["helm-values-files=", "helm-file-parameters=a="])
@pytest.mark.parametrize("path", ["../../secret", "/../secret", "/etc/passwd/../../..", "link"])
def test_files_outside_of_the_repository_are_not_read(
    tmp_path: Path, parameter: str, path: str
) -> None:
    write(tmp_path, {f"repo/{name}": text for name, text in _TREE.items()} | {"secret": "a: 1"})
    (tmp_path / "repo" / "linked").symlink_to("../secret")
    path = "../linked" if path == "link" else path

    with pytest.raises(RenderError, match=r"leads out of the repository.*RT434"):
        rendered(tmp_path / "repo", "chart", parameter + path)


@pytest.mark.parametrize("parameter", ["helm-values-files=", "helm-file-parameters=a="])
def test_missing_files_are_an_error(tmp_path: Path, parameter: str) -> None:
    write(tmp_path, _TREE)

    with pytest.raises(RenderError, match=r"^helm-.*: chart/nothing is not there.*RT435"):
        rendered(tmp_path, "chart", parameter + "nothing")


def test_links_in_a_chart_that_lead_out_of_the_repository_are_refused(tmp_path: Path) -> None:
    write(tmp_path, {f"repo/{name}": text for name, text in _TREE.items()} | {"secret": "a: 1"})
    (tmp_path / "repo" / "chart" / "templates" / "a.yaml").symlink_to("../../../secret")

    with pytest.raises(RenderError, match=r"templates/a\.yaml leads out.*RT434"):
        rendered(tmp_path / "repo", "chart")


def test_what_helm_says_reaches_the_user_whole(tmp_path: Path) -> None:
    write(tmp_path, _TREE | {"chart/templates/seen.yaml": '{{ fail "first\\nsecond" }}'})

    with pytest.raises(RenderError, match="helm template failed with exit status 1") as caught:
        rendered(tmp_path, "chart")

    assert caught.value.exit_code == 4
    assert "first" in caught.value.output
    assert "second" in caught.value.output


def test_a_chart_with_a_remote_schema_fetches_nothing(tmp_path: Path) -> None:
    with serving({"/x.json": b"{}"}) as server:
        schema = f'{{"$ref": "http://127.0.0.1:{server.port}/x.json"}}'
        write(tmp_path, _TREE | {"chart/values.schema.json": schema})

        with pytest.raises(RenderError, match=r"the schema refers to .*RT442"):
            rendered(tmp_path, "chart")

    assert server.connections == 0


def test_a_chart_sees_no_variables_and_asks_no_name_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HELM_NAMESPACE", "hunter-example")
    monkeypatch.setenv("HELM_KUBETOKEN", "hunter-example")
    template = 'kind: A\na: "{{ getHostByName "localhost" }}{{ .Values | toJson }}"\n'
    write(tmp_path, _TREE | {"chart/templates/seen.yaml": template, "chart/values.yaml": ""})

    assert 'a: "{}"' in rendered(tmp_path, "chart")


@pytest.mark.parametrize(
    ("text", "version"),
    [("", ""), ("1.34.0", "1.34.0"), ("v1.34", "1.34"), ("v1.34.1-eks-1+x", "1.34.1")],
)
def test_a_kubernetes_version_is_its_numbers(text: str, version: str) -> None:
    assert kube_version(text) == version
