"""`retag rollback`, on a real API server: what it prints is what pins."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from cmp.cli.pin import Pin, earlier_tag, pin_of
from cmp.cli.rollback import command
from cmp.errors import ResolverError, UsageError
from cmp.options import parse_items
from sidecar.kubernetes.errors import AbsentError
from tests.cli.conftest import Laptop
from tests.cli.recorded import DIGEST, REPOSITORY, application, past, put_record, updater
from tests.servers.kubernetes import ApiServer

_HISTORY = (past("v2", "v3"), past("v1", "v2"))


def rollback(server: ApiServer, namespace: str, *arguments: str) -> Result:
    """What the command says, where Argo CD runs in *namespace*; its errors are raised."""
    options = ["--kubeconfig", str(server.kubeconfig), "--argocd-namespace", namespace]
    options += ["--watch-namespaces", namespace]
    return CliRunner().invoke(command, ["web", *arguments, *options], catch_exceptions=False)


def installed(server: ApiServer, namespace: str, **settings: Any) -> str:
    """A namespace with the Application, its history and its rule."""
    server.namespace(namespace)
    server.apply(application(namespace), updater(namespace, **settings))
    put_record(server, namespace, *_HISTORY)
    return namespace


def test_the_real_command_prints_a_pin_that_the_cluster_takes(
    laptop: Laptop, api_server: ApiServer
) -> None:
    namespace = installed(api_server, "rollback-real")

    done = laptop.retag(
        "rollback", "web", "api", "--kubeconfig", str(api_server.kubeconfig),
        "--argocd-namespace", namespace, "--watch-namespaces", namespace,
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, b"")
    lines = done.stdout.decode().splitlines()
    assert lines[0] == f"# api of {namespace}/web goes from v3 to v2 by this,"
    commands = [line for line in lines if line.startswith(("kubectl", "argocd"))]
    plugin = yaml.safe_load("\n".join(line for line in lines if line not in commands))["plugin"]
    kubectl, argocd = map(shlex.split, commands)
    assert kubectl[:-1] == [
        "kubectl", "patch", "applications.argoproj.io", "-n", namespace, "web",
        "--type", "json", "-p",
    ]  # fmt: skip
    assert argocd[:-1] == [
        "argocd", "app", "patch", "web", "-N", namespace, "--type", "json", "--patch"
    ]  # fmt: skip
    assert kubectl[-1] == argocd[-1]
    path = f"/apis/argoproj.io/v1alpha1/namespaces/{namespace}/applications/web"
    assert "parameters" not in api_server.request("GET", path)["spec"]["source"]["plugin"]
    patched = api_server.patch(path, json.loads(kubectl[-1]))
    assert patched["spec"]["source"]["plugin"] == plugin
    assert parse_items(plugin["parameters"]).pins == {"api": "v2"}


@pytest.mark.parametrize("image", ["api", REPOSITORY, f"{REPOSITORY}:v3"])
def test_an_image_is_an_alias_or_a_repository(api_server: ApiServer, image: str) -> None:
    namespace = installed(api_server, "rollback-image")

    found = json.loads(rollback(api_server, namespace, image, "-o", "json").stdout)

    assert (found["alias"], found["from"], found["to"]) == ("api", "v3", "v2")
    assert found["pins"] == {"api": "v2"}
    assert found["application"] == {"namespace": namespace, "name": "web"}
    assert found["applicationSet"] is None
    assert shlex.split(found["commands"]["kubectl"])[-1] == json.dumps(
        found["patch"], separators=(",", ":")
    )


def test_another_tag_may_be_named(api_server: ApiServer) -> None:
    namespace = installed(api_server, "rollback-to")

    result = rollback(api_server, namespace, "api", "--to", "1.10")

    assert 'map: {"api": "1.10"}' in result.stdout


def test_a_tag_that_deny_tags_refuse_is_refused_before_argo_cd_sees_it(
    api_server: ApiServer,
) -> None:
    namespace = installed(api_server, "rollback-denied", denyTags=["v2"])

    with pytest.raises(UsageError, match=r"image api: the tag v2 .*: denied by v2;.*\[RT273\]"):
        rollback(api_server, namespace, "api")
    assert rollback(api_server, namespace, "api", "--to", "v1").exit_code == 0


def test_where_rules_cannot_be_read_it_says_so_and_goes_on(
    api_server: ApiServer,
) -> None:
    namespace = installed(api_server, "rollback-rights")
    account = {"metadata": {"name": "reader", "namespace": namespace}}
    api_server.apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", **account},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            **account,
            "rules": [
                {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]},
                {"apiGroups": ["argoproj.io"], "resources": ["applications"], "verbs": ["get"]},
            ],
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            **account,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
            "subjects": [{"kind": "ServiceAccount", "name": "reader", "namespace": namespace}],
        },
    )
    token = api_server.token_of(namespace, "reader")
    options = ["--kubeconfig", str(api_server.kubeconfig_for(token, "reader", namespace))]

    result = CliRunner().invoke(command, ["web", "api", *options], catch_exceptions=False)

    assert 'map: {"api": "v2"}' in result.stdout
    assert "whether the rule's denyTags refuse v2 is not known: " in result.stderr


def test_what_an_application_set_made_is_pinned_in_its_template(api_server: ApiServer) -> None:
    namespace = installed(api_server, "rollback-set")
    owned = application(namespace)
    owner = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "ApplicationSet",
        "name": "s",
        "uid": "1",
    }
    owned["metadata"]["ownerReferences"] = [owner]
    api_server.apply(owned)

    result = rollback(api_server, namespace, "api")

    assert "# The ApplicationSet s reverts changes: its template is the place.\n" in result.stdout
    assert "kubectl" not in result.stdout


def test_an_application_that_is_gone_is_said(api_server: ApiServer) -> None:
    namespace = api_server.namespace("rollback-gone")
    put_record(api_server, namespace, *_HISTORY)

    with pytest.raises(AbsentError):
        rollback(api_server, namespace, "api")


@pytest.mark.parametrize(
    ("image", "known"),
    [("other", "nothing that changed"), ("", "nothing that changed"), ("a b", "nothing that")],
)
def test_an_image_that_did_not_change_is_said(
    api_server: ApiServer, image: str, known: str
) -> None:
    namespace = installed(api_server, "rollback-unknown")

    with pytest.raises(ResolverError, match=rf"{known}.*aliases: api \[RT687\]"):
        rollback(api_server, namespace, image)


def test_a_repository_of_two_aliases_is_not_guessed(api_server: ApiServer) -> None:
    namespace = installed(api_server, "rollback-twice")
    put_record(api_server, namespace, *_HISTORY, past("a", "b", alias="beta"))

    with pytest.raises(ResolverError, match=r"more than one alias: api, beta.*\[RT687\]"):
        rollback(api_server, namespace, REPOSITORY)


def test_without_history_there_is_no_alias_to_name(api_server: ApiServer) -> None:
    namespace = installed(api_server, "rollback-empty")
    put_record(api_server, namespace)

    with pytest.raises(ResolverError, match=r"aliases: none \[RT687\]"):
        rollback(api_server, namespace, "api")


def test_what_is_no_tag_is_said() -> None:
    with pytest.raises(UsageError, match=r"\[RT273\]"):
        CliRunner().invoke(command, ["web", "api", "--to", "-x"], catch_exceptions=False)


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        pytest.param([past("v1", "v2")], ("v2", "v1"), id="the one it replaced"),
        pytest.param([past("", "v2"), past("", "v1")], ("v2", "v1"), id="one that is not live"),
        pytest.param([past("v2", "v2"), past("v1", "v2")], ("v2", "v1"), id="the same again"),
        pytest.param(
            [past("v1", f"v1@{DIGEST}"), past("v0", "v1")], ("v1", "v0"), id="a moving tag"
        ),
        pytest.param(
            [replace(past("", "v2"), before="no reference"), past("", "v1")],
            ("v2", "v1"),
            id="what is no reference",
        ),
    ],
)
def test_the_tag_before_is_the_last_other_one(
    history: list[Any], expected: tuple[str, str]
) -> None:
    assert earlier_tag(history) == expected


@pytest.mark.parametrize("before", ["", "v2"])
def test_without_a_tag_before_one_has_to_be_named(before: str) -> None:
    with pytest.raises(ResolverError, match=r"before v2; name one with --to TAG \[RT688\]"):
        earlier_tag([past(before, "v2")])


def test_a_digest_has_no_tag_to_go_back_to() -> None:
    bare = past("v1", "v2")
    digests = [
        type(bare)(
            at=bare.at,
            rule="",
            alias="api",
            image=REPOSITORY,
            why="",
            before=f"{REPOSITORY}@{DIGEST}",
            after=f"{REPOSITORY}@{DIGEST}",
        )
    ]

    with pytest.raises(ResolverError, match=r"before the present one;.*\[RT688\]"):
        earlier_tag(digests)


def pinned(**spec: Any) -> Pin:
    """The pin of `api` to `v1` in an Application with *spec*."""
    return pin_of(application("argocd", **spec), "api", "v2", "v1")


_OURS = {"plugin": {"name": "retag"}}


def test_other_parameters_and_pins_stay() -> None:
    parameters = [
        {"name": "tool", "string": "kustomize"},
        {"name": "pins", "map": {"web": "v7", "api": "v9"}},
    ]
    plugin = {"name": "retag", "parameters": parameters}

    pin = pinned(source={"plugin": plugin})

    path = "/spec/source/plugin/parameters"
    after = [parameters[0], {"name": "pins", "map": {"web": "v7", "api": "v1"}}]
    assert pin.patch == [
        {"op": "test", "path": path, "value": parameters},
        {"op": "add", "path": path, "value": after},
    ]


def test_pins_of_variables_become_parameters_which_win() -> None:
    env = [{"name": "RETAG_PINS", "value": "web=v7"}, {"name": "OTHER"}]

    assert pinned(source={"plugin": {"name": "retag", "env": env}}).pins == {
        "web": "v7",
        "api": "v1",
    }


@pytest.mark.parametrize(
    ("spec", "paths"),
    [
        (
            {"sources": [_OURS, {"path": "x"}, _OURS]},
            ["/spec/sources/0/plugin/parameters", "/spec/sources/2/plugin/parameters"],
        ),
        (
            {"sourceHydrator": {"drySource": _OURS}},
            ["/spec/sourceHydrator/drySource/plugin/parameters"],
        ),
    ],
)
def test_each_source_of_the_plugin_is_pinned(spec: dict[str, Any], paths: list[str]) -> None:
    assert [each["path"] for each in pinned(**spec).patch] == paths


@pytest.mark.parametrize("source", [{"path": "x"}, {"plugin": {"name": "other"}}])
def test_an_application_without_the_plugin_has_nothing_to_pin(source: dict[str, Any]) -> None:
    with pytest.raises(ResolverError, match=r"\[RT688\]"):
        pinned(source=source)
