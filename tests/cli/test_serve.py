"""`retag serve` as a process: flags old and new, ready, reloads, and the end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import pytest

from cmp.cli.updater import FLAGS
from cmp.plugin import wire
from tests.cli.conftest import RETAG
from tests.sidecar.mounts import Mount, registries, rules, zot_storage
from tests.sidecar.place import IMAGE, pod

PATIENCE = 60.0  # seconds, which only a test that fails ever waits

# Image Updater v1.3.0, cmd/run.go, whose flags these are; the first seven mean the same here.
_RUN = """
loglevel logformat registries-conf-path health-probe-bind-address argocd-namespace kubeconfig
watch-namespaces
metrics-bind-address metrics-secure enable-http2 leader-election leader-election-namespace dry-run
interval once max-concurrent-apps max-concurrent-reconciles
warmup-cache disable-kube-events git-commit-user git-commit-email
git-commit-signing-key git-commit-signing-method git-commit-sign-off git-commit-message-path
git-commit-method enable-webhook webhook-require-secret webhook-port docker-webhook-secret
ghcr-webhook-secret quay-webhook-secret harbor-webhook-secret aliyun-acr-webhook-secret
acr-webhook-secret cloudevents-webhook-secret webhook-ratelimit-allowed disable-tls tlsminversion
tlsmaxversion tlsciphers
"""
# v0.18.0, cmd/run.go, besides those; and a name that guides have.
_RUN_V0 = """
applications-api argocd-server-addr argocd-grpc-web argocd-insecure argocd-plaintext
argocd-auth-token disable-kubernetes health-port metrics-port max-concurrency
application-namespace match-application-name match-application-label log-level
"""
RUN, RUN_V0 = _RUN.split(), _RUN_V0.split()
SWITCHES = {flag.name for flag in FLAGS if flag.switch}
SAME = set(RUN[:7])
PROBES = ("--health-probe-bind-address", "127.0.0.1:0")  # any port


class Serve:
    """A running `retag serve`; a context manager, at whose end the process is killed."""

    def __init__(self, folder: Path, *flags: str, **environment: str) -> None:
        self.socket = folder / "resolver.sock"
        self._log = folder / "log"
        socket_and_probes = ["--socket", str(self.socket), *PROBES]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [RETAG, "serve", *socket_and_probes, *flags],
                cwd=folder,
                stderr=log,
                stdout=subprocess.DEVNULL,
                env={**os.environ, **environment},
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    def lines(self) -> list[dict[str, Any]]:
        """What was logged, as JSON."""
        text = self._log.read_text()
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]

    def wait_for(self, message: str, times: int = 1) -> dict[str, Any]:
        """The line that says *message*, once it is there so many times."""

        def said() -> dict[str, Any] | None:
            found = [line for line in self.lines() if message in line["msg"]]
            return found[times - 1] if len(found) >= times else None

        return self._until(said)

    def _until(self, look: Callable[[], dict[str, Any] | None]) -> dict[str, Any]:
        end = time.monotonic() + PATIENCE
        while (found := look()) is None:
            if time.monotonic() > end or self.process.poll() is not None:
                raise TimeoutError(f"it never came: {self._log.read_text()}")
            time.sleep(0.01)
        return found

    def get(self, path: str) -> str:
        """What the probes' address says at *path*."""
        port = self.wait_for("ready")["probes"]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as reply:
            return str(reply.read().decode())

    def generate(self, manifests: bytes) -> tuple[int, str, str]:
        """What the plugin would get: exit code, stderr and stdout."""
        body = wire.pack_environment({b"ARGOCD_APP_NAME": b"app"}) + manifests
        head = (
            f"POST {wire.GENERATE} HTTP/1.1\r\nHost: retag\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(PATIENCE)
            client.connect(str(self.socket))
            client.sendall(head.encode() + body)
            reply = b"".join(iter(lambda: client.recv(65536), b""))
        code, errors, output = wire.unpack_reply(reply.partition(b"\r\n\r\n")[2])
        return code, errors.decode(), output.decode()

    def end(self, number: int = signal.SIGTERM) -> int:
        """The exit code after a signal."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A sound configuration."""
    zot_storage(tmp_path / "zot")
    Mount(tmp_path / "rules", {"rules.yaml": rules()})
    Mount(tmp_path / "config", {"registries.conf": registries(f"file://{tmp_path}/zot")})
    return tmp_path


SOUND = ("--rules", "rules", "--registries", "config/registries.conf")


def test_it_answers_reloads_on_a_signal_and_ends_with_0(folder: Path) -> None:
    with Serve(folder, *SOUND) as serve:
        serve.wait_for("ready")
        code, errors, output = serve.generate(pod())
        assert (code, errors) == (0, "")
        assert f"{IMAGE}:v1.10.0" in output
        assert serve.get("/readyz") == "ok\n"

        (folder / "rules" / "rules.yaml").unlink()
        (folder / "rules" / "rules.yaml").write_text(rules("~1.4"))
        serve.process.send_signal(signal.SIGHUP)
        serve.wait_for("configuration loaded", times=2)
        assert f"{IMAGE}:v1.4.2" in serve.generate(pod())[2]

        metrics = serve.get("/metrics")
        assert 'retag_configuration_reloads_total{result="loaded"} 1.0' in metrics
        assert 'retag_requests_total{outcome="ok",path="/v1/generate"} 2.0' in metrics
        assert 'retag_request_seconds_count{path="/v1/generate"} 2.0' in metrics

        assert serve.end() == 0
        assert not serve.socket.exists()
        assert serve.lines()[-1]["msg"] == "ended"


def test_it_ends_with_0_when_it_is_interrupted(folder: Path) -> None:
    with Serve(folder, *SOUND, "--store", "./cache/retag.db") as serve:
        serve.wait_for("ready")
        assert serve.end(signal.SIGINT) == 0


def test_a_broken_configuration_is_ready_and_says_why(folder: Path) -> None:
    with Serve(folder, "--rules", "nowhere", "--registries", "nowhere") as serve:
        assert serve.get("/readyz") == "ok\n"

        code, errors, output = serve.generate(pod())

        assert (code, output) == (3, "")
        assert errors == (
            "error: nowhere: cannot be read: No such file or directory; check the path [RT308]\n"
        )
        assert serve.end() == 0


def value_of(name: str) -> Sequence[str]:
    """A flag as a Pod may have it."""
    if name in SWITCHES:
        return [f"--{name}=false"]
    values = {
        "loglevel": "debug",
        "logformat": "json",
        "registries-conf-path": "config/registries.conf",
        "health-probe-bind-address": "127.0.0.1:0",
        "kubeconfig": "kubeconfig",
        "watch-namespaces": "*",
    }
    return [f"--{name}", values.get(name, "2m")]


def write_kubeconfig(path: Path) -> None:
    """A kubeconfig of a cluster that does not answer."""
    named = {"cluster": "it", "user": "it"}
    config = {
        "clusters": [{"name": "it", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "it", "user": {"token": "made-up"}}],
        "contexts": [{"name": "it", "context": named}],
        "current-context": "it",
    }
    path.write_text(json.dumps(config))


@pytest.mark.parametrize("names", [RUN, RUN_V0], ids=["v1", "v0"])
def test_a_pod_with_the_image_updaters_arguments_starts(
    folder: Path, names: Sequence[str]
) -> None:
    flags = [text for name in names for text in value_of(name)]
    write_kubeconfig(folder / "kubeconfig")

    with Serve(folder, *flags, ARGOCD_TOKEN="made-up", IMAGE_UPDATER_INTERVAL="x") as serve:
        serve.wait_for("ready")
        told = [line["msg"] for line in serve.lines() if "no effect" in line["msg"]]
        assert serve.end() == 0

    assert sorted(line.split()[0] for line in told) == sorted(
        f"--{name}" for name in names if name not in SAME
    )
    assert all(line.partition(": ")[2] for line in told)
    assert not any("made-up" in line or "2m" in line for line in told)


def test_switches_need_no_value_and_are_told_once(folder: Path) -> None:
    flags = [f"--{name}" for name in sorted(SWITCHES)]

    with Serve(folder, *flags, "--once", *SOUND) as serve:
        serve.wait_for("ready")
        told = [line["msg"] for line in serve.lines() if "no effect" in line["msg"]]
        assert serve.end() == 0

    assert len(told) == len(SWITCHES)


def test_level_and_form_come_from_the_image_updaters_variables(folder: Path) -> None:
    variables = {"IMAGE_UPDATER_LOGLEVEL": "warn", "IMAGE_UPDATER_LOGFORMAT": "text"}

    with Serve(folder, "--rules", "nowhere", **variables) as serve:
        end = time.monotonic() + PATIENCE
        while not serve.socket.exists() and time.monotonic() < end:
            time.sleep(0.01)
        assert serve.end() == 0
        log = (folder / "log").read_text()

    assert "level=error logger=retag.configuration" in log
    assert "level=info" not in log


def test_an_empty_variable_is_none(folder: Path) -> None:
    """As a ConfigMap gives it whose key is empty."""
    with Serve(folder, *SOUND, IMAGE_UPDATER_LOGLEVEL="", IMAGE_UPDATER_LOGFORMAT="") as serve:
        serve.wait_for("ready")
        assert serve.end() == 0


def test_probes_may_be_off(folder: Path) -> None:
    with Serve(folder, *SOUND, "--health-probe-bind-address", "0") as serve:
        assert serve.wait_for("ready")["probes"] is None
        assert serve.generate(pod())[0] == 0
        assert serve.end() == 0


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (["--unheard-of"], 2, "No such option"),
        (["--loglevl", "debug"], 2, "--loglevel"),
        (["--loglevel", "loud"], 2, "is not one of"),
        (["--health-probe-bind-address", ":8081"], 2, "[RT249]"),
        (["--max-stale", "7d"], 2, "[RT250]"),
        (["--store", "nonsense"], 2, "[RT256]"),
        (["--socket", "/proc/nowhere/s"], 6, "[RT6"),
    ],
    ids=["flag", "slip", "level", "port", "age", "store", "socket"],
)
def test_what_keeps_it_from_starting_is_one_line(
    tmp_path: Path, flags: list[str], code: int, said: str
) -> None:
    base = ["--socket", str(tmp_path / "s"), *PROBES]

    done = subprocess.run(
        [RETAG, "serve", *base, *flags],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )

    assert done.returncode == code
    *_, line = done.stderr.splitlines()
    assert line.lower().startswith("error: ")
    assert said in line
