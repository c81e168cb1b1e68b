"""The real command against hostile input, odd environments and impatient people.

Whatever comes in: no traceback, no output on an error, one line with a code, and nothing of a
stranger's text that could steer a terminal.
"""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import BinaryIO

import pytest

from cmp.errors import RenderError, RuleError, one_line
from cmp.render.child import run
from cmp.rules import read_rules
from tests.cli.conftest import PROFANITY, RETAG, Laptop, laptop, said

__all__ = ["laptop"]  # a fixture

POD = b"""\
apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  containers:
  - image: registry.example.com/profanity-api:v1.0.0
"""
RETAGGED = POD.replace(b"v1.0.0", b"v1.10.0")
REMARKS = b"5 remarks about the rules; retag lint shows them\n"
RENDER = f"retag render - {' '.join(PROFANITY)}"
EXPLAIN = f"retag explain - {' '.join(PROFANITY)}"


def shell(
    laptop: Laptop, script: str, stdin: bytes = POD, **environment: str
) -> subprocess.CompletedProcess[bytes]:
    """*script*, in which `retag` and `bin/` of the folder are commands."""
    path = f"{laptop.folder}/bin:{RETAG.parent}:{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-c", script],
        cwd=laptop.folder,
        input=stdin,
        capture_output=True,
        # Unbuffered output would hide what happens to what is left in a buffer.
        env={**os.environ, "PATH": path, "PYTHONUNBUFFERED": "", **environment},
        check=False,
    )


def program(laptop: Laptop, name: str, script: str) -> None:
    """A program of that name, in front of the real one on PATH."""
    laptop.write(f"bin/{name}", f"#!/bin/sh\n{script}").chmod(0o755)


