"""What a request costs in the plugin's container, beside the least that any plugin costs.

The command is that of plugin.yaml, run from this tree, against a resolver that runs and has seen
the Application before. It is measured from outside, as argocd-cmp-server would: until it has ended
and its output is read.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

import yaml

from benchmarks.corpus import RULED, dense, sparse
from benchmarks.registry import zot
from benchmarks.resolver import image, resolver, resource
from benchmarks.row import Row

SIZE = 100_000
FILES = 10
ROUNDS = 41
GENERATES = 200
AT_ONCE = 8
TAGS = 1_000
_METHOD = f"median wall time of {ROUNDS} processes in turn, after one that is not counted"
_PYTHON = str(Path(sys.executable).resolve())  # a virtual environment's is a link to it
_PROJECT = Path(__file__).resolve().parent.parent
# Where an image has them.
_PLACES = {"/usr/local/bin/python3": _PYTHON, "/opt/retag/lib": str(_PROJECT)}


@dataclass(frozen=True)
class Run:
    """A command that is measured, in its folder; *before* is done first, and not measured."""

    command: Sequence[str]
    folder: Path
    environment: Mapping[str, str]
    before: Callable[[], object] = lambda: None

    def milliseconds(self) -> float:
        """Wall time of one process."""
        self.before()
        start = time.perf_counter()
        done = subprocess.run(
            self.command, cwd=self.folder, env=self.environment, capture_output=True, check=False
        )
        took = (time.perf_counter() - start) * 1000
        assert done.returncode == 0, done.stderr
        return took


def run() -> Iterator[Row]:
    """A folder of 100 KB, unchanged and changed; a kustomization; and many at once."""
    with (
        tempfile.TemporaryDirectory() as name,
        zot(TAGS) as server,
        resolver(server, resource(0, "*", [0])) as process,
        process,
    ):
        runs = _runs(Path(name), process.socket)
        walls = _walls(runs)
        yield from _single(walls)
        yield from _many({name: runs[name] for name in ("unchanged", "cat", "python")})


def _runs(base: Path, socket: Path) -> dict[str, Run]:
    environment = {
        "PATH": os.environ["PATH"],
        "RETAG_SOCKET": str(socket),
        "ARGOCD_APP_NAME": "app",
        "ARGOCD_APP_PARAMETERS": "null",
    }
    generate = _generate()
    folder, full, base_folder = base / "folder", base / "full", base / "kustomize"
    _write(folder, sparse(SIZE))
    _write(full, dense(SIZE))
    _write(base_folder, dense(SIZE))
    resources = "".join(f"  - {each}.yaml\n" for each in range(FILES))
    (base_folder / "kustomization.yaml").write_text(f"resources:\n{resources}")
    kustomize = shutil.which("kustomize")
    assert kustomize is not None
    changed = _changes(folder / "0.yaml")
    changed_full = _changes(full / "0.yaml")
    return {
        "python": Run([_PYTHON, "-I", "-S", "-c", "pass"], folder, environment),
        "cat": Run(["cat", *(f"{each}.yaml" for each in range(FILES))], folder, environment),
        "unchanged": Run(generate, folder, environment),
        "changed": Run(generate, folder, environment, changed),
        "full": Run(generate, full, environment),
        "changed full": Run(generate, full, environment, changed_full),
        "kustomize": Run([kustomize, "build", "."], base_folder, environment),
        "both": Run(generate, base_folder, environment),
    }


def _generate() -> list[str]:
    """The command of plugin.yaml, with this tree's paths."""
    generate = yaml.safe_load((_PROJECT / "plugin.yaml").read_text())["spec"]["generate"]
    words = [*generate["command"], *generate.get("args", [])]
    for place, here in _PLACES.items():
        words = [word.replace(place, here) for word in words]
    return words


def _write(folder: Path, stream: bytes) -> None:
    """The documents of *stream* in some files, which hold our Zot's image."""
    documents = stream.replace(RULED.encode(), image(0).encode()).split(b"---\n")[1:]
    folder.mkdir()
    for number in range(FILES):
        (folder / f"{number}.yaml").write_bytes(b"---\n".join(documents[number::FILES]))


def _changes(path: Path) -> Callable[[], None]:
    """Gives the file another content each time."""
    content, numbers = path.read_bytes(), iter(range(10**9))

    def change() -> None:
        path.write_bytes(content + b"# %d\n" % next(numbers))

    return change


def _walls(runs: Mapping[str, Run]) -> dict[str, float]:
    """Milliseconds of each; they run in turn, so that all see the same machine."""
    seen: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(ROUNDS + 1):
        for name, each in runs.items():
            seen[name].append(each.milliseconds())
    return {name: median(walls[1:]) for name, walls in seen.items()}


def _single(walls: Mapping[str, float]) -> Iterator[Row]:
    python = walls["python"]
    yield Row("python -I -S -c pass", python, "ms wall", "", _METHOD)
    yield Row("cat of 100 KB", walls["cat"], "ms wall", "", _METHOD)
    told = {
        "unchanged": ("a generate of 100 KB, nothing new", "≤ 2"),
        "changed": ("the same with new manifests", "≤ 3"),
        "full": ("100 KB with a ruled image in every document, nothing new", "≤ 2"),
        "changed full": ("the same with new manifests", ""),
    }
    for name, (text, target) in told.items():
        method = f"{walls[name]:.1f} ms, beside python -I -S -c pass"
        yield Row(text, walls[name] / python, "times", target, method)
    more = walls["both"] - walls["kustomize"]
    method = f"{walls['both']:.1f} ms, beside kustomize build alone, {walls['kustomize']:.1f} ms"
    yield Row("a generate of a kustomization of 100 KB", more, "ms more", "≤ 20", method)


def _many(runs: Mapping[str, Run]) -> Iterator[Row]:
    method = f"{GENERATES} processes, {AT_ONCE} at a time"
    for name, each in runs.items():
        with ThreadPoolExecutor(AT_ONCE) as pool:
            took = list(pool.map(lambda _, each=each: each.milliseconds(), range(GENERATES)))
        title = {"unchanged": "a generate of 100 KB"}.get(name, name)
        yield Row(f"{title}, {AT_ONCE} at once, p50", median(took), "ms wall", "", method)
        yield Row(
            f"{title}, {AT_ONCE} at once, p95", quantiles(took, n=20)[-1], "ms wall", "", method
        )
