"""`retag render` as a whole process, beside Python alone and beside kustomize."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from benchmarks.row import Row
from examples.zot_storage import PROFANITY_API, write_repository

ROUNDS = 11
EXAMPLE = Path("examples/profanity-filter")
METHOD = f"median wall time of {ROUNDS} processes in turn, after one that is not counted"


def run() -> Iterator[Row]:
    """A folder, and a kustomization beside `kustomize build` alone; both also beside Python."""
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        write_repository(base / "zot", "profanity-api", PROFANITY_API)
        conf = base / "registries.conf"
        conf.write_text(
            "registries: [{name: r, prefix: registry.example.com, api_url: 'file:zot'}]\n"
        )
        common = [
            "--app=profanity-filter",
            f"--rules={EXAMPLE / 'rules.yaml'}",
            f"--registries={conf}",
        ]
        retag = [str(Path(sys.executable).parent / "retag"), "render"]
        kustomize = shutil.which("kustomize")
        assert kustomize is not None
        walls = _walls(
            {
                "python": [sys.executable, "-I", "-S", "-c", "pass"],
                "directory": [*retag, str(EXAMPLE / "app"), *common],
                "kustomize": [kustomize, "build", str(EXAMPLE / "kustomize")],
                "both": [*retag, str(EXAMPLE / "kustomize"), *common],
            }
        )
    yield Row("cold retag render of a folder", walls["directory"], "ms wall", "", METHOD)
    ratio = walls["directory"] / walls["python"]
    yield Row("the same beside python -I -S -c pass", ratio, "times", "", METHOD)
    more = walls["both"] - walls["kustomize"]
    yield Row("cold retag render beside kustomize build alone", more, "ms more", "", METHOD)


def _walls(commands: dict[str, list[str]]) -> dict[str, float]:
    """Milliseconds of each command; they run in turn, so that all see the same machine."""
    seen: dict[str, list[float]] = {name: [] for name in commands}
    # Compiled bytecode is kept, as it is wherever Retag is installed.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    for _ in range(ROUNDS + 1):
        for name, command in commands.items():
            start = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True, env=environment)
            seen[name].append((time.perf_counter() - start) * 1000)
    return {name: median(walls[1:]) for name, walls in seen.items()}
