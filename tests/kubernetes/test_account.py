"""Accounts: out of kubeconfigs, mounted tokens and commands; or one line that says why not."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from sidecar.kubernetes import ClusterError
from sidecar.kubernetes.account import Account, of_kubeconfig, of_mounted
from sidecar.kubernetes.credentials import Command, TokenFile

TOKEN = "made-up-token"
V1 = "client.authentication.k8s.io/v1"
SERVER = "https://api.example.com:6443"


def write(folder: Path, user: Any, **more: Any) -> Path:
    cluster = {"server": SERVER, **more}
    config = {
        "clusters": [{"name": "it", "cluster": cluster}],
        "users": [{"name": "it", "user": user}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        "current-context": "it",
    }
    path = folder / "kubeconfig"
    path.write_text(json.dumps(config))
    return path


def header(account: Account, refused: str = "") -> str:
    return asyncio.run(account.credential.authorization(refused))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("users: [{token: made-up-token", "is no YAML", id="no YAML"),
        pytest.param("[" * 20_000, "is no YAML", id="nested too deeply"),
        pytest.param("", "no kubeconfig", id="empty"),
        pytest.param("[]", "no kubeconfig", id="a list"),
        pytest.param("{clusters: []}", "no 'contexts'", id="no contexts"),
        pytest.param("{clusters: [], contexts: []}", "current", id="no current context"),
        pytest.param(
            "{clusters: [{name: a, cluster: {server: 7}}], contexts: []}", "Expected", id="types"
        ),
        pytest.param(
            "{clusters: [{name: a, cluster: {}}], contexts: [{name: a, context: {cluster: a}}],"
            " current-context: a}",
            "names no user",
            id="no user",
        ),
    ],
)
def test_what_is_no_kubeconfig_is_one_line_without_its_content(
    tmp_path: Path, text: str, words: str
) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(text)
    with pytest.raises(ClusterError, match=rf"{words}.*--kubeconfig.*RT657") as caught:
        of_kubeconfig(path, {})
    assert TOKEN not in str(caught.value)


def test_a_kubeconfig_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=r"cannot be read: No such file.*RT657"):
        of_kubeconfig(tmp_path / "absent", {})


@pytest.mark.parametrize(
    ("user", "cluster", "words"),
    [
        pytest.param({"as": "admin"}, {}, "states as, which", id="somebody else"),
        pytest.param({}, {"tls-server-name": "x"}, "states tls-server-name", id="another name"),
        pytest.param({}, {"proxy-url": "socks5://x"}, "states proxy-url", id="a proxy"),
        pytest.param({"auth-provider": {"name": "gcp"}}, {}, "auth-provider", id="a provider"),
        pytest.param({"token": "a\nb"}, {}, "is none", id="a token that no header holds"),
        pytest.param({}, {"server": "api"}, "no URL", id="no URL"),
        pytest.param({}, {"server": "https://a:b"}, "no URL", id="no port"),
        pytest.param(
            {"exec": {"apiVersion": "client.authentication.k8s.io/v1alpha1", "command": "x"}},
            {},
            "v1alpha1 is not supported",
            id="an older exec",
        ),
    ],
)
def test_what_is_not_supported_is_refused(
    tmp_path: Path, user: Any, cluster: Any, words: str
) -> None:
    with pytest.raises(ClusterError, match=rf"{words}.*RT657"):
        of_kubeconfig(write(tmp_path, user, **cluster), {})


def test_a_proxy_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, {"token": TOKEN})
    with pytest.raises(ClusterError, match=r"HTTPS_PROXY names no proxy.*RT657"):
        of_kubeconfig(path, {"HTTPS_PROXY": "socks5://127.0.0.1:1"})


@pytest.mark.parametrize(
    "cluster",
    [
        pytest.param({"certificate-authority": "absent"}, id="absent"),
        pytest.param({"certificate-authority-data": "e30="}, id="no certificate"),
        pytest.param({"certificate-authority-data": "*"}, id="no base64"),
    ],
)
def test_certificates_that_are_none_are_one_line(tmp_path: Path, cluster: Any) -> None:
    account = of_kubeconfig(write(tmp_path, {"token": TOKEN}, **cluster), {})
    with pytest.raises(ClusterError, match=r"certificates cannot be used.*RT657"):
        account.tls()


def test_without_an_authority_that_of_the_system_counts(tmp_path: Path) -> None:
    account = of_kubeconfig(write(tmp_path, {"token": TOKEN}), {})
    assert account.tls().check_hostname
    assert account.stamp() == ()
    assert TOKEN not in repr(account)


def test_a_token_file_is_beside_its_kubeconfig_and_read_each_time(tmp_path: Path) -> None:
    account = of_kubeconfig(write(tmp_path, {"tokenFile": "token"}), {})
    with pytest.raises(ClusterError, match=r"token cannot be read: No such file.*RT657"):
        header(account)
    for text in ("first", " second\n"):
        (tmp_path / "token").write_text(text)
        assert header(account) == f"Bearer {text.strip()}"
    for content in (b"", b"a b", b"\xff", b"x\x00y"):
        (tmp_path / "token").write_bytes(content)
        with pytest.raises(ClusterError, match=r"is none: it is empty.*RT657"):
            header(account)


IN_POD = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}


@pytest.mark.parametrize(
    ("host", "server"),
    [("10.0.0.1", "https://10.0.0.1:443"), ("fd00::1", "https://[fd00::1]:443")],
)
def test_what_kubelet_mounts_is_an_account(tmp_path: Path, host: str, server: str) -> None:
    (tmp_path / "namespace").write_text("argocd\n")
    account = of_mounted(tmp_path, {**IN_POD, "KUBERNETES_SERVICE_HOST": host})
    assert (account.server, account.namespace) == (server, "argocd")
    assert account.credential == TokenFile(tmp_path / "token")


def test_in_the_cluster_a_proxy_counts_unless_it_is_excepted_as_for_client_go(
    tmp_path: Path,
) -> None:
    (tmp_path / "namespace").write_text("argocd")
    proxied = {**IN_POD, "HTTPS_PROXY": "http://proxy.example.com:3128"}
    assert str(of_mounted(tmp_path, proxied).proxy) == "http://proxy.example.com:3128"
    excepted = {**proxied, "NO_PROXY": "10.0.0.0/8"}
    assert of_mounted(tmp_path, excepted).proxy is None


def test_outside_of_a_pod_nothing_is_mounted(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=r"KUBERNETES_SERVICE_HOST.*RT657"):
        of_mounted(tmp_path, {})
    with pytest.raises(ClusterError, match=r"namespace cannot be read.*RT657"):
        of_mounted(tmp_path, IN_POD)


SCRIPT = """\
#!/bin/sh
echo "$1 $OWN $KUBERNETES_EXEC_INFO" >> "$0.asked"
echo please log in >&2
cat "$0.answer"
"""


def command(folder: Path, answer: str, version: str = V1, script: str = SCRIPT) -> Account:
    """A kubeconfig beside which a program lies."""
    path = folder / "login"
    path.write_text(script)
    path.chmod(0o755)
    (folder / "login.answer").write_text(answer)
    plugin = {
        "apiVersion": version,
        "command": "./login",
        "args": ["get-token"],
        "env": [{"name": "OWN", "value": "mine"}],
        "interactiveMode": "IfAvailable",
    }
    return of_kubeconfig(write(folder, {"exec": plugin}), {"PATH": "/usr/bin:/bin"})


def credential(**status: Any) -> str:
    return json.dumps({"apiVersion": V1, "kind": "ExecCredential", "status": status})


@pytest.mark.parametrize("version", [V1, "client.authentication.k8s.io/v1beta1"])
def test_a_command_gives_a_token_until_it_is_refused(tmp_path: Path, version: str) -> None:
    account = command(tmp_path, credential(token="first"), version)

    async def test() -> None:
        ask = account.credential.authorization
        assert await asyncio.gather(*(ask() for _ in range(5))) == ["Bearer first"] * 5
        (tmp_path / "login.answer").write_text(credential(token="second"))
        assert await ask() == "Bearer first"
        assert await ask("Bearer first") == "Bearer second"
        assert await ask("Bearer first") == "Bearer second"

    asyncio.run(test())
    asked = (tmp_path / "login.asked").read_text().splitlines()
    assert len(asked) == 2
    assert asked[0].startswith("get-token mine {")
    info = json.loads(asked[0].partition("mine ")[2])
    assert info == {
        "apiVersion": version,
        "kind": "ExecCredential",
        "spec": {"interactive": False},
    }


def test_a_token_that_expires_is_asked_for_again(tmp_path: Path) -> None:
    path = tmp_path / "login"
    path.write_text(SCRIPT)
    path.chmod(0o755)
    now = [1_767_225_599.0]
    subject = Command([str(path)], {"PATH": "/usr/bin:/bin"}, V1, wall=lambda: now[0])

    async def test() -> None:
        for expires in ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00"):
            answer = credential(token="a", expirationTimestamp=expires)
            (tmp_path / "login.answer").write_text(answer)
            await subject.authorization()
        now[0] += 2
        await subject.authorization()

    asyncio.run(test())
    assert len((tmp_path / "login.asked").read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        pytest.param("", "wrote no ExecCredential", id="nothing"),
        pytest.param("x" * 100_000, "wrote no ExecCredential", id="too much"),
        pytest.param('{"status": {"token": 7}}', "wrote no ExecCredential", id="no text"),
        pytest.param(credential(), "gave no token", id="no token"),
        pytest.param(
            credential(clientCertificateData="x", clientKeyData="y"),
            "gave a client certificate",
            id="a certificate",
        ),
        pytest.param(credential(token="a\nb"), "is none", id="no token for a header"),
    ],
)
def test_a_command_that_gives_no_token_is_one_line(
    tmp_path: Path, answer: str, words: str
) -> None:
    with pytest.raises(ClusterError, match=rf"{words}.*RT657"):
        header(command(tmp_path, answer))


@pytest.mark.parametrize(
    ("script", "words"),
    [
        pytest.param("#!/bin/sh\nexit 3", "ended with 3", id="fails"),
        pytest.param("#!/absent", "cannot be run: No such file", id="cannot be run"),
    ],
)
def test_a_command_that_fails_is_one_line(tmp_path: Path, script: str, words: str) -> None:
    with pytest.raises(ClusterError, match=rf"{words}.*RT657"):
        header(command(tmp_path, "", script=script))


def test_a_command_that_does_not_end_is_ended(tmp_path: Path) -> None:
    path = tmp_path / "login"
    path.write_text("#!/bin/sh\nexec sleep 1000\n")
    path.chmod(0o755)
    subject = Command([str(path)], {"PATH": "/usr/bin:/bin"}, V1, patience=0.1)

    async def ask() -> None:
        before = _children()
        with pytest.raises(ClusterError, match=r"gave no credential in 0\.1 s.*RT657"):
            await subject.authorization()
        assert _children() <= before

    asyncio.run(ask())


def _children() -> set[str]:
    """The ids of this process' children."""
    lists = Path("/proc/self/task").glob("*/children")
    return {each for children in lists for each in children.read_text().split()}
