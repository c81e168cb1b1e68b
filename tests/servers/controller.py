"""`retag controller` for tests, as a real process beside a real API server."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tests.servers.ports import free_port

PATIENCE = 60.0  # seconds; only a test that fails ever waits so long
_CONTROLLER = "import sys; from cmp.cli import main; sys.argv[0] = 'retag'; main()"


def until(is_so: Callable[[], bool], why: Callable[[], str] = str) -> None:
    """Return when *is_so*, which another process brings about; *why* tells what is there."""
    ends = time.monotonic() + PATIENCE
    while not is_so():
        if time.monotonic() > ends:
            raise TimeoutError(why())
        time.sleep(0.05)


@dataclass
class ControllerProcess:
    """`retag controller`; a context manager that ends it by SIGTERM.

    *folder* holds `registries.conf` and gets the log; *options* are further flags.
    """

    folder: Path
    kubeconfig: Path
    options: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def command(self) -> list[str]:
        """What starts it."""
        return [
            *(sys.executable, "-c", _CONTROLLER, "controller"),
            *("--kubeconfig", str(self.kubeconfig)),
            *("--registries", str(self.folder / "registries.conf")),
            *("--health-probe-bind-address", f"127.0.0.1:{self.port}"),
            *self.options,
        ]

    def start(self) -> None:
        """Return when it is ready."""
        self.port = self.port or free_port()
        with (self.folder / "controller.log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command, stdout=log, stderr=log, env={**os.environ, **self.environment}
            )
        until(self._is_ready, lambda: self.log[-2000:])

    def run(self) -> int:
        """Run it until it ends by itself; its exit code."""
        with (self.folder / "controller.log").open("ab") as log:
            ended = subprocess.run(
                self.command,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.environment},
                check=False,
                timeout=2 * PATIENCE,
            )
        return ended.returncode

    def stop(self) -> int:
        """End it by SIGTERM, and return its exit code."""
        return self._end(lambda process: process.terminate())

    def kill(self) -> int:
        """End it by SIGKILL."""
        return self._end(lambda process: process.kill())

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of a probe, such as `/readyz`."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as got:
                return got.status, got.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def metric(self, name: str) -> float:
        """The sum of all series of *name*."""
        text = self.get("/metrics")[1]
        return sum(map(float, re.findall(rf"(?m)^{name}(?:{{[^}}]*}})? (\S+)$", text)))

    def until(self, name: str, least: float) -> None:
        """Return when the metric *name* has come to *least*."""
        until(lambda: self.metric(name) >= least, lambda: self.log[-3000:])

    @property
    def log(self) -> str:
        """All that it wrote since the folder was made."""
        return (self.folder / "controller.log").read_text()

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The same, read."""
        return [json.loads(line) for line in self.log.splitlines() if line.startswith("{")]

    def _end(self, how: Callable[[subprocess.Popen[bytes]], None]) -> int:
        process, self.process = self.process, None
        if process is None:
            return 0
        how(process)
        return process.wait(PATIENCE)

    def _is_ready(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise RuntimeError(f"the controller ended: {self.log[-3000:]}")
        try:
            return self.get("/readyz")[0] == 200
        except OSError:
            return False
