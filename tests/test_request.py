"""What Argo CD's variables, and a folder on a laptop, mean as a request."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cmp.errors import CombinedError, UsageError
from cmp.parameters import Tool
from cmp.request import Options, Request, from_environment, repository_of

_CHECKOUT = Path("/checkouts/4f1c")


def _environments() -> dict[str, dict[str, str]]:
    """What Argo CD gave a plugin, by the name of the case."""
    path = Path(__file__).parent / "render" / "data" / "plugin-environments.json"
    cases: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return {case["case"]: case["env"] for case in cases}


def test_a_plain_call_of_argo_cd_is_understood() -> None:
    request = from_environment(_environments()["plain"], _CHECKOUT / "plain")

    assert (request.name, request.application) == ("profanity-filter", "profanity-filter")
    assert (request.root, request.path) == (_CHECKOUT, "plain")
    assert (request.project, request.namespace) == ("default", "prod")
    assert request.kube_version == "1.34.0"
    assert request.api_versions == ("v1", "apps/v1", "apps/v1/Deployment")
    assert request.options == Options()
    assert request.manifests is None


def test_an_empty_plugin_section_states_no_parameters() -> None:
    request = from_environment(_environments()["empty-plugin-section"], _CHECKOUT / "plain")

    assert request.options == Options()


def test_a_call_for_an_application_elsewhere_carries_its_parameters() -> None:
    environment = _environments()["other-namespace-with-everything"]
    known = [
        item
        for item in json.loads(environment["ARGOCD_APP_PARAMETERS"])
        if not item["name"].startswith("empty-")
    ]
    environment["ARGOCD_APP_PARAMETERS"] = json.dumps(known)

    request = from_environment(environment, _CHECKOUT / "plain")

    assert (request.name, request.application) == ("team-a_web", "web")
    assert request.options.tool is Tool.HELM
    assert request.options.array("helm-values-files") == ("values.yaml", "values-prod.yaml")
    assert request.options.pins == {"api": "v1.4.2", "worker.image": "v2.0.0"}


def test_unknown_parameters_of_a_call_are_told() -> None:
    environment = _environments()["other-namespace-with-everything"]

    with pytest.raises(CombinedError) as caught:
        from_environment(environment, _CHECKOUT / "plain")

    assert [error.what for error in caught.value.errors] == [
        "there is no parameter 'empty-array'",
        "there is no parameter 'empty-map'",
        "there is no parameter 'empty-string'",
    ]


def test_a_parameter_wins_over_a_variable_of_the_same_meaning() -> None:
    environment = {
        "ARGOCD_APP_NAME": "web",
        "ARGOCD_ENV_RETAG_TOOL": "kustomize",
        "ARGOCD_ENV_RETAG_FREEZE": "true",
        "ARGOCD_ENV_TOOL": "directory",
        "ARGOCD_APP_PARAMETERS": '[{"name": "tool", "string": "helm"}]',
    }

    options = from_environment(environment, _CHECKOUT).options

    assert options.tool is Tool.HELM
    assert options.freeze


def test_what_argo_cd_does_not_say_is_empty() -> None:
    environment = {"ARGOCD_APP_NAME": "web"}

    assert from_environment(environment, _CHECKOUT) == Request("web", _CHECKOUT, build=environment)


@pytest.mark.parametrize(
    "name",
    [
        "ARGOCD_APP_NAME",
        "ARGOCD_APP_NAMESPACE",
        "ARGOCD_APP_PROJECT_NAME",
        "ARGOCD_APP_REVISION",
        "ARGOCD_APP_REVISION_SHORT",
        "ARGOCD_APP_REVISION_SHORT_8",
        "ARGOCD_APP_SOURCE_PATH",
        "ARGOCD_APP_SOURCE_REPO_URL",
        "ARGOCD_APP_SOURCE_TARGET_REVISION",
    ],
)
def test_each_variable_of_the_build_environment_is_known(name: str) -> None:
    request = from_environment({"ARGOCD_APP_NAME": "web", name: "value"}, _CHECKOUT)

    assert request.expand(f"${name}") == "value"


def test_what_is_for_plugins_alone_is_not_in_the_build_environment() -> None:
    environment = {"ARGOCD_APP_NAME": "web", "ARGOCD_ENV_X": "x", "KUBE_VERSION": "1.34.0"}
    request = from_environment(environment, _CHECKOUT)

    assert request.expand("$ARGOCD_ENV_X$KUBE_VERSION") == ""


def test_without_the_applications_name_it_is_no_call_of_argo_cd() -> None:
    with pytest.raises(UsageError, match=r"ARGOCD_APP_NAME is not set.*RT229"):
        from_environment({}, _CHECKOUT)


def test_no_name_is_longer_than_kubernetes_has_them() -> None:
    longest = f"{'n' * 63}_{'a' * 253}"
    assert from_environment({"ARGOCD_APP_NAME": longest}, _CHECKOUT).name == longest

    with pytest.raises(UsageError, match=r"ARGOCD_APP_NAME has more than 317 characters.*RT229"):
        from_environment({"ARGOCD_APP_NAME": longest + "a"}, _CHECKOUT)


@pytest.mark.parametrize(
    ("directory", "path", "root", "rest"),
    [
        pytest.param("/c/4f1c/apps/web", "apps/web", "/c/4f1c", "apps/web", id="whole repository"),
        pytest.param("/c/4f1c/team/web", "apps/team/web", "/c/4f1c", "team/web", id="part of it"),
        pytest.param("/c/4f1c", ".", "/c/4f1c", ".", id="the source is the root"),
        pytest.param("/c/4f1c", "", "/c/4f1c", ".", id="no path, as for a chart"),
        pytest.param("/c/4f1c", "elsewhere", "/c/4f1c", ".", id="a path that does not fit"),
        pytest.param("/c/4f1c/a", "../../4f1c/a", "/c", "4f1c/a", id="as far as parts agree"),
    ],
)
def test_the_repository_is_what_the_sources_path_is_taken_from(
    directory: str, path: str, root: str, rest: str
) -> None:
    environment = {"ARGOCD_APP_NAME": "web", "ARGOCD_APP_SOURCE_PATH": path}

    request = from_environment(environment, Path(directory))

    assert (request.root, request.path) == (Path(root), rest)


def test_on_a_laptop_the_repository_is_where_git_is(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    source = tmp_path / "apps" / "web"
    source.mkdir(parents=True)

    assert repository_of(source) == (tmp_path.resolve(), "apps/web")


def test_a_link_to_a_source_is_in_the_repository_that_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "repository" / ".git").mkdir(parents=True)
    (tmp_path / "repository" / "web").mkdir()
    (tmp_path / "link").symlink_to("repository/web")

    assert repository_of(tmp_path / "link") == ((tmp_path / "repository").resolve(), "web")


def test_a_folder_without_git_has_no_repository() -> None:
    assert repository_of(Path("/")) == (None, "/")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("$ARGOCD_APP_NAME-x", "team_web-x", id="plain"),
        pytest.param("${ARGOCD_APP_NAMESPACE}y", "prody", id="in braces"),
        pytest.param("$ARGOCD_APP_PROJECT_NAME/$ARGOCD_APP_REVISION", "front/", id="not known"),
        pytest.param("$ARGOCD_APP_SOURCE_PATH", "apps/web", id="from Argo CD"),
        pytest.param("$HOME$PATH", "", id="our own variables are not there"),
        pytest.param("a$$b", "a$b", id="two dollars are one"),
        pytest.param("a$", "a$", id="a dollar at the end"),
        pytest.param("$ a", "$ a", id="a dollar before a blank"),
        pytest.param("${}a${b", "ab", id="braces without a name are eaten"),
        pytest.param("$1a$?b", "ab", id="special names are one character"),
    ],
)
def test_the_build_environment_is_put_in_as_go_expands_text(text: str, expected: str) -> None:
    request = Request(
        "team_web",
        path="web",
        namespace="prod",
        project="front",
        build={"ARGOCD_APP_SOURCE_PATH": "apps/web"},
    )

    assert request.expand(text) == expected


def test_on_a_laptop_the_sources_path_is_that_of_the_request() -> None:
    assert Request("web", path="apps/web").expand("$ARGOCD_APP_SOURCE_PATH") == "apps/web"
