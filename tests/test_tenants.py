"""A tenant's parameters: they pin, freeze and narrow. All else that they try is an error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cmp.errors import RetagError, UsageError
from cmp.options import parse_environment, parse_json
from cmp.parameters import BY_NAME, BY_VARIABLE
from tests.memory import MemoryTags
from tests.render.sources import rendered, write
from tests.test_pipeline import APP, TAGS, images, pod, ruleset, run

OTHER = "evil.example.com/app"

# What would widen a rule, name a registry or a credential, or an option of a renderer's.
NAMES = [
    "rule",
    "rules",
    "allow-tags",
    "ignore-tags",
    "deny-tags",
    "constraint",
    "strategy",
    "update-strategy",
    "platforms",
    "pin",
    "image",
    "image-name",
    "suspend",
    "min-age",
    "max-severity",
    "require-trusted",
    "cosign-key",
    "verify",
    "registry",
    "registries",
    "registries-conf",
    "api-url",
    "insecure",
    "credentials",
    "pull-secret",
    "secrets",
    "token-hosts",
    "image-fields",
    "tls-certs",
    "allow-exec",
    "allow-remote-bases",
    "allow-kustomize-helm",
    "helm-host",
    "helm-hosts",
    "helm-post-renderer",
    "helm-kubeconfig",
    "helm-plugins",
    "helm-version",
    "helm-pass-credentials",
    "helm-validate",
    "kustomize-enable-exec",
    "kustomize-enable-alpha-plugins",
    "kustomize-enable-helm",
    "kustomize-load-restrictor",
    "kustomize-build-options",
    "kustomize-version",
    "kustomize-patches",
    "directory-jsonnet-libs",
    "path",
    "root",
    "app-name",
    "project",
    "namespace",
    "socket",
    "store",
    "max-stale",
]


@pytest.mark.parametrize("name", NAMES)
def test_what_the_operator_decides_is_no_parameter(name: str) -> None:
    variable = f"ARGOCD_ENV_RETAG_{name.upper().replace('-', '_')}"

    with pytest.raises(UsageError, match=r"RT222|RT225"):
        parse_json(json.dumps([{"name": name, "string": "x"}]))
    with pytest.raises(UsageError, match=r"RT222|RT225"):
        parse_environment({variable: "x"})


@pytest.mark.parametrize(
    "name",
    ["Tool", "TOOL", "tool ", " tool", "tool\n", "t\N{CYRILLIC SMALL LETTER O}ol", "RETAG_TOOL"],
)
def test_a_name_is_the_tables_or_none(name: str) -> None:
    assert name not in BY_NAME
    with pytest.raises(UsageError, match="RT222"):
        parse_json(json.dumps([{"name": name, "string": "helm"}]))


@pytest.mark.parametrize("name", ["PARAM_FREEZE", "RETAG_FREEZE", "ARGOCD_APP_FREEZE", "freeze"])
def test_variables_that_do_not_come_from_plugin_env_are_ignored(name: str) -> None:
    assert f"ARGOCD_ENV_{name}".removeprefix("ARGOCD_ENV_") == name
    assert not parse_environment({name: "true"}).values
    assert "RETAG_FREEZE" in BY_VARIABLE


DENIED = ruleset(
    f"- {{alias: app, imageName: {APP}, commonUpdateSettings: {{denyTags: ['1.0.*', dev-*]}}}}"
)
PINNED = ruleset(f"- {{alias: app, imageName: {APP}, pin: 1.1.0}}")
PINNED_TO_DENIED = ruleset(
    f"- {{alias: app, imageName: {APP}, pin: 1.0.0,"
    f" commonUpdateSettings: {{denyTags: ['1.0.*']}}}}"
)
SUSPENDED = ruleset(f"- {{alias: app, imageName: {APP}, commonUpdateSettings: {{suspend: true}}}}")
OLD = ruleset(f"- {{alias: app, imageName: '{APP}:~1.0'}}")


@pytest.mark.parametrize(
    ("rules", "params", "before", "after"),
    [
        pytest.param(DENIED, ["pins=app=1.0.0"], "1.1.0", "1.1.0", id="a denied tag as a pin"),
        pytest.param(DENIED, ["pins=app=dev-1"], "1.1.0", "1.1.0", id="another denied tag"),
        pytest.param(PINNED_TO_DENIED, [], "1.1.0", "1.1.0", id="a denied tag as the rule's pin"),
        pytest.param(PINNED, ["pins=app=dev-1"], "1.0.0", "1.1.0", id="a pin over the rule's"),
        pytest.param(PINNED, ["freeze=true"], "1.0.0", "1.1.0", id="freezing over the rule's pin"),
        pytest.param(OLD, ["pins=app=1.1.0"], "1.0.0", "1.1.0", id="a pin may be beyond policy"),
        pytest.param(
            OLD, ["pins=app=1.1.0", "freeze=true"], "1.0.0", "1.1.0", id="pin over freeze"
        ),
        pytest.param(SUSPENDED, ["pins=app=1.1.0"], "1.0.0", "1.1.0", id="pin over suspend"),
        pytest.param(SUSPENDED, [], "1.0.0", "1.0.0", id="suspend over the policy"),
        pytest.param(OLD, ["output=tag"], "1.0.0", "1.0.0", id="output does not widen"),
        pytest.param(OLD, ["images=app=9.9"], "1.0.0", "1.0.0", id="what is shown is not obeyed"),
    ],
)
def test_each_has_its_power(rules: str, params: list[str], before: str, after: str) -> None:
    assert images(run(pod(f"{APP}:{before}"), rules, *params)) == [f"{APP}:{after}"]


@pytest.mark.parametrize(
    ("pin", "code"),
    [
        pytest.param(f"app={OTHER}:1", "RT242", id="another repository"),
        pytest.param("app=1.0.0@sha256:" + "0" * 64, "RT242", id="a digest"),
        pytest.param("app=../1.0", "RT242", id="a path"),
        pytest.param("app=1.0\n  privileged: true", "RT242", id="a line of YAML"),
        pytest.param("app=", "RT242", id="nothing"),
        pytest.param(f"{APP}=1.0.0", "RT240", id="a repository in the place of an alias"),
        pytest.param("other=1.0.0", "RT240", id="the alias of another Application's rule"),
    ],
)
def test_a_pin_is_a_tag_of_the_rules_repository(pin: str, code: str) -> None:
    tags = MemoryTags(TAGS)

    with pytest.raises(UsageError, match=code):
        run(pod(f"{APP}:1.0.0"), DENIED, f"pins={pin}", tags=tags)

    assert not tags.asked


def test_no_registry_is_asked_for_an_image_that_parameters_bring_in(tmp_path: Path) -> None:
    files = {"kustomization.yaml": "resources: [pod.yaml]\n", "pod.yaml": pod(f"{APP}:1").decode()}
    text = rendered(write(tmp_path, files), ".", f"kustomize-images={APP}={OTHER}:1")
    tags = MemoryTags(TAGS)

    generated = run(text.encode(), DENIED, tags=tags)

    assert f"{OTHER}:1" in text
    assert (generated.decisions, tags.asked) == ((), {})


TREE = {
    "secret.yaml": "kind: Secret\n",
    "repo/chart/Chart.yaml": "apiVersion: v2\nname: chart\nversion: 1.0.0\n",
    "repo/chart/templates/a.yaml": "kind: A\n",
    "repo/base/kustomization.yaml": "resources: [a.yaml]\n",
    "repo/base/a.yaml": "apiVersion: v1\nkind: A\nmetadata: {name: a}\n",
    "repo/plain/a.yaml": "kind: A\n",
    "part/kustomization.yaml": "kind: Component\n",
}


@pytest.mark.parametrize(
    ("path", "param", "code"),
    [
        pytest.param("chart", "helm-values-files=../../secret.yaml", "RT434", id="values file"),
        pytest.param("chart", "helm-values-files=/../secret.yaml", "RT434", id="from the root"),
        pytest.param("chart", "helm-values-files=file:///etc/x", "RT227", id="address of a file"),
        pytest.param("chart", "helm-values-files=https://example.com/v", "RT227", id="address"),
        pytest.param("chart", "helm-values-files=$values/a.yaml", "RT227", id="another source"),
        pytest.param("chart", "helm-file-parameters=a=../../x", "RT434", id="file parameter"),
        pytest.param("chart", "helm-parameters=a,b=1", "RT227", id="two parameters in one"),
        pytest.param("chart", "helm-release-name=--kubeconfig=x", "RT227", id="option as a name"),
        pytest.param("chart", "helm-kube-version=1 --debug", "RT227", id="option in a version"),
        pytest.param("chart", "helm-api-versions=--post-renderer=x", "RT227", id="as an API"),
        pytest.param("base", "kustomize-components=../../part", "RT434", id="component"),
        pytest.param("base", "kustomize-components=https://example.com/c", "RT435", id="remote"),
    ],
)
def test_no_parameter_leads_out_of_the_source_or_becomes_an_option(
    tmp_path: Path, path: str, param: str, code: str
) -> None:
    write(tmp_path, TREE)

    with pytest.raises(RetagError, match=code) as caught:
        rendered(tmp_path / "repo", path, param)

    assert caught.value.code != "RT431"  # the renderer was not even started with it


@pytest.mark.parametrize("glob", ["../../*.yaml", "/etc/*", "{../../*,/etc/*}"])
def test_globs_find_nothing_beyond_the_source(tmp_path: Path, glob: str) -> None:
    write(tmp_path, TREE)

    assert rendered(tmp_path / "repo", "plain", f"directory-include={glob}") == ""
