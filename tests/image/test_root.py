"""What the Dockerfile makes is started as in a container: read-only, and without a home."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from examples.zot_storage import PROFANITY_API, write_repository
from tests.image.conftest import architecture_here
from tests.image.dockerfile import PROJECT, Dockerfile
from tests.servers.ports import free_port

_EXAMPLE = PROJECT / "examples" / "profanity-filter"
_AFTER = b"registry.example.com/profanity-api:v1.10.0"
_UNCHECKED = (1).to_bytes(4, "little")  # PEP 552: a hash, and no look at the source
_MACHINES = {"amd64": b"\x3e\x00", "arm64": b"\xb7\x00"}  # e_machine of an ELF file
_LONG = 30.0  # seconds until a resolver that does not come up is given up
# Root writes where it may not, unless it gives that up.
_AS_NOBODY = ["setpriv", "--bounding-set=-dac_override"] if os.geteuid() == 0 else []


class Container:
    """Starts commands of the *image*, a root, with PATH as there and nothing else."""

    def __init__(self, image: Path, folder: Path) -> None:
        self.image = image
        self.folder = folder
        self.socket = folder / "resolver.sock"

    def run(
        self, *command: str, cwd: Path | None = None, **variables: str
    ) -> subprocess.CompletedProcess[bytes]:
        """What *command*, with the image's paths, does in the folder *cwd*."""
        return subprocess.run(
            self._mapped(command),
            cwd=cwd or self.folder,
            env=self._environment() | variables,
            capture_output=True,
            check=False,
        )

    @contextlib.contextmanager
    def running(self, *command: str) -> Iterator[subprocess.Popen[bytes]]:
        """*command*, which is ended as kubelet does it, and must then end well."""
        with (
            (self.folder / "log").open("wb") as log,
            subprocess.Popen(
                self._mapped(command), cwd=self.folder, env=self._environment(), stderr=log
            ) as process,
        ):
            try:
                yield process
            finally:
                process.terminate()
                process.wait(_LONG)
        assert process.returncode == 0, (self.folder / "log").read_text()

    def _mapped(self, command: tuple[str, ...]) -> list[str]:
        places = {
            "/opt/retag": f"{self.image}/opt/retag",
            "/usr/local/bin/python3": sys.executable,
        }
        for place, here in places.items():
            command = tuple(word.replace(place, here) for word in command)
        return [*_AS_NOBODY, *command]

    def _environment(self) -> dict[str, str]:
        programs = f"{self.image}/opt/retag/bin:/usr/bin:/bin"
        return {"PATH": programs, "HOME": "/nonexistent", "RETAG_SOCKET": str(self.socket)}


@pytest.fixture
def container(image: Path) -> Iterator[Container]:
    # Short, as the name of a socket must be.
    folder = Path(tempfile.mkdtemp(prefix="retag-image-"))
    write_repository(folder / "zot", "profanity-api", PROFANITY_API)
    (folder / "registries.conf").write_text(
        "registries: [{name: r, prefix: registry.example.com, api_url: 'file:zot'}]\n"
    )
    shutil.copytree(_EXAMPLE / "app", folder / "checkout" / "app")
    shutil.copytree(_EXAMPLE / "kustomize", folder / "checkout" / "kustomize")
    yield Container(image, folder)
    shutil.rmtree(folder)


def _entry(dockerfile: Dockerfile) -> str:
    [entry] = dockerfile.stages[-1].all("ENTRYPOINT")
    [path] = entry.words
    return path


def test_the_entry_point_is_started_by_the_kernel_alone(
    image: Path, dockerfile: Dockerfile
) -> None:
    program = image / _entry(dockerfile).lstrip("/")

    assert program.stat().st_mode & 0o555 == 0o555
    assert program.read_text().partition("\n")[0].endswith(" -IS")


def test_everybody_can_read_all_of_it(image: Path) -> None:
    paths = [image, *image.rglob("*")]

    assert not [path for path in paths if path.stat().st_mode & 0o444 != 0o444]
    assert not [path for path in paths if path.is_dir() and path.stat().st_mode & 0o111 != 0o111]