def rendering(laptop: Laptop, script: str = "") -> tuple[subprocess.Popen[bytes], BinaryIO]:
    """`retag render` that waits for its renderer, and a pipe that ends with that; *script* before.

    The renderer ends when somebody writes to the pipe `go`.
    """
    laptop.write("app/kustomization.yaml", "resources:\n- deployment.yaml\n")
    laptop.write("pod.yaml", POD.decode())
    for pipe in ("alive", "go"):
        os.mkfifo(laptop.folder / pipe)
    folder = laptop.folder
    waiting = f"exec 3> {folder}/alive; read line < {folder}/go; exec cat {folder}/pod.yaml"
    program(laptop, "kustomize", f"PATH={os.environ['PATH']}; {waiting}")
    private = str(folder / "private")
    Path(private).mkdir()
    process = subprocess.Popen(
        # Whoever runs the tests may have SIGHUP ignored, as nohup does, which would be inherited.
        [
            *("env", "--default-signal=HUP", "bash", "-c"),
            f"{script} exec {RETAG} render app {' '.join(PROFANITY)}",
        ],
        cwd=folder,
        env={**os.environ, "PATH": f"{folder}/bin:{os.environ['PATH']}", "TMPDIR": private},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    return process, (folder / "alive").open("rb")


SIGNALS = [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]


@pytest.mark.parametrize(("number", "exit_code"), SIGNALS)
def test_a_signal_ends_a_render_with_its_renderer_and_leaves_no_files(
    laptop: Laptop, number: signal.Signals, exit_code: int
) -> None:
    process, alive = rendering(laptop)
    process.send_signal(number)
    out, _ = process.communicate(timeout=60)

    assert (process.returncode, out) == (exit_code, b"")
    assert list((laptop.folder / "private").iterdir()) == []
    with alive:
        ended, _, _ = select.select([alive], [], [], 60)
        assert ended
        assert alive.read() == b""


def test_an_ignored_hangup_stays_ignored(laptop: Laptop) -> None:
    process, alive = rendering(laptop, "trap '' HUP;")
    process.send_signal(signal.SIGHUP)
    (laptop.folder / "go").write_text("\n")

    with alive:
        out, err = process.communicate(timeout=60)

    assert (out, said(err)) == (RETAGGED, REMARKS)


GONE = "retag render . --app a --rules $H/rules.yaml --registries $H/registries.conf"
REFUSED = {
    "closed input": (f"{RENDER} <&-", "standard input is closed"),
    "input that is only for writing": (f"{RENDER} 0>nothing", "Bad file descriptor"),
    "a full disk": (f"{RENDER} >/dev/full", "No space left on device"),
    "a full disk for text": (f"{EXPLAIN} >/dev/full", "No space left on device"),
    "a folder that is gone": (
        f"H=$PWD; mkdir gone; cd gone; rmdir ../gone; {GONE}",
        "No such file or directory",
    ),
}


@pytest.mark.parametrize(("script", "said"), REFUSED.values(), ids=REFUSED)
def test_what_the_system_refuses_is_told_in_a_line(laptop: Laptop, script: str, said: str) -> None:
    done = shell(laptop, script)
    line = done.stderr.decode().splitlines()[-1]

    assert (done.returncode, done.stdout) == (2, b"")
    assert line.startswith("error: ")
    assert said in line
    assert line.endswith("[RT246]")


@pytest.mark.parametrize("options", ["", "--diff", "-o json"])
def test_a_reader_who_has_seen_enough_is_no_error(laptop: Laptop, options: str) -> None:
    many = b"---\n".join([POD] * 5000)  # more than a pipe holds
    done = shell(laptop, f"{RENDER} {options} | head -n 1", many)

    assert len(done.stdout.splitlines()) == 1
    assert said(done.stderr) == REMARKS


def test_output_that_nobody_takes_is_no_error(laptop: Laptop) -> None:
    done = shell(laptop, f"{RENDER} --explain >&-")

    assert (done.returncode, done.stdout) == (0, b"")
    assert b"chosen   v1.10.0" in done.stderr


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8:strict"])
def test_an_encoding_that_lacks_a_character_is_no_error(laptop: Laptop, encoding: str) -> None:
    json_pod = (
        b'{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "\\ud800\\u263a"}, "spec":'
        b' {"containers": [{"image": "registry.example.com/profanity-api:v1.0.0"}]}}'
    )
    text = shell(laptop, EXPLAIN, json_pod, PYTHONIOENCODING=encoding)
    parsed = shell(laptop, f"{EXPLAIN} -o json", json_pod, PYTHONIOENCODING=encoding)

    assert (text.returncode, parsed.returncode) == (0, 0), text.stderr
    assert b"v1.0.0" in text.stdout
    assert json.loads(parsed.stdout)["images"][0]["places"][0]["name"] == "\ud800\u263a"


@pytest.mark.parametrize("options", ["", "-o json"])
def test_a_files_name_may_be_any_bytes(laptop: Laptop, options: str) -> None:
    (laptop.folder / "rules.yaml").rename(laptop.folder / os.fsdecode(b"r\xff.yaml"))
    done = shell(laptop, f"retag lint r* {options}", PYTHONIOENCODING="utf-8:strict")

    assert (done.returncode, done.stderr) == (1, b"")
    assert b"r\\udcff.yaml" in done.stdout


def test_the_plain_locale_of_containers_is_enough(laptop: Laptop) -> None:
    assert shell(laptop, EXPLAIN, LC_ALL="C").returncode == 0


def test_a_pipe_of_the_shell_is_a_file_of_manifests(laptop: Laptop) -> None:
    done = shell(laptop, f"retag render <(cat) {' '.join(PROFANITY)}")

    assert done.stdout == RETAGGED, done.stderr


STEERING = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e]")


