"""The script that provides kustomize and helm links, builds, or says in a line what is missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_SCRIPT = Path(__file__).parent.parent / "scripts" / "tools.py"
_GO = """\
case "$1" in
env) echo {version} ;;
install)
    name=${{2%%@*}}; name=${{name##*/}}; test "$name" = v5 && name=kustomize
    case "$2" in *kustomize*) answer=v5.8.1 ;; *) answer=v4.2 ;; esac
    printf '#!/bin/sh\\necho %s\\n' "$answer" > "$GOBIN/$name"; chmod +x "$GOBIN/$name" ;;
esac"""


def _program(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def _tools(folder: Path) -> subprocess.CompletedProcess[str]:
    """The script, run where PATH has what is in `programs`, and `chmod` for them."""
    _program(folder / "programs", "chmod", 'exec /bin/chmod "$@"')
    return subprocess.run(
        [sys.executable, _SCRIPT, "--into", "tools"],
        cwd=folder,
        env={"PATH": str(folder / "programs")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_programs_of_the_right_version_are_linked(tmp_path: Path) -> None:
    _program(tmp_path / "programs", "kustomize", "echo v5.8.1")
    _program(tmp_path / "programs", "helm", "echo v4.2.4+g1234567")

    done = _tools(tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    for name in ("kustomize", "helm"):
        link = tmp_path / "tools" / "bin" / name
        assert link.readlink() == tmp_path / "programs" / name


def test_what_is_missing_or_of_another_version_is_built(tmp_path: Path) -> None:
    _program(tmp_path / "programs", "kustomize", "echo v5.8.0")
    _program(tmp_path / "programs", "go", _GO.format(version="go1.26.8"))

    done = _tools(tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    assert "== building kustomize v5.8.1" in done.stdout
    assert "== building helm v4.2.4" in done.stdout
    assert not (tmp_path / "tools" / "bin" / "helm").is_symlink()


def test_what_is_there_stays_without_a_word(tmp_path: Path) -> None:
    _program(tmp_path / "programs", "go", _GO.format(version="go1.27rc1"))
    _tools(tmp_path)
    (tmp_path / "programs" / "go").unlink()

    done = _tools(tmp_path)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_wrong_version_in_the_folder_is_replaced(tmp_path: Path) -> None:
    _program(tmp_path / "programs", "go", _GO.format(version="go1.26"))
    _tools(tmp_path)
    _program(tmp_path / "tools" / "bin", "helm", "echo v4.2.1")

    done = _tools(tmp_path)

    assert "== building helm v4.2.4" in done.stdout
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("go", "line"),
    [
        pytest.param(None, "go is not on PATH: install Go 1.26 or newer", id="no Go"),
        pytest.param("echo go1.25.9", "go is go1.25.9: install Go 1.26 or newer", id="old Go"),
        pytest.param("exit 1", "go is not working: install Go 1.26 or newer", id="broken Go"),
        pytest.param(
            'test "$1" = env && echo go1.26', "kustomize v5.8.1 could not be built", id="no build"
        ),
    ],
)
def test_where_nothing_can_be_built_one_line_says_so(
    tmp_path: Path, go: str | None, line: str
) -> None:
    if go is not None:
        _program(tmp_path / "programs", "go", go)

    done = _tools(tmp_path)

    assert done.returncode == 1
    assert done.stderr.startswith(line)
    assert done.stderr.count("\n") == 1
