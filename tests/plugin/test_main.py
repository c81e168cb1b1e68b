"""The plugin in this process, against resolvers that behave and resolvers that do not."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import threading
from pathlib import Path

import pytest

from cmp.plugin import wire
from cmp.plugin.connection import connect
from cmp.plugin.faults import NoAnswerError
from cmp.plugin.main import main
from tests.plugin.double import (
    Answer,
    deaf,
    drips,
    read_request,
    replies,
    resolver,
    response,
    says,
    silent,
)
from tests.render.sources import write

CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\n"
CHART = {
    "Chart.yaml": "apiVersion: v2\nname: web\nversion: 0.1.0\n",
    "templates/c.yaml": "apiVersion: v1\nkind: A\nmetadata:\n  name: {{ .Release.Name }}\n",
}
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
WHOLE = wire.pack_reply(0, b"", b"kind: X\n")


class Plugin:
    """The plugin in a source's folder, and what it printed."""

    def __init__(self, capture: pytest.CaptureFixture[bytes], socket_path: Path) -> None:
        self._capture = capture
        self.environment = {
            b"PATH": os.fsencode(os.environ["PATH"]),
            b"RETAG_SOCKET": os.fsencode(socket_path),
            b"ARGOCD_APP_NAME": b"web",
            b"ARGOCD_APP_PARAMETERS": b"null",
        }

    def run(
        self, command: str = "generate", *, seconds: float = 20, patience: float = 0
    ) -> tuple[int, str, bytes]:
        """Exit code, stderr and stdout."""
        code = main(command.split(), self.environment, seconds=seconds, patience=patience)
        out, err = self._capture.readouterr()
        return code, err.decode(), out