def test_all_modules_are_compiled_to_what_needs_no_look_at_the_source(image: Path) -> None:
    library = image / "opt/retag/lib"
    sources = list(library.rglob("*.py"))
    compiled = {
        source.with_name("__pycache__") / f"{source.stem}.{sys.implementation.cache_tag}.pyc"
        for source in sources
    }

    assert library / "cmp" / "pipeline.py" in sources
    assert all(path.read_bytes()[4:8] == _UNCHECKED for path in compiled)


def test_bytecode_names_no_place_of_the_build(image: Path) -> None:
    compiled = (image / "opt/retag/lib/cmp").rglob("*.pyc")
    held = {path.name: path.read_bytes() for path in compiled}

    assert not [name for name, content in held.items() if bytes(image.parent) in content]
    assert all(b"/opt/retag/lib/cmp/" in content for content in held.values())


def test_neither_variables_nor_the_working_folder_say_what_is_imported(
    container: Container, tmp_path: Path, dockerfile: Dockerfile
) -> None:
    for name in ("click.py", "cmp.py", "os.py", "sitecustomize.py", "usercustomize.py"):
        (tmp_path / name).write_text("raise SystemExit('from a checkout')\n")

    done = container.run(
        _entry(dockerfile), "--version", cwd=tmp_path, PYTHONPATH=str(tmp_path), PYTHONHOME="/no"
    )

    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"retag, version ")


@pytest.mark.parametrize("source", ["app", "kustomize"])
def test_the_command_renders(container: Container, dockerfile: Dockerfile, source: str) -> None:
    rules, registries = f"--rules={_EXAMPLE / 'rules.yaml'}", "--registries=registries.conf"

    done = container.run(
        *(_entry(dockerfile), "render", f"checkout/{source}", "--app=profanity-filter"),
        *(rules, registries),
    )

    assert done.returncode == 0, done.stderr
    assert _AFTER in done.stdout


@pytest.mark.parametrize("source", ["app", "kustomize"])
def test_plugin_and_resolver_render(
    container: Container, image: Path, dockerfile: Dockerfile, source: str
) -> None:
    settings = image / "home/argocd/cmp-server/config/plugin.yaml"
    generate = yaml.safe_load(settings.read_text())["spec"]["generate"]
    checkout = container.folder / "checkout" / source

    with container.running(
        *(_entry(dockerfile), "serve", f"--socket={container.socket}"),
        *(f"--rules={_EXAMPLE / 'rules.yaml'}", "--registries=registries.conf"),
        *(f"--store={container.folder / 'store.db'}", f"--allow-uid={os.getuid()}"),
        f"--health-probe-bind-address=127.0.0.1:{free_port()}",
    ) as resolver:
        _wait_for(container.socket, resolver)
        done = container.run(
            *generate["command"],
            *generate.get("args", []),
            cwd=checkout,
            ARGOCD_APP_NAME="profanity-filter",
            ARGOCD_APP_SOURCE_PATH=source,
            ARGOCD_APP_PARAMETERS="null",
        )

    assert (done.returncode, done.stderr) == (0, b"")
    assert _AFTER in done.stdout


def _wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    """Return when *process* has made *path*, as a real process has no event to wait for."""
    ends = time.monotonic() + _LONG
    while not path.exists() and process.poll() is None:
        assert time.monotonic() < ends
        time.sleep(0.02)


def test_there_are_wheels_for_the_other_processor_as_well(
    tmp_path: Path, dockerfile: Dockerfile
) -> None:
    [architecture] = {"amd64", "arm64"} - {architecture_here()}
    [stage] = [each for each in dockerfile.stages if each.name == "libraries"]
    [locked] = [
        word
        for copy in stage.all("COPY")
        for word in copy.words
        if "lock" in word or "runtime" in word
    ]

    subprocess.run(
        [
            *(sys.executable, PROJECT / "scripts/image/libraries.py", "--into", tmp_path / "lib"),
            *("--locked", PROJECT / locked, "--architecture", architecture),
        ],
        check=True,
    )

    compiled = list(tmp_path.rglob("*.so"))
    assert compiled
    assert {path.read_bytes()[18:20] for path in compiled} == {_MACHINES[architecture]}
    assert not (tmp_path / "lib" / "bin").exists()
