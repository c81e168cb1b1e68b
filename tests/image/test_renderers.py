"""The script of the Go stage asks `go` for static programs of the right versions and machine."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.image.dockerfile import PROJECT

_SCRIPT = PROJECT / "scripts/image/renderers.sh"
# Where `go install` puts a program depends on whether it is for another machine.
_GO = """\
#!/bin/sh
test "$1" = env && exec echo /modules
echo "${GOBIN-unset} $CGO_ENABLED $GOOS/$GOARCH $GOFLAGS $GOTOOLCHAIN $*" >> "$ASKED"
for last; do :; done
name=${last%@*}; name=${name##*/}; test "$name" = v5 && name=kustomize
test "$name" = "$FAILS" && exit 1
mkdir -p "$GOPATH/bin/$FOLDER"
echo "$last" > "$GOPATH/bin/$FOLDER/$name"
"""


def _run(folder: Path, *, deeper: str = "", fails: str = "") -> subprocess.CompletedProcess[str]:
    (folder / "programs").mkdir()
    (folder / "programs" / "go").write_text(_GO)
    (folder / "programs" / "go").chmod(0o755)
    return subprocess.run(
        ["sh", _SCRIPT, folder / "into"],
        env={
            "PATH": f"{folder / 'programs'}:/usr/bin:/bin",
            "TMPDIR": str(folder),
            "KUSTOMIZE_VERSION": "v5.1.2",
            "HELM_VERSION": "v4.1.2",
            "TARGETARCH": "arm64",
            "GOBIN": "/elsewhere",
            "ASKED": str(folder / "asked"),
            "FOLDER": deeper,
            "FAILS": fails,
        },
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "deeper", [pytest.param("", id="own"), pytest.param("linux_arm64", id="another machine's")]
)
def test_programs_are_put_where_they_should(tmp_path: Path, deeper: str) -> None:
    done = _run(tmp_path, deeper=deeper)

    assert (done.returncode, done.stderr) == (0, "")
    into = tmp_path / "into"
    assert (into / "kustomize").read_text() == "sigs.k8s.io/kustomize/kustomize/v5@v5.1.2\n"
    assert (into / "helm").read_text() == "helm.sh/helm/v4/cmd/helm@v4.1.2\n"
    assert {(into / name).stat().st_mode & 0o777 for name in ("kustomize", "helm")} == {0o755}


def test_programs_are_static_reproducible_and_know_their_version(tmp_path: Path) -> None:
    _run(tmp_path)

    kustomize, helm = (tmp_path / "asked").read_text().splitlines()
    for line in (kustomize, helm):
        assert line.startswith("unset 0 linux/arm64 -trimpath local install -ldflags -s -w")
    assert "-X helm.sh/helm/v4/internal/version.version=v4.1.2" in helm


@pytest.mark.parametrize("name", ["kustomize", "helm"])
def test_without_one_of_them_there_is_no_image(tmp_path: Path, name: str) -> None:
    assert _run(tmp_path, fails=name).returncode != 0


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    _run(tmp_path)

    assert {each.name for each in tmp_path.iterdir()} == {"programs", "into", "asked"}
