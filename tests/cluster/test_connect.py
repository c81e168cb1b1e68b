"""Which cluster is used, and which of its namespaces are looked at."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from cmp.cli.cluster import cluster_options, resident_options
from cmp.errors import UsageError
from sidecar.cluster.connect import Connected, need_cluster, open_cluster
from sidecar.cluster.flags import ClusterFlags, parse_namespaces
from sidecar.kubernetes import ClusterError

POD = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}


def write_kubeconfig(path: Path, server: str = "https://127.0.0.1:1", token: str = "t") -> Path:
    """A kubeconfig whose context has the namespace dev."""
    named = {"cluster": "it", "user": "it", "namespace": "dev"}
    config = {
        "clusters": [{"name": "it", "cluster": {"server": server}}],
        "users": [{"name": "it", "user": {"token": token}}],
        "contexts": [{"name": "it", "context": named}],
        "current-context": "it",
    }
    path.write_text(json.dumps(config))
    return path


def account(folder: Path, authority: Path) -> Path:
    """What kubelet mounts in a Pod of the namespace argocd."""
    folder.mkdir()
    (folder / "token").write_text("made-up")
    (folder / "namespace").write_text("argocd\n")
    (folder / "ca.crt").write_bytes(authority.read_bytes())
    return folder


@pytest.fixture
def authority(api_server: Any) -> Path:
    """A certificate."""
    return Path(api_server.ca_file)


def opened(flags: ClusterFlags, environment: dict[str, str], folder: Path) -> Connected:
    """The cluster in use, closed."""
    connected = open_cluster(flags, environment, account=folder)
    assert connected is not None
    asyncio.run(connected.client.aclose())
    return connected


def test_a_pod_uses_its_own_cluster_and_namespace(
    tmp_path: Path, authority: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in POD.items():
        monkeypatch.setenv(name, value)
    connected = opened(ClusterFlags(), POD, account(tmp_path / "account", authority))

    assert (connected.own, connected.argocd) == ("argocd", "argocd")
    assert connected.rules == connected.applications == ("argocd",)
    assert connected.secrets == frozenset({"argocd"})


def test_a_kubeconfig_comes_before_the_pods_own_account(tmp_path: Path) -> None:
    flags = ClusterFlags(kubeconfig=write_kubeconfig(tmp_path / "config"))

    assert opened(flags, POD, tmp_path).own == "dev"


def test_the_namespace_of_the_pod_comes_before_the_accounts(tmp_path: Path) -> None:
    flags = ClusterFlags(kubeconfig=write_kubeconfig(tmp_path / "config"))

    assert opened(flags, {"POD_NAMESPACE": "ops"}, tmp_path).own == "ops"


@pytest.mark.parametrize(
    ("watched", "rules", "applications"),
    [
        pytest.param("", ("dev",), ("dev", "argocd"), id="own, and Argo CD's for Applications"),
        pytest.param("*", ("",), ("",), id="all"),
        pytest.param("b, a,b", ("a", "b"), ("a", "b", "argocd"), id="some"),
        pytest.param("argocd", ("argocd",), ("argocd",), id="Argo CD's"),
    ],
)
def test_rules_and_applications_are_looked_for_in_namespaces(
    tmp_path: Path, watched: str, rules: tuple[str, ...], applications: tuple[str, ...]
) -> None:
    flags = ClusterFlags(
        kubeconfig=write_kubeconfig(tmp_path / "config"),
        watch_namespaces=watched,
        argocd_namespace="argocd",
        secret_namespaces="*",
    )
    connected = opened(flags, {}, tmp_path)

    assert (connected.rules, connected.applications) == (rules, applications)
    assert connected.secrets is None


@pytest.mark.parametrize("text", ["a,*", "A", "a b", "-a", "a/b", "a" * 64])
def test_what_is_no_namespace_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"--flag: .* is no namespace.*RT262"):
        parse_namespaces("--flag", text, "own")


@pytest.mark.parametrize("own", ["", " ", "*"], ids=["empty", "blank", "star"])
def test_an_own_namespace_that_is_none_does_not_become_all_of_them(own: str) -> None:
    with pytest.raises(UsageError, match=r"--flag: .* is no namespace.*RT262"):
        parse_namespaces("--flag", "", own)


def test_outside_of_a_pod_no_cluster_is_used_unless_named(tmp_path: Path) -> None:
    assert open_cluster(ClusterFlags(), {}, account=tmp_path) is None
    with pytest.raises(ClusterError, match=r"no cluster is named.*RT661"):
        need_cluster(ClusterFlags(), {}, account=tmp_path)


def test_in_a_pod_without_a_token_it_is_said_that_none_is_mounted(tmp_path: Path) -> None:
    assert open_cluster(ClusterFlags(), POD, account=tmp_path) is None
    with pytest.raises(ClusterError, match=r"no token .* is mounted.*RT660"):
        need_cluster(ClusterFlags(), POD, account=tmp_path)


def test_who_needs_a_cluster_gets_the_one_that_is_named(tmp_path: Path) -> None:
    flags = ClusterFlags(kubeconfig=write_kubeconfig(tmp_path / "config"))
    connected = need_cluster(flags, {}, account=tmp_path)
    asyncio.run(connected.client.aclose())

    assert connected.own == "dev"


def test_a_cluster_is_the_same_whatever_its_token_and_another_at_another_place(
    tmp_path: Path,
) -> None:
    def identity(server: str, token: str) -> str:
        path = write_kubeconfig(tmp_path / "config", server, token)
        return opened(ClusterFlags(kubeconfig=path), {}, tmp_path).identity

    assert identity("https://127.0.0.1:1", "a") == identity("https://127.0.0.1:1", "b")
    assert identity("https://127.0.0.1:1", "a") != identity("https://127.0.0.1:2", "a")


def test_a_cluster_at_the_same_address_with_another_authority_is_another(
    tmp_path: Path, authority: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in POD.items():
        monkeypatch.setenv(name, value)
    folder = account(tmp_path / "account", authority)
    before = opened(ClusterFlags(), POD, folder).identity
    (folder / "ca.crt").write_bytes(authority.read_bytes() + b"\n")

    assert opened(ClusterFlags(), POD, folder).identity != before


def test_a_command_gets_the_flags_together() -> None:
    told: list[ClusterFlags] = []

    @click.command()
    @resident_options
    def command(*, cluster: ClusterFlags) -> None:
        """Take them."""
        told.append(cluster)

    environment = {"ARGOCD_NAMESPACE": "argocd", "IMAGE_UPDATER_WATCH_NAMESPACES": "*"}
    done = CliRunner().invoke(command, ["--kubeconfig", "x"], env=environment)

    assert done.exit_code == 0
    assert told == [
        ClusterFlags(kubeconfig=Path("x"), watch_namespaces="*", argocd_namespace="argocd")
    ]
    shown = CliRunner().invoke(command, ["--help"]).output
    flags = ["--kubeconfig", "--watch-namespaces", "--argocd-namespace", "--secret-namespaces"]
    assert [shown.index(flag) for flag in flags] == sorted(shown.index(flag) for flag in flags)


def test_who_reads_no_secrets_is_not_told_where_they_may_be_read() -> None:
    told: list[ClusterFlags] = []

    @click.command()
    @cluster_options
    def command(*, cluster: ClusterFlags) -> None:
        """Take them."""
        told.append(cluster)

    assert CliRunner().invoke(command, ["--argocd-namespace", "argocd"]).exit_code == 0
    assert told == [ClusterFlags(argocd_namespace="argocd")]
    assert CliRunner().invoke(command, ["--secret-namespaces", "*"]).exit_code != 0