@pytest.fixture
def plugin(
    capfdbinary: pytest.CaptureFixture[bytes],
    socket_path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Plugin:
    """A plugin whose working folder holds one manifest."""
    write(tmp_path / "app", {"config.yaml": CONFIG})
    monkeypatch.chdir(tmp_path / "app")
    return Plugin(capfdbinary, socket_path)


def test_what_the_resolver_makes_of_the_manifests_is_written(
    plugin: Plugin, socket_path: Path
) -> None:
    with resolver(socket_path) as double:
        assert plugin.run() == (0, "", CONFIG.encode())
    [asked] = double.asked
    assert asked.path == wire.GENERATE
    assert asked.environment == {"ARGOCD_APP_NAME": "web", "ARGOCD_APP_PARAMETERS": "null"}


def test_warnings_go_to_stderr_and_manifests_to_stdout(plugin: Plugin, socket_path: Path) -> None:
    with resolver(socket_path, replies(0, b"warning: old\n", b"kind: X\n")):
        assert plugin.run() == (0, "warning: old\n", b"kind: X\n")


def test_errors_of_the_resolver_are_passed_on_with_their_exit_code(
    plugin: Plugin, socket_path: Path
) -> None:
    with resolver(socket_path, replies(3, b"error: two rules [RT300]\n", b"")):
        assert plugin.run() == (3, "error: two rules [RT300]\n", b"")


def test_stderr_is_never_longer_than_argo_cd_should_store(
    plugin: Plugin, socket_path: Path
) -> None:
    with resolver(socket_path, replies(3, b"x" * 50_000, b"")):
        _, stderr, _ = plugin.run()
    assert len(stderr) == wire.LONGEST_STDERR


def test_a_source_without_manifests_is_for_the_resolver_to_judge(
    plugin: Plugin, socket_path: Path, tmp_path: Path
) -> None:
    (tmp_path / "app/config.yaml").unlink()
    with resolver(socket_path) as double:
        assert plugin.run() == (0, "", b"")
    assert double.asked[0].manifests == b""


def test_a_source_that_is_not_plain_is_rendered_too(
    plugin: Plugin, socket_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(write(tmp_path / "chart", CHART))
    with resolver(socket_path):
        code, _, stdout = plugin.run()
    assert code == 0
    assert b"name: web\n" in stdout


def test_parameters_are_told_to_the_renderer(
    plugin: Plugin, socket_path: Path, tmp_path: Path
) -> None:
    write(tmp_path / "app/below", {"more.yaml": CONFIG.replace("settings", "more")})
    plugin.environment[b"ARGOCD_APP_PARAMETERS"] = json.dumps(
        [{"name": "directory-recurse", "string": "true"}]
    ).encode()
    with resolver(socket_path):
        assert b"name: more" in plugin.run()[2]


def test_a_render_that_fails_says_what_retag_render_says(
    plugin: Plugin, socket_path: Path, tmp_path: Path
) -> None:
    write(tmp_path / "app", {"a.json": "{}"})
    remedy = "leave it out with directory-exclude"
    with resolver(socket_path, silent):
        assert plugin.run() == (
            4,
            f"error: a.json holds no Kubernetes object; {remedy} [RT451]\n",
            b"",
        )


def test_a_resolver_that_dies_and_comes_back_is_asked_again(
    plugin: Plugin, socket_path: Path
) -> None:
    with resolver(socket_path) as double:
        double.answers.insert(0, says(response(WHOLE)[:-5]))
        assert plugin.run() == (0, "", CONFIG.encode())


def test_a_resolver_that_dies_is_waited_for_though_one_that_is_not_there_would_not_be(
    plugin: Plugin, socket_path: Path
) -> None:
    gone, back = socket_path.with_name("gone"), threading.Event()
    returning = threading.Thread(target=lambda: back.wait(0.5) or gone.rename(socket_path))

    def die(connection: socket.socket) -> None:
        read_request(connection)
        socket_path.rename(gone)
        returning.start()

    with resolver(socket_path) as double:
        double.answers.insert(0, die)
        assert plugin.run(patience=0) == (0, "", CONFIG.encode())
        returning.join()


# What is no answer, and what is said of it.
NONSENSE: dict[str, tuple[Answer, str]] = {
    "nothing": (says(), "RT602"),
    "part of the head": (says(b"HTTP/1.1 200"), "RT602"),
    "part of the body": (says(response(WHOLE)[:-5]), "RT602"),
    "closed at once": (lambda _: None, "RT602"),
    "an error of HTTP": (says(response(b"busy", status="503 Service Unavailable")), "RT604"),
    "a redirect": (says(response(b"", status="302 Found", more="location: /\r\n")), "RT604"),
    "another protocol": (says(b"SSH-2.0-x\r\n\r\n"), "RT605"),
    "another version of HTTP": (says(response(WHOLE).replace(b"/1.1", b"/2")), "RT605"),
    "no status": (says(b"HTTP/1.1\r\n\r\n"), "RT605"),
    "no length": (says(b"HTTP/1.1 200 OK\r\n\r\n", WHOLE), "RT605"),
    "two lengths": (says(response(WHOLE, more="Content-Length: 5\r\n")), "RT605"),
    "a length that is no number": (
        says(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"),
        "RT605",
    ),
    "a huge length": (says(HEAD % 10**9), "RT605"),
    "a length of many digits": (
        says(b"HTTP/1.1 200 OK\r\nContent-Length: " + b"1" * 5000 + b"\r\n\r\n"),
        "RT605",
    ),
    "chunks": (says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), "RT605"),
    "a head without end": (says(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000), "RT605"),
    "no end mark": (says(response(WHOLE[:-1])), "RT605"),
    "more than the answer": (says(response(WHOLE + b"x")), "RT605"),
    "something else": (says(response(b"kind: X\n")), "RT605"),
    "no exit code": (says(response(wire.pack_reply(256, b"", b""))), "RT605"),
    "manifests beside an error": (says(response(wire.pack_reply(1, b"", b"kind: X"))), "RT605"),
}


@pytest.mark.parametrize("case", NONSENSE)
def test_what_is_no_answer_is_one_line_and_no_manifests(
    plugin: Plugin, socket_path: Path, case: str
) -> None:
    answer, code = NONSENSE[case]
    with resolver(socket_path, answer):
        exit_code, stderr, stdout = plugin.run()
    assert (exit_code, stdout) == (6, b"")
    assert stderr.startswith("error: ")
    assert stderr.endswith(f"[{code}]\n")
    assert stderr.count("\n") == 1


def test_a_socket_that_is_not_there_is_one_line(plugin: Plugin, socket_path: Path) -> None:
    where = "see whether the resolver's container in the repo-server's Pod runs"
    assert plugin.run() == (
        6,
        f"error: nothing answers at {socket_path}; {where} [RT600]\n",
        b"",
    )


def test_a_socket_that_nobody_listens_to_is_one_line(plugin: Plugin, socket_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(os.fspath(socket_path))
        code, stderr, stdout = plugin.run()
    assert (code, stderr.count("\n"), stdout) == (6, 1, b"")
    assert "[RT600]" in stderr


def test_a_resolver_is_waited_for_while_it_starts(socket_path: Path) -> None:
    with contextlib.ExitStack() as stack:

        def sleep(seconds: float) -> None:
            assert seconds < 1
            stack.enter_context(resolver(socket_path))

        connect(os.fsencode(socket_path), 3.0, sleep=sleep).close()


def test_a_resolver_that_does_not_start_is_not_waited_for_longer(socket_path: Path) -> None:
    waits: list[float] = []
    with pytest.raises(NoAnswerError):
        connect(os.fsencode(socket_path), 3.0, sleep=waits.append)
    assert sum(waits) == pytest.approx(3.0)


@pytest.mark.parametrize("path", ["x" * 200, "config.yaml/x"])
def test_a_path_that_can_be_no_socket_is_one_line(plugin: Plugin, path: str) -> None:
    plugin.environment[b"RETAG_SOCKET"] = path.encode()
    code, stderr, stdout = plugin.run()
    assert (code, stdout) == (6, b"")
    assert "[RT601]" in stderr


@pytest.mark.parametrize("answer", [silent, drips], ids=["silent", "dripping"])
def test_a_resolver_that_does_not_end_is_given_up(
    plugin: Plugin, socket_path: Path, answer: Answer
) -> None:
    remedy = "look into the log of its container, and at how busy the Pod is"
    with resolver(socket_path, answer):
        assert plugin.run(seconds=0.5) == (
            6,
            f"error: the resolver did not answer in time; {remedy} [RT603]\n",
            b"",
        )


def test_a_renderer_that_does_not_end_is_given_up(
    plugin: Plugin, socket_path: Path, tmp_path: Path
) -> None:
    write(tmp_path / "app", {"kustomization.yaml": "resources:\n- config.yaml\n"})
    program = (
        write(tmp_path / "bin", {"kustomize": "#!/bin/sh\nexec /bin/sleep 1000\n"}) / "kustomize"
    )
    program.chmod(0o755)
    plugin.environment[b"PATH"] = os.fsencode(program.parent)
    with resolver(socket_path, silent):
        assert plugin.run(seconds=0.5) == (
            4,
            "error: the source was not rendered in time [RT432]\n",
            b"",
        )


def test_what_a_renderer_logs_has_no_times_and_no_places(
    plugin: Plugin, socket_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "app", {"kustomization.yaml": "resources:\n- config.yaml\n"})
    script = '#!/bin/sh\necho "2026/01/02 03:04:05 no $PWD/x in $HOME" >&2\nexit 1\n'
    program = write(tmp_path / "bin", {"kustomize": script}) / "kustomize"
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    plugin.environment[b"PATH"] = os.fsencode(program.parent)
    with resolver(socket_path, silent):
        code, stderr, _ = plugin.run()
    assert code == 4
    assert stderr == "no x in .\nerror: kustomize build failed with exit status 1 [RT431]\n"


def test_a_resolver_that_takes_nothing_is_given_up(
    plugin: Plugin, socket_path: Path, tmp_path: Path
) -> None:
    write(tmp_path / "app", {"big.yaml": CONFIG + "# " + "x" * 5_000_000})
    with resolver(socket_path, deaf):
        code, stderr, stdout = plugin.run(seconds=0.5)
    assert (code, stdout) == (6, b"")
    assert "[RT603]" in stderr


@pytest.mark.parametrize("closes", [True, False], ids=["closes", "waits"])
def test_an_answer_that_comes_before_all_was_sent_is_read(
    plugin: Plugin, socket_path: Path, tmp_path: Path, *, closes: bool
) -> None:
    text = CONFIG + "# " + "x" * 50_000_000
    write(tmp_path / "app", {"big.yaml": text})

    def answer(connection: socket.socket) -> None:
        connection.recv(10_000)
        connection.sendall(response(wire.pack_reply(4, b"error: too long [RT400]\n", b"")))
        if not closes:
            deaf(connection)

    with resolver(socket_path, answer):
        assert plugin.run() == (4, "error: too long [RT400]\n", b"")


def test_manifests_of_many_megabytes_go_there_and_back(
    plugin: Plugin, socket_path: Path, tmp_path: Path
) -> None:
    text = CONFIG + "# " + "x" * 10_000_000 + "\n"
    write(tmp_path / "app", {"config.yaml": text})
    with resolver(socket_path):
        assert plugin.run() == (0, "", text.encode())


def test_an_announcement_is_asked_for_as_such(plugin: Plugin, socket_path: Path) -> None:
    with resolver(socket_path) as double:
        assert plugin.run("parameters")[0] == 0
    assert double.asked[0].path == wire.PARAMETERS


def test_without_an_announcement_the_parameters_tab_shows_the_static_ones(
    plugin: Plugin, socket_path: Path
) -> None:
    code, stderr, stdout = plugin.run("parameters")
    assert (code, stdout) == (0, b"[]")
    assert "[RT600]" in stderr
    with resolver(socket_path, replies(5, b"error: no registry [RT500]\n", b"")):
        assert plugin.run("parameters") == (0, "error: no registry [RT500]\n", b"[]")


@pytest.mark.parametrize("command", ["", "explain", "generate parameters"])
def test_another_command_is_refused(plugin: Plugin, command: str) -> None:
    code, stderr, stdout = plugin.run(command)
    assert (code, stdout) == (6, b"")
    assert "[RT608]" in stderr


def test_a_bug_is_one_line(plugin: Plugin, socket_path: Path) -> None:
    plugin.environment[b"ARGOCD_APP_PARAMETERS"] = None  # type: ignore[assignment]  # so it is one
    with resolver(socket_path, silent):
        code, stderr, stdout = plugin.run()
    assert (code, stdout) == (70, b"")
    assert stderr.endswith("[RT900]\n")


def test_the_deadline_is_taken_back_at_the_end(plugin: Plugin, socket_path: Path) -> None:
    with resolver(socket_path):
        plugin.run()
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_stdout_that_nobody_reads_is_an_exit_code(
    plugin: Plugin, socket_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    saved = os.dup(1)
    os.dup2(writing, 1)
    try:
        with resolver(socket_path):
            code = main(["generate"], plugin.environment)
    finally:
        os.dup2(saved, 1)
        os.close(saved)
        os.close(writing)
    assert code == 6
    assert capfdbinary.readouterr() == (b"", b"")