def test_nothing_in_manifests_or_tags_steers_the_terminal(laptop: Laptop) -> None:
    index = laptop.folder / "zot/profanity-api/index.json"
    content = json.loads(index.read_text())
    entry = content["manifests"][0]
    for tag in ("\x1b[2Jv9", "v9\n  chosen   v9", "\u202ev9", "\r\x07", "x" * 100_000):
        annotations = {"org.opencontainers.image.ref.name": tag}
        content["manifests"].append(entry | {"annotations": annotations})
    index.write_text(json.dumps(content))
    pod = POD.replace(b"Pod", rb'"P\e[31mod\nchosen"').replace(
        b"{name: p}", rb'{name: "\a\L\x9b"}'
    )

    done = shell(laptop, EXPLAIN, pod)
    lines = done.stdout.decode().split("\n")

    assert done.returncode == 0, done.stderr
    assert not STEERING.search(done.stdout.decode())
    assert [line for line in lines if line.startswith(("  chosen", "chosen"))] == [
        "  chosen   v1.10.0: newest of 8 allowed versions"
    ]
    assert max(map(len, lines)) < 300


COLOURED = {
    "a diff": f"retag render app {' '.join(PROFANITY)} --diff",
    "findings": "retag lint rules.yaml",
    "an error": f"retag render app {' '.join(PROFANITY)} --tool helm",
}


@pytest.mark.parametrize("command", COLOURED.values(), ids=COLOURED)
def test_colour_is_for_terminals_and_can_be_switched_off(laptop: Laptop, command: str) -> None:
    shown = on_terminal(laptop, command)
    switched_off = on_terminal(laptop, command, NO_COLOR="1")

    assert "\x1b[3" in shown
    assert "\x1b" not in switched_off


def on_terminal(laptop: Laptop, command: str, **environment: str) -> str:
    """What *command* writes to a terminal."""
    screen, terminal = pty.openpty()
    path = f"{RETAG.parent}:{os.environ['PATH']}"
    subprocess.run(
        command.split(),
        cwd=laptop.folder,
        stdin=subprocess.DEVNULL,
        stdout=terminal,
        stderr=terminal,
        env={**os.environ, "PATH": path, "NO_COLOR": "", **environment},
        check=False,
    )
    shown = os.read(screen, 64 * 1024).decode()
    os.close(terminal)
    os.close(screen)
    return shown


def test_what_a_renderer_says_steers_no_terminal_and_shows_no_login(laptop: Laptop) -> None:
    laptop.write("app/kustomization.yaml", "resources:\n- deployment.yaml\n")
    said = r"fetching https://user:s3@cret@git.example.com/x \033[2J\a"
    program(laptop, "kustomize", f"printf '{said}\nsecond line\n' >&2; exit 1")

    done = shell(laptop, f"retag render app {' '.join(PROFANITY)}")
    lines = done.stderr.decode().split("\n")

    assert (done.returncode, done.stdout) == (4, b"")
    assert lines[:2] == ["fetching https://git.example.com/x  [2J ", "second line"]


URLS = {
    "https://user:pass@host.example/x": "https://host.example/x",
    "at https://p@ss:w@rd@host.example, twice https://a@b": "at https://host.example, twice https://b",
    "https://host.example/chart@sha256:0": "https://host.example/chart@sha256:0",
    "https://host.example?to=a@b": "https://host.example?to=a@b",
}


@pytest.mark.parametrize(("text", "shown"), URLS.items())
def test_user_info_is_not_shown(text: str, shown: str) -> None:
    assert one_line(text) == shown


def test_tags_says_what_is_wrong_with_its_policy(laptop: Laptop) -> None:
    image = "registry.example.com/profanity-api --registries registries.conf"
    done = shell(laptop, f"retag tags {image} --update-strategy newest-buidl")

    assert done.stderr.decode().startswith("warning: updateStrategy: ")


def test_a_folder_of_rules_that_cannot_be_listed_is_an_error_with_its_place() -> None:
    folder = Path("x" * 300)  # no file system has such a name

    with pytest.raises(RuleError, match=r"^x+: cannot be read: .*\[RT308\]$"):
        read_rules([folder])


def test_a_renderer_does_not_get_all_memory(tmp_path: Path) -> None:
    greedy = "import mmap; all = [mmap.mmap(-1, 1 << 30) for _ in range(64)]"
    command = [sys.executable, "-c", greedy]

    with pytest.raises(RenderError) as caught:
        run(command, cwd=tmp_path, environment={}, ends=time.monotonic() + 60)

    assert "Cannot allocate memory" in caught.value.output
