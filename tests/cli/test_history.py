"""`retag history`, on a real API server."""

from __future__ import annotations

import json
import os
import pty
import sys

import pytest
from click.testing import CliRunner, Result

from cmp.cli.history import command
from cmp.errors import ResolverError, UsageError
from sidecar.cluster.record_format import name_of
from tests.cli.conftest import Laptop
from tests.cli.recorded import DIGEST, REPOSITORY, RULE, past, put_record
from tests.servers.kubernetes import ApiServer


def history(server: ApiServer, namespace: str, *arguments: str) -> Result:
    """What the command says, where Argo CD runs in *namespace*; its errors are raised."""
    options = ["--kubeconfig", str(server.kubeconfig), "--argocd-namespace", namespace]
    return CliRunner().invoke(command, [*arguments, *options], catch_exceptions=False)


def test_the_real_command_lists_the_newest_first(laptop: Laptop, api_server: ApiServer) -> None:
    namespace = api_server.namespace("history-real")
    put_record(api_server, namespace, past("v1", "v2", at=1_767_225_660), past("", "v1"))

    done = laptop.retag(
        "history", "web", "--kubeconfig", str(api_server.kubeconfig),
        "--argocd-namespace", namespace,
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode().splitlines() == [
        f"2026-01-01T00:01:00Z\tapi\tv1\tv2\t{RULE}\tthe newest",
        f"2026-01-01T00:00:00Z\tapi\t-\tv1\t{RULE}\tthe newest",
    ]


@pytest.mark.parametrize("name", ["web", "{}/web", "{}_web"])
def test_an_application_is_called_as_people_or_argo_cd_call_it(
    api_server: ApiServer, name: str
) -> None:
    namespace = api_server.namespace("history-names")
    put_record(api_server, namespace, past("v1", "v2"))

    assert "\tv2\t" in history(api_server, namespace, name.format(namespace)).stdout


def test_json_has_whole_references(api_server: ApiServer) -> None:
    namespace = api_server.namespace("history-json")
    put_record(api_server, namespace, past("", f"v1@{DIGEST}"))

    found = json.loads(history(api_server, namespace, "web", "-o", "json").stdout)

    assert found == {
        "application": {"namespace": namespace, "name": "web"},
        "history": [
            {
                "at": "2026-01-01T00:00:00Z",
                "alias": "api",
                "repository": REPOSITORY,
                "before": None,
                "after": f"{REPOSITORY}:v1@{DIGEST}",
                "rule": RULE,
                "why": "the newest",
            }
        ],
    }


def test_nothing_that_happened_is_nothing_on_standard_output(api_server: ApiServer) -> None:
    namespace = api_server.namespace("history-empty")
    put_record(api_server, namespace)

    result = history(api_server, namespace, "web")

    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "nothing has changed since the controller looks after it\n"


def test_what_a_record_holds_steers_no_terminal(api_server: ApiServer) -> None:
    namespace = api_server.namespace("history-hostile")
    put_record(api_server, namespace, past("v1", "v2", rule="\x1b[2J\tr\nx", alias="a\u202eb"))

    (line,) = history(api_server, namespace, "web").stdout.splitlines()

    assert line.split("\t")[1:] == ["a b", "v1", "v2", " [2J r x", "the newest"]


def test_on_a_terminal_it_is_a_table(api_server: ApiServer) -> None:
    namespace = api_server.namespace("history-table")
    put_record(api_server, namespace, past("v1", "v2-long", why="w"), past("", "v1", rule="r"))
    arguments = ["history", "web", "--kubeconfig", str(api_server.kubeconfig)]
    shown = bytearray()

    def read(descriptor: int) -> bytes:
        data = os.read(descriptor, 65536)
        shown.extend(data)
        return data

    program = os.path.join(os.path.dirname(sys.executable), "retag")  # noqa: PTH118, PTH120
    pty.spawn([program, *arguments, "--argocd-namespace", namespace], read)

    head, first, second = shown.decode().split("\r\n")[:3]
    at = head.index("RULE")
    assert head.split() == ["WHEN", "IMAGE", "BEFORE", "AFTER", "RULE", "WHY"]
    assert (first[at:].startswith(RULE), second[at:].split()) == (True, ["r", "the", "newest"])
    assert not any(line.endswith(" ") for line in (head, first, second))


def test_an_application_without_record_is_said(api_server: ApiServer) -> None:
    namespace = api_server.namespace("history-none")

    with pytest.raises(ResolverError, match=rf"{namespace}/web;.*\[RT686\]"):
        history(api_server, namespace, "web")


def test_a_record_that_is_none_or_another_s_is_said(api_server: ApiServer) -> None:
    namespace = api_server.namespace("history-broken")
    name = name_of(namespace, "web")
    put_record(api_server, namespace, past("v1", "v2"))
    path = f"/api/v1/namespaces/{namespace}/configmaps/{name}"
    mine = api_server.request("GET", path)["data"]["record"]
    for data in ("{}", mine.replace(f"{namespace}/web", f"{namespace}/other")):
        api_server.patch(path, {"data": {"record": data}})
        with pytest.raises(ResolverError, match=r"\[RT689\]"):
            history(api_server, namespace, "web")


def test_without_a_cluster_that_is_said() -> None:
    with pytest.raises(ResolverError, match=r"--kubeconfig \[RT661\]"):
        CliRunner().invoke(command, ["web"], catch_exceptions=False)


def test_what_is_no_application_is_said(api_server: ApiServer) -> None:
    with pytest.raises(UsageError, match=r"\[RT244\]"):
        history(api_server, "argocd", "a/b/c")


def test_a_name_that_is_too_long_has_a_record_too(api_server: ApiServer) -> None:
    namespace = api_server.namespace("history-long")
    name = "a" * 253
    put_record(api_server, namespace, past("v1", "v2"), name=name)

    assert "\tv2\t" in history(api_server, namespace, name).stdout
