"""Killed at any moment, as Argo CD kills a plugin that takes too long, nothing is left of it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.plugin.commands import CASES, plugin_yaml, start
from tests.plugin.double import PATIENCE, resolver, silent
from tests.plugin.test_commands import CHART, KUSTOMIZATION
from tests.plugin.test_quick import fill

GENERATE = plugin_yaml().spec.generate
SOURCES = {
    "quick kustomize": (KUSTOMIZATION, "null"),
    "kustomize": (KUSTOMIZATION, '[{"name":"kustomize-name-prefix","string":"y-"}]'),
    "helm": (CHART, '[{"name":"helm-values","string":"image: c"}]'),
}
MOMENTS = [number * 0.012 for number in range(14)]  # seconds; a whole render takes about 0.15


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """All at once."""
    os.killpg(process.pid, signal.SIGKILL)


def kill_as_argo_cd(process: subprocess.Popen[bytes]) -> None:
    """First the process, then its group more gently (its exec.CommandContext and a goroutine)."""
    process.kill()
    os.killpg(process.pid, signal.SIGTERM)


def alive(group: int) -> list[str]:
    """The processes of *group* that are more than an entry in a table."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            name, _, rest = path.read_text("utf-8", "replace").rpartition(")")
            state, _, process_group = rest.split()[:3]
            if int(process_group) == group and state != "Z":
                found.append(name)
    return found


@pytest.mark.parametrize("kill", [kill_group, kill_as_argo_cd])
@pytest.mark.parametrize("case", SOURCES)
def test_nothing_is_left_running_or_outside_the_checkout(
    tmp_path: Path, socket_path: Path, case: str, kill: Callable[[subprocess.Popen[bytes]], None]
) -> None:
    files, stated = SOURCES[case]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    environment = CASES["plain"] | {
        "ARGOCD_APP_PARAMETERS": stated,
        "RETAG_SOCKET": str(socket_path),
        "HOME": str(elsewhere),
        "TMPDIR": str(elsewhere),
    }
    with contextlib.ExitStack() as stack:
        stack.enter_context(resolver(socket_path, silent))
        for number, moment in enumerate(MOMENTS):
            checkout = fill(tmp_path / f"checkout{number}", files)
            process = stack.enter_context(start(GENERATE, checkout / "plain", environment))
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(moment)
            kill(process)
            process.communicate(timeout=PATIENCE)
            ends = time.monotonic() + PATIENCE
            while alive(process.pid):
                assert time.monotonic() < ends, alive(process.pid)
            assert not list(elsewhere.iterdir())
            assert {each.name for each in checkout.iterdir()} <= {"plain", "base", ".git"}
