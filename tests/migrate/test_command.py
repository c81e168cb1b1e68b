"""`retag migrate` as it is called."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from cmp.cli import COMMANDS
from cmp.cli.migrate import command
from cmp.errors import UsageError
from tests.crd.forms import OLDER, OURS, with_image
from tests.crd.install import install
from tests.crd.server import create, in_namespace
from tests.migrate.test_annotations import of
from tests.servers.kubernetes import ApiServer

APP = of({"image-list": "web=registry.example.com/web", "git-branch": "main"})


# docs/configuration/images.md of the Image Updater, branch release-0.18.
EXAMPLES = {
    "image-list": "argocd=ghcr.io/argoproj/argocd, dex=quay.io/dexidp/dex, nginx:~1.26,"
    " tool=yourorg/yourimage, foo=foo/bar, bar=bar/foo:latest, argoproj/cd=quay.io/argoproj/cd",
    "argocd.kustomize.image-name": "quay.io/argoproj/argocd",
    "argocd.force-update": "true",
    "dex.helm.image-name": "dex.image.name",
    "dex.helm.image-tag": "dex.image.tag",
    "tool.update-strategy": "latest",
    "tool.allow-tags": "regexp:^v1.0.0-[0-9a-zA-Z]+$",
    "tool.platforms": "linux/arm64,linux/amd64",
    "foo.helm.image-spec": "foo[1].image",
    "foo.update-strategy": "name",
    "bar.update-strategy": "digest",
    "bar.ignore-tags": "*",
    "bar.pull-secret": "ext:/scripts/login.sh",
    "argoproj_cd.allow-tags": "any",
    "pull-secret": "pullsecret:argocd/dockerhub",
    "write-back-method": "git:secret:argocd-image-updater/git-creds",
    "write-back-target": "helmvalues:./values.yaml",
}


def run(*arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(
        command, list(arguments), input=stdin, standalone_mode=False, catch_exceptions=False
    )


def write(folder: Path, *manifests: Any) -> str:
    path = folder / "given.yaml"
    path.write_text(yaml.safe_dump_all(manifests))
    return str(path)


def test_resources_go_to_stdout_and_remarks_to_stderr(tmp_path: Path) -> None:
    done = run(write(tmp_path, APP, OLDER["no alias"]))

    assert COMMANDS["migrate"] == "cmp.cli.migrate"
    assert done.return_value == 0
    names = [each["metadata"]["name"] for each in yaml.safe_load_all(done.stdout)]
    assert names == ["from-annotations", "updater"]
    assert "git-branch is left behind" in done.stderr


def test_standard_input_may_hold_a_list() -> None:
    listed = {"apiVersion": "v1", "kind": "List", "items": [APP]}

    done = run("-", stdin=json.dumps(listed))

    assert yaml.safe_load(done.stdout)["spec"]["applicationRefs"][0]["namePattern"] == "shop"


def test_what_is_lost_makes_it_exit_with_1(tmp_path: Path) -> None:
    done = run(write(tmp_path, OURS["pin"]), "-o", "json")

    assert done.return_value == 1
    said = json.loads(done.stdout)
    assert [each["metadata"]["name"] for each in said["resources"]] == ["updater"]
    assert [each["code"] for each in said["findings"]] == ["RT398"]


def test_text_that_is_no_yaml_is_told() -> None:
    done = run("-", stdin="a: [")

    assert (done.return_value, done.stdout) == (1, "")
    assert "standard input:" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "stdin"), [((), ""), (("-",), "kind: Pod\n")], ids=["no file", "nothing of ours"]
)
def test_nothing_to_migrate_is_an_error(arguments: tuple[str, ...], stdin: str) -> None:
    with pytest.raises(UsageError) as raised:
        run(*arguments, stdin=stdin)

    assert raised.value.code == "RT264"


def test_equal_blocks_are_written_out_each_time(tmp_path: Path) -> None:
    shared = {"labels": {"team": "web"}}
    given = with_image()
    given["metadata"] |= shared

    done = run(write(tmp_path, given, given | {"metadata": given["metadata"] | {"name": "b"}}))

    assert "&id" not in done.stdout


def test_a_cluster_is_migrated_by_what_it_holds(other_server: ApiServer) -> None:
    install(other_server, "ours")
    namespace = other_server.namespace("to-migrate")
    # Its Secret is one of its own namespace, as a rule's is.
    older = json.dumps(OLDER["settings on the image"]).replace(
        "secret:argocd/", f"secret:{namespace}/"
    )
    create(other_server, in_namespace(json.loads(older), namespace))

    there = ("--cluster", "--kubeconfig", str(other_server.kubeconfig))
    done = run(*there, "--watch-namespaces", namespace)

    [made] = yaml.safe_load_all(done.stdout)
    assert made["metadata"] == {"name": "rules", "namespace": namespace}
    install(other_server, "v1.4")
    other_server.apply(made)


def test_the_official_crd_takes_what_upstream_s_examples_become(
    official_server: ApiServer, tmp_path: Path
) -> None:
    done = run(write(tmp_path, of(EXAMPLES)))

    made = yaml.safe_load(done.stdout)
    assert done.return_value == 0
    create(official_server, made | {"metadata": {"name": "examples", "namespace": "default"}})
    assert {
        image["alias"]: image.get("commonUpdateSettings", {}).get("updateStrategy")
        for image in made["spec"]["applicationRefs"][0]["images"]
    } == {
        "argocd": None,
        "dex": None,
        "nginx": None,
        "tool": "newest-build",
        "foo": "alphabetical",
        "bar": "digest",
        "argoproj_cd": None,
    }
