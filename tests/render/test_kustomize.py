"""The real kustomize on kustomizations that are plain, edited, and hostile."""

from __future__ import annotations

import sys
from pathlib import Path
from textwrap import indent

import pytest

from cmp.errors import RenderError
from cmp.options import parse_params
from cmp.render import Permissions, render
from cmp.render.kustomization import check_references
from cmp.render.kustomize import build_command, edit_commands
from cmp.render.workspace import workspace
from cmp.request import Request
from tests.render.network import serving
from tests.render.sources import rendered, snapshot, write

_DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  template:
    spec:
      containers:
      - image: registry.example.com/web
        name: web
"""
_TREE = {
    "base/kustomization.yaml": "resources:\n- web.yaml\n",
    "base/web.yaml": _DEPLOYMENT,
    "prod/kustomization.yaml": "resources:\n- ../base\nnamePrefix: prod-\n",
    "part/kustomization.yaml": (
        "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nnameSuffix: -part\n"
    ),
}


def test_a_kustomization_with_a_base_is_built(tmp_path: Path) -> None:
    write(tmp_path, _TREE)
    before = snapshot(tmp_path)

    assert rendered(tmp_path, "prod") == _DEPLOYMENT.replace(
        "name: web\nspec", "name: prod-web\nspec"
    )
    assert snapshot(tmp_path) == before


def test_parameters_edit_the_kustomization_and_leave_the_source_alone(tmp_path: Path) -> None:
    write(tmp_path, _TREE)
    before = snapshot(tmp_path)

    text = rendered(
        tmp_path,
        "prod",
        "kustomize-name-prefix=-x-",
        "kustomize-name-suffix=-y",
        "kustomize-namespace=other",
        "kustomize-images=registry.example.com/web=registry.example.com/api:v2",
        "kustomize-replicas=web=3",
        "kustomize-common-labels=app=$ARGOCD_APP_NAME",
        "kustomize-label-without-selector=true",
        "kustomize-common-annotations=by=$ARGOCD_APP_NAME",
        "kustomize-components=../part",
    )

    for line in (
        "  name: -x-web-part-y",
        "  namespace: other",
        "  replicas: 3",
        "    app: web",
        "    by: $ARGOCD_APP_NAME",
        "      - image: registry.example.com/api:v2",
    ):
        assert line in text.splitlines()
    assert snapshot(tmp_path) == before


def test_a_read_only_source_without_repository_can_be_edited(tmp_path: Path) -> None:
    write(tmp_path, _TREE)
    (tmp_path / "prod" / "kustomization.yaml").chmod(0o444)
    options = parse_params(["kustomize-name-prefix=x-"])

    text = render(Request("web", path=str(tmp_path / "prod"), options=options)).decode()

    assert "  name: x-web" in text.splitlines()


@pytest.mark.parametrize(
    ("params", "commands"),
    [
        pytest.param([], [], id="none"),
        pytest.param(
            ["kustomize-name-prefix=--help"],
            ["set nameprefix -- --help"],
            id="a prefix that looks like an option",
        ),
        pytest.param(
            ["kustomize-images=a=b:v1", "kustomize-images=--x=$ARGOCD_APP_NAME"],
            ["set image -- a=b:v1 --x=web"],
            id="images in one command",
        ),
        pytest.param(
            [
                "kustomize-common-labels=a=b",
                "kustomize-force-common-labels=true",
                "kustomize-label-without-selector=true",
                "kustomize-label-include-templates=true",
            ],
            ["add label --force --without-selector --include-templates -- a:b"],
            id="labels with flags",
        ),
        pytest.param(
            [
                "kustomize-common-annotations=a=$ARGOCD_APP_NAME",
                "kustomize-common-annotations-envsubst=true",
                "kustomize-force-common-annotations=true",
            ],
            ["add annotation --force -- a:web"],
            id="annotations with the build environment",
        ),
        pytest.param(
            ["kustomize-namespace=-n", "kustomize-replicas=-r=1"],
            ["set replicas -- -r=1", "set namespace -- -n"],
            id="in Argo CD's order",
        ),
    ],
)
def test_parameters_become_edits(params: list[str], commands: list[str]) -> None:
    request = Request("web", options=parse_params(params))

    expected = [["kustomize", "edit", *command.split()] for command in commands]
    assert edit_commands(request, []) == expected


def test_components_are_added_last() -> None:
    assert edit_commands(Request("web"), ["-c", "../d"]) == [
        ["kustomize", "edit", "add", "component", "--", "-c", "../d"]
    ]


def test_nothing_is_enabled_unless_it_is_allowed() -> None:
    assert build_command(Request("web", kube_version="1.34.0"), Permissions()) == [
        "kustomize",
        "build",
        "--load-restrictor=LoadRestrictionsRootOnly",
        "--",
        ".",
    ]


@pytest.mark.parametrize(
    ("params", "versions"),
    [
        pytest.param([], ["--helm-kube-version=1.34.0", "--helm-api-versions=v1"], id="cluster's"),
        pytest.param(
            [
                "kustomize-kube-version=v1.30",
                "kustomize-api-versions=a/v1",
                "kustomize-api-versions=b/v1",
            ],
            ["--helm-kube-version=1.30", "--helm-api-versions=a/v1", "--helm-api-versions=b/v1"],
            id="stated",
        ),
    ],
)
def test_charts_see_the_clusters_versions_unless_others_are_stated(
    params: list[str], versions: list[str]
) -> None:
    options = parse_params(params)
    request = Request("web", kube_version="v1.34.0-x", api_versions=("v1",), options=options)

    command = build_command(request, Permissions(kustomize_helm=True))

    assert command[-2 - len(versions) :] == [*versions, "--", "."]


def test_missing_components_are_an_error_or_left_out(tmp_path: Path) -> None:
    write(tmp_path, _TREE)

    with pytest.raises(RenderError, match=r"^kustomize-components: .*nothing is not there.*RT435"):
        rendered(tmp_path, "prod", "kustomize-components=../nothing")
    text = rendered(
        tmp_path,
        "prod",
        "kustomize-components=../nothing",
        "kustomize-components=../part",
        "kustomize-ignore-missing-components=true",
    )
    assert "  name: prod-web-part" in text.splitlines()


@pytest.mark.parametrize("component", ["../../part", "deep/../../../part"])
def test_components_lie_in_the_repository(tmp_path: Path, component: str) -> None:
    write(tmp_path, {f"repo/{name}": text for name, text in _TREE.items()})
    write(tmp_path, {"part/kustomization.yaml": _TREE["part/kustomization.yaml"]})
    write(tmp_path / "repo" / "one" / "two", {"part/a.yaml": "", "three/a.yaml": ""})
    (tmp_path / "repo" / "prod" / "deep").symlink_to("../one/two/three")

    with pytest.raises(RenderError, match=r"leads out of the repository.*RT434"):
        rendered(tmp_path / "repo", "prod", f"kustomize-components={component}")


def test_a_kustomization_that_is_a_link_out_of_the_source_is_not_edited(tmp_path: Path) -> None:
    write(tmp_path, _TREE)
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "kustomization.yaml").symlink_to("../base/kustomization.yaml")
    before = snapshot(tmp_path)

    with pytest.raises(RenderError, match="RT437"):
        rendered(tmp_path, "linked", "kustomize-name-prefix=x-")
    assert snapshot(tmp_path) == before


def test_a_kustomization_that_is_a_link_out_of_the_repository_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("password: {words: hunter2}\n")
    source = tmp_path / "repository" / "app"
    source.mkdir(parents=True)
    (source / "kustomization.yaml").symlink_to(tmp_path / "secret")

    with pytest.raises(
        RenderError, match=r"app/kustomization.yaml leads out of .*RT434"
    ) as caught:
        render(Request("web", tmp_path / "repository", "app"))
    assert "password" not in caught.value.output


def test_what_kustomize_says_reaches_the_user_whole_and_starts_at_the_repository(
    tmp_path: Path,
) -> None:
    write(tmp_path, {"app/kustomization.yaml": "resources:\n- missing.yaml\n"})

    with pytest.raises(RenderError, match=r"kustomize build failed with exit status 1") as caught:
        rendered(tmp_path, "app")

    assert (caught.value.code, caught.value.exit_code) == ("RT431", 4)
    assert "'missing.yaml'" in caught.value.output
    assert str(tmp_path) not in caught.value.output


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("resources:\n- ../../outside\n", id="a folder"),
        pytest.param("components:\n- ../../outside\n", id="a component"),
        pytest.param("resources:\n  - '../../outside/a.yaml' # here\n", id="a file"),
        pytest.param("resources:\n- link\n", id="a link"),
        pytest.param("resources:\n- /etc/passwd\n", id="an absolute path"),
        pytest.param("resources:\n- ../base\n", id="from a base"),
    ],
)
def test_references_out_of_the_repository_are_refused(tmp_path: Path, text: str) -> None:
    write(
        tmp_path,
        {
            "outside/kustomization.yaml": "resources: [a.yaml]\n",
            "outside/a.yaml": "kind: Secret\n",
            "repo/base/kustomization.yaml": "resources:\n- ../../outside\n",
            "repo/app/kustomization.yaml": text,
        },
    )
    (tmp_path / "repo" / "app" / "link").symlink_to("../../outside")

    with pytest.raises(
        RenderError, match=r"kustomization.yaml:2: .*leads out of the repos.*RT434"
    ):
        rendered(tmp_path / "repo", "app")


STYLES = {
    "a flow list": "resources: [../../outside]\n",
    "several lines of a flow list": "resources: [\n  a.yaml,\n  ../../outside,\n]\n",
    "JSON": '{"resources": ["../../outside"]}\n',
    "escapes": 'resources:\n- "..\\x2f..\\x2foutside"\n',
    "a folded text": "resources:\n- >-\n  ../../outside\n",
    "a text on the next line": "resources:\n-\n  ../../outside\n",
    "a tag": "resources:\n- !!str ../../outside\n",
    "base64": "resources:\n- !!binary Li4vLi4vb3V0c2lkZQ==\n",
    "an alias": "namePrefix: &a ../../outside\nresources:\n- *a\n",
    "a quoted key": '"resources":\n- ../../outside\n',
    "a complex key": "? resources\n: - ../../outside\n",
    "a key in other letters": "Resources:\n- ../../outside\n",
    "an older key in flow style": "bases: [../../outside]\n",
    "indentation": "  resources:\n  - ../../outside\n",
    "after a text over lines": "namePrefix: 'a\n\n  '\nresources: [../../outside]\n",
    "UTF-16": "resources: [../../outside]\n".encode("utf-16"),
    "a link in a flow list": "resources: [link]\n",
    "dots behind a link": "resources:\n- deep/../../../outside\n",
}


@pytest.mark.parametrize("text", STYLES.values(), ids=STYLES)
def test_references_out_of_the_repository_are_refused_however_they_are_written(
    tmp_path: Path, text: str | bytes
) -> None:
    write(
        tmp_path,
        {
            "outside/kustomization.yaml": "resources: [a.yaml]\n",
            "outside/a.yaml": _DEPLOYMENT,
            "repo/one/two/three/outside/a.yaml": "",
        },
    )
    (tmp_path / "repo" / "app").mkdir()
    (tmp_path / "repo" / "app" / "link").symlink_to("../../outside")
    (tmp_path / "repo" / "app" / "deep").symlink_to("../one/two/three")
    content = text if isinstance(text, bytes) else text.encode()
    (tmp_path / "repo" / "app" / "kustomization.yaml").write_bytes(content)

    with pytest.raises(RenderError, match=r"app/kustomization.yaml.* leads out of the .*RT434"):
        rendered(tmp_path / "repo", "app")


def test_what_kustomize_cannot_read_is_its_error_with_the_place(tmp_path: Path) -> None:
    write(tmp_path, {"app/kustomization.yaml": "resources: [a.yaml\n"})

    with pytest.raises(RenderError, match=r"^app/kustomization.yaml: kustomize edit ") as caught:
        rendered(tmp_path, "app")

    assert "invalid Kustomization" in caught.value.output


@pytest.mark.parametrize("text", ["- my app/a.yaml\n", "- ../../app\n  - ../../outside\n"])
def test_a_name_that_cannot_be_told_is_refused(tmp_path: Path, text: str) -> None:
    write(tmp_path, {"kustomization.yaml": f"resources:\n{text}"})

    with pytest.raises(RenderError, match=r"^kustomization.yaml: .*odd name.*RT441"):
        rendered(tmp_path, ".")


def test_a_plain_kustomization_may_hold_yaml_as_text(tmp_path: Path) -> None:
    labels = (
        "apiVersion: builtin\nkind: LabelTransformer\nmetadata: {name: l}\n"
        "labels: {tier: web}\nfieldSpecs: [{path: metadata/labels, create: true}]\n"
    )
    text = "resources: [a.yaml]\ntransformers:\n- |\n" + indent(labels, "  ")
    write(tmp_path, {"kustomization.yaml": text, "a.yaml": _DEPLOYMENT})

    assert "tier: web" in rendered(tmp_path, ".")


def test_files_outside_of_a_kustomization_are_not_read(tmp_path: Path) -> None:
    write(tmp_path, {"secret": "s", "app/kustomization.yaml": _generator("../secret")})

    with pytest.raises(RenderError) as caught:
        rendered(tmp_path, "app")

    assert "security; file" in caught.value.output


def _generator(path: str) -> str:
    return f"configMapGenerator: [{{name: a, files: [{path!r}]}}]\n"


def test_a_base_beside_a_source_without_repository_is_built(tmp_path: Path) -> None:
    write(tmp_path, _TREE)

    assert "name: prod-web" in render(Request("web", path=str(tmp_path / "prod"))).decode()


def test_bases_that_refer_to_each_other_come_to_an_end(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "a/kustomization.yaml": "resources:\n- ../b\n",
            "b/kustomization.yaml": "resources:\n- ../a\n",
        },
    )

    with pytest.raises(RenderError) as caught:
        rendered(tmp_path, "a")

    assert "cycle detected" in caught.value.output


@pytest.mark.parametrize(
    ("text", "seen_before"),
    [
        pytest.param("resources:\n- {url}/a.yaml\n", True, id="a file"),
        pytest.param("resources:\n  - '{url}/a.yaml' # x\n", True, id="in quotes"),
        pytest.param("components:\n- {url}/x.git//a?ref=main\n", True, id="a component by git"),
        pytest.param("resources:\n- git::{url}/x\n", True, id="git by name"),
        pytest.param("resources: [{url}/a.yaml]\n", True, id="in flow style"),
        pytest.param('resources:\n- "\\x68ttp://127.0.0.1:{port}/a"\n', True, id="in escapes"),
        pytest.param("resources:\n- >-\n  {url}/a.yaml\n", True, id="folded"),
        pytest.param("crds: ['{url}/a.yaml']\n", True, id="crds"),
        pytest.param("openapi: {{path: '{url}/a.yaml'}}\n", False, id="openapi"),
        pytest.param("patches: [{{path: '{url}/a.yaml'}}]\n", False, id="patches"),
        pytest.param("transformers: ['{url}/a.yaml']\n", True, id="transformers"),
        pytest.param(
            "configMapGenerator: [{{name: a, files: ['{url}/a']}}]\n", False, id="generated"
        ),
        pytest.param(
            "helmCharts: [{{name: a, repo: '{url}', version: '1.0.0'}}]\n", False, id="chart"
        ),
    ],
)
def test_nothing_remote_is_fetched(tmp_path: Path, text: str, seen_before: bool) -> None:  # noqa: FBT001 - a column
    with serving({"/a.yaml": _DEPLOYMENT.encode()}) as server:
        url = f"http://127.0.0.1:{server.port}"
        write(tmp_path, {"kustomization.yaml": text.format(url=url, port=server.port)})

        with pytest.raises(RenderError) as caught:
            rendered(tmp_path, ".")

    assert server.connections == 0
    assert caught.value.code == ("RT440" if seen_before else "RT431")


@pytest.mark.parametrize(
    "reference",
    [
        "https://example.com/a.yaml",
        "github.com/org/repo//base?ref=v1",
        "git@example.com:org/repo.git",
        "ssh://git@example.com/org/repo",
        "org/repo?ref=v1",
    ],
)
def test_remote_references_are_told_from_paths(tmp_path: Path, reference: str) -> None:
    write(tmp_path, {"kustomization.yml": f"# x\nresources:\n\n- {reference}\n"})

    with pytest.raises(RenderError, match=r"kustomization.yml:4: .* is remote.*RT440"):
        rendered(tmp_path, ".")


@pytest.mark.parametrize(
    "key",
    [
        "bases",
        "components",
        "configurations",
        "crds",
        "generators",
        "patchesStrategicMerge",
        "resources",
        "transformers",
        "validators",
    ],
)
def test_each_list_that_refers_to_files_is_looked_at(tmp_path: Path, key: str) -> None:
    write(tmp_path, {"kustomization.yaml": f"{key}:\n- https://example.com/a.yaml\n"})

    with pytest.raises(RenderError, match=r"kustomization.yaml:2: .* is remote.*RT440"):
        rendered(tmp_path, ".")


def test_a_kustomization_is_read_up_to_a_mebibyte(tmp_path: Path) -> None:
    text = "resources:\n- a.yaml\n".ljust(1024 * 1024, "#")
    write(tmp_path, {"kustomization.yaml": text, "a.yaml": _DEPLOYMENT})

    assert rendered(tmp_path, ".") == _DEPLOYMENT

    write(tmp_path, {"kustomization.yaml": f"{text}#"})
    with pytest.raises(RenderError, match=r"kustomization.yaml is longer than 1048576 .*RT436"):
        rendered(tmp_path, ".")


def test_there_are_so_many_kustomizations_and_no_more(tmp_path: Path) -> None:
    folders = [f"b{number}" for number in range(1000)]
    write(tmp_path, {f"{folder}/kustomization.yaml": "" for folder in folders})
    lines = "".join(f"- {folder}\n" for folder in folders[1:])
    write(tmp_path, {"kustomization.yaml": f"resources:\n{lines}"})

    with workspace(tmp_path.resolve(), tmp_path.resolve(), seconds=60) as space:
        check_references(space, remote=False)
        write(tmp_path, {"kustomization.yaml": f"resources:\n{lines}- b0\n"})
        with pytest.raises(RenderError, match=r"more than 1000 kustomizations .*RT436"):
            check_references(space, remote=False)


def test_addresses_elsewhere_in_a_kustomization_are_text(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "kustomization.yaml": "resources:\n- a.yaml\n"
            "configMapGenerator:\n- name: c\n  literals:\n  - u=https://example.com\n"
            "patches:\n- patch: |-\n    - op: add\n      path: /metadata/annotations\n"
            "      value: {a: https://example.com}\n  target:\n    kind: Deployment\n",
            "a.yaml": _DEPLOYMENT,
        },
    )

    assert rendered(tmp_path, ".").count("https://example.com") == 2


def test_an_operator_may_allow_remote_bases(tmp_path: Path) -> None:
    with serving({"/a.yaml": _DEPLOYMENT.encode()}) as server:
        url = f"http://127.0.0.1:{server.port}/a.yaml"
        write(tmp_path, {"kustomization.yaml": f"resources:\n- {url}\n"})

        text = rendered(tmp_path, ".", permissions=Permissions(remote_bases=True))

    assert text == _DEPLOYMENT
    assert server.paths == ["/a.yaml"]


def _with_function(folder: Path) -> Path:
    """A kustomization with a program as its transformer; the program leaves a file `ran`."""
    function = "apiVersion: x/v1\nkind: X\nmetadata:\n  name: x\n  annotations:\n"
    function += "    config.kubernetes.io/function: |\n      exec:\n        path: ./program\n"
    write(
        folder,
        {
            "kustomization.yaml": "resources:\n- a.yaml\ntransformers:\n- function.yaml\n",
            "a.yaml": _DEPLOYMENT,
            "function.yaml": function,
            "program": f"#!{sys.executable} -IS\nimport sys\nopen('{folder}/ran', 'w').close()\n"
            "sys.stdout.write(sys.stdin.read())\n",
        },
    )
    (folder / "program").chmod(0o755)
    return folder


def test_programs_of_the_source_are_not_run(tmp_path: Path) -> None:
    _with_function(tmp_path)

    with pytest.raises(RenderError) as caught:
        rendered(tmp_path, ".")

    assert "external plugins disabled" in caught.value.output
    assert not (tmp_path / "ran").exists()


def test_an_operator_may_allow_programs_of_the_source(tmp_path: Path) -> None:
    _with_function(tmp_path)

    rendered(tmp_path, ".", permissions=Permissions(exec_plugins=True))

    assert (tmp_path / "ran").exists()


def test_containers_are_not_run(tmp_path: Path) -> None:
    _with_function(tmp_path)
    path = tmp_path / "function.yaml"
    path.write_text(path.read_text().replace("exec:", "container:").replace("path:", "image:"))

    with pytest.raises(RenderError, match="RT431"):
        rendered(tmp_path, ".")


def test_charts_are_inflated_only_if_allowed(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "kustomization.yaml": "helmCharts:\n- name: c\n  releaseName: r\n",
            "charts/c/Chart.yaml": "apiVersion: v2\nname: c\nversion: 1.0.0\n",
            "charts/c/values.yaml": "{}\n",
            "charts/c/templates/a.yaml": "kind: A\napiVersion: v1\nmetadata:\n  name: "
            "a{{ .Capabilities.KubeVersion }}{{ .Capabilities.APIVersions.Has `x/v1` }}\n",
        },
    )
    before = snapshot(tmp_path)

    with pytest.raises(RenderError) as caught:
        rendered(tmp_path, ".")
    text = rendered(
        tmp_path,
        ".",
        "kustomize-api-versions=x/v1",
        permissions=Permissions(kustomize_helm=True),
    )

    assert "must specify --enable-helm" in caught.value.output
    assert "  name: av1.34.0true" in text.splitlines()
    assert snapshot(tmp_path) == before


def test_a_program_called_kustomize_sees_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {"bin/kustomize": "#!/bin/sh\n/usr/bin/env\n"})
    write(tmp_path, {"app/kustomization.yaml": ""})
    (tmp_path / "bin" / "kustomize").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    for name in ("ARGOCD_ENV_TOKEN", "KUBECONFIG", "REGISTRY_PASSWORD", "GIT_ASKPASS"):
        monkeypatch.setenv(name, "hunter-example")

    text = rendered(tmp_path, "app")

    assert "PATH=" in text
    assert "hunter-example" not in text
