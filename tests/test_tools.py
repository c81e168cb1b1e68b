"""The script that provides programs links, builds, unpacks, or says in a line what is missing."""

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
build)
    for each in "$@"; do case "$each" in */kube-apiserver) target=$each ;; esac; done
    read module < go.mod
    test "$module" = "module retag-test-kube-apiserver" || exit 1
    printf '#!/bin/sh\\necho Kubernetes v1.36.3\\n' > "$target"; chmod +x "$target" ;;
esac"""


# A package is a file here that says what the program in it answers, and dpkg copies that; of
# those that have no program it makes a library.
_APT = """\
echo "$@" >> asked
case "$*" in
*update) echo updated ;;
*{works}download*)
    for name in "$@"; do
        case "$name" in
        docker-registry) echo docker-registry distribution 2.8.2+ds1 > "${{name}}_2_amd64.deb" ;;
        redis-server) echo 'Redis server v=7.0.15 with $LD_LIBRARY_PATH' > "${{name}}_7.deb" ;;
        etcd-server) echo 'etcd Version: 3.5.16' > "${{name}}_3.deb" ;;
        [lr]*) echo > "${{name}}_1_amd64.deb" ;;
        esac
    done ;;
*) echo "E: no" >&2; exit 100 ;;
esac"""
_DPKG = """\
name=${2##*/}; name=${name%%_*}
test "$name" = etcd-server && name=etcd
read answer < "$2"
/bin/mkdir -p "$3/usr/bin" "$3/usr/lib/machine"
if [ "$answer" ]; then
    printf '#!/bin/sh\\necho "%s"\\n' "$answer" > "$3/usr/bin/$name"
    chmod +x "$3/usr/bin/$name"
else
    echo > "$3/usr/lib/machine/$name.so.1"
fi
"""


def _program(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def _tools(
    folder: Path,
    registry: str = "2.8.2+ds1",
    redis: str = "7.0.15",
    *,
    etcd: str = "3.5.16",
    kubernetes: str = "v1.36.3",
) -> subprocess.CompletedProcess[str]:
    """The script, run where PATH has what is in `programs`, and `chmod` for them.

    There are a docker-registry of the version *registry*, a redis-server of *redis*, and so on;
    "": none.
    """
    if etcd:
        text = f"echo 'etcd Version: {etcd}'\necho 'Git SHA: Not provided (use ./build)'"
        _program(folder / "programs", "etcd", text)
    if kubernetes:
        _program(folder / "programs", "kube-apiserver", f"echo Kubernetes {kubernetes}")
    if redis:
        text = f"echo Redis server v={redis} sha=00000000:0 malloc=libc bits=64"
        _program(folder / "programs", "redis-server", text)
    _program(folder / "programs", "chmod", 'exec /bin/chmod "$@"')
    if registry:
        text = f"echo docker-registry github.com/docker/distribution {registry}"
        _program(folder / "programs", "docker-registry", text)
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


def _charts_and_kustomizations(folder: Path) -> None:
    """Have what else there is on PATH."""
    _program(folder / "programs", "kustomize", "echo v5.8.1")
    _program(folder / "programs", "helm", "echo v4.2.4")


@pytest.mark.parametrize("registry", ["2.8.2+ds1", "v2.8.3", "2.8.3"])
def test_a_registry_on_the_path_is_linked(tmp_path: Path, registry: str) -> None:
    _charts_and_kustomizations(tmp_path)

    done = _tools(tmp_path, registry)

    assert (done.returncode, done.stderr) == (0, "")
    link = tmp_path / "tools" / "bin" / "docker-registry"
    assert link.readlink() == tmp_path / "programs" / "docker-registry"


@pytest.mark.parametrize("registry", ["", "v3.0.0", "2.80.1"])
def test_another_registry_is_unpacked_from_debian(tmp_path: Path, registry: str) -> None:
    _charts_and_kustomizations(tmp_path)
    _program(tmp_path / "programs", "apt-get", _APT.format(works=""))
    _program(tmp_path / "programs", "dpkg", _DPKG)

    done = _tools(tmp_path, registry)

    assert (done.returncode, done.stderr) == (0, "")
    assert "== unpacking docker-registry 2.8 of Debian" in done.stdout
    assert "updated" not in done.stdout
    program = tmp_path / "tools" / "bin" / "docker-registry"
    assert not program.is_symlink()
    assert subprocess.check_output([program], text=True).endswith(" 2.8.2+ds1\n")
    assert not (tmp_path / "tools" / "debian").exists()


@pytest.mark.parametrize("redis", ["", "6.2.1", "70.0.1"])
def test_another_redis_is_unpacked_with_the_libraries_it_needs(tmp_path: Path, redis: str) -> None:
    _charts_and_kustomizations(tmp_path)
    _program(tmp_path / "programs", "apt-get", _APT.format(works=""))
    _program(tmp_path / "programs", "dpkg", _DPKG)

    done = _tools(tmp_path, redis=redis)

    assert (done.returncode, done.stderr) == (0, "")
    assert "== unpacking redis-server 7 or 8 of Debian" in done.stdout
    place = tmp_path / "tools" / "redis-server"
    assert {each.name for each in place.iterdir()} == {
        "redis-server",
        "libatomic1.so.1",
        "libjemalloc2.so.1",
        "liblzf1.so.1",
    }
    answer = subprocess.check_output([tmp_path / "tools" / "bin" / "redis-server"], text=True)
    assert answer == f"Redis server v=7.0.15 with {place}\n"


def test_a_redis_on_the_path_is_linked(tmp_path: Path) -> None:
    _charts_and_kustomizations(tmp_path)

    done = _tools(tmp_path, redis="8.0.2")

    assert (done.returncode, done.stderr) == (0, "")
    link = tmp_path / "tools" / "bin" / "redis-server"
    assert link.readlink() == tmp_path / "programs" / "redis-server"


@pytest.mark.parametrize("etcd", ["", "2.3.8", "4.0.0"])
def test_another_etcd_is_unpacked_from_debian(tmp_path: Path, etcd: str) -> None:
    _charts_and_kustomizations(tmp_path)
    _program(tmp_path / "programs", "apt-get", _APT.format(works=""))
    _program(tmp_path / "programs", "dpkg", _DPKG)

    done = _tools(tmp_path, etcd=etcd)

    assert (done.returncode, done.stderr) == (0, "")
    assert "== unpacking etcd 3.4 or newer of Debian" in done.stdout
    program = tmp_path / "tools" / "bin" / "etcd"
    assert subprocess.check_output([program], text=True) == "etcd Version: 3.5.16\n"


@pytest.mark.parametrize("kubernetes", ["", "v1.36.2", "v1.36.30"])
def test_another_api_server_is_built_from_the_module_of_the_tests(
    tmp_path: Path, kubernetes: str
) -> None:
    _charts_and_kustomizations(tmp_path)
    _program(tmp_path / "programs", "go", _GO.format(version="go1.26"))

    done = _tools(tmp_path, kubernetes=kubernetes)

    assert (done.returncode, done.stderr) == (0, "")
    assert "== building kube-apiserver v1.36.3" in done.stdout
    program = tmp_path / "tools" / "bin" / "kube-apiserver"
    assert subprocess.check_output([program], text=True) == "Kubernetes v1.36.3\n"


def test_an_api_server_that_cannot_be_built_is_one_line(tmp_path: Path) -> None:
    _charts_and_kustomizations(tmp_path)
    _program(tmp_path / "programs", "go", 'test "$1" = env && echo go1.26')

    done = _tools(tmp_path, kubernetes="")

    assert done.returncode == 1
    assert done.stderr == ("kube-apiserver v1.36.3 could not be built: see what go says above\n")


def test_without_package_lists_own_ones_are_made(tmp_path: Path) -> None:
    _charts_and_kustomizations(tmp_path)
    _program(tmp_path / "programs", "apt-get", _APT.format(works="lists*"))
    _program(tmp_path / "programs", "dpkg", _DPKG)

    done = _tools(tmp_path, "")

    assert (done.returncode, done.stderr) == (0, "")
    assert "updated" in done.stdout
    assert (tmp_path / "tools" / "bin" / "docker-registry").exists()


@pytest.mark.parametrize(
    ("apt", "dpkg", "line"),
    [
        pytest.param(None, None, "apt-get and dpkg not on PATH", id="no Debian"),
        pytest.param(_APT.format(works=""), None, "dpkg not on PATH", id="half a Debian"),
        pytest.param("exit 100", _DPKG, "apt-get could not download", id="offline"),
        pytest.param(_APT.format(works=""), "exit 2", "docker-registry_2", id="broken"),
    ],
)
def test_where_no_registry_can_be_had_one_line_says_so(
    tmp_path: Path, apt: str | None, dpkg: str | None, line: str
) -> None:
    _charts_and_kustomizations(tmp_path)
    for name, text in (("apt-get", apt), ("dpkg", dpkg)):
        if text is not None:
            _program(tmp_path / "programs", name, text)

    done = _tools(tmp_path, "")

    assert done.returncode == 1
    assert done.stderr.startswith(line)
    assert "put docker-registry 2.8 on PATH" in done.stderr
    assert done.stderr.count("\n") == 1


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
