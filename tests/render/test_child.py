"""Programs run without shell, secrets or network, and end."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import pytest

from cmp.errors import RenderError
from cmp.render import child
from cmp.render.child import environment, run
from cmp.render.workspace import workspace

_LATER = 60.0  # seconds


def _script(folder: Path, text: str) -> str:
    """A program in *folder* with *text* as its shell script."""
    path = folder / "program"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def _run(program: str, *arguments: str, cwd: Path, seconds: float = _LATER) -> bytes:
    ends = time.monotonic() + seconds
    return run([program, *arguments], cwd=cwd, environment={"PATH": os.defpath}, ends=ends)


def test_stdout_is_given_whole_and_arguments_are_not_read_by_a_shell(tmp_path: Path) -> None:
    program = _script(tmp_path, 'pwd; printf "%s|" "$@"')

    stdout = _run(program, "$HOME", "a b", "`id`", "--x=;id", cwd=tmp_path)

    assert stdout.decode() == f"{tmp_path}\n$HOME|a b|`id`|--x=;id|"


def test_stdin_is_empty(tmp_path: Path) -> None:
    assert _run(_script(tmp_path, "cat"), cwd=tmp_path) == b""


def test_a_failure_carries_the_exit_status_and_all_of_stderr(tmp_path: Path) -> None:
    program = _script(tmp_path, "echo out; echo first >&2; echo second >&2; exit 3")

    with pytest.raises(RenderError, match=r"build failed with exit status 3 \[RT431\]") as caught:
        _run(program, "build", cwd=tmp_path)

    assert caught.value.output == "first\nsecond\n"
    assert caught.value.exit_code == 4


def test_of_a_long_stderr_the_beginning_is_kept(tmp_path: Path) -> None:
    program = _script(tmp_path, "echo first >&2; head -c 9000000 /dev/zero >&2; exit 1")

    with pytest.raises(RenderError) as caught:
        _run(program, cwd=tmp_path)

    assert caught.value.output.startswith("first\n")
    assert len(caught.value.output) == 64 * 1024


def test_an_end_by_a_signal_is_told(tmp_path: Path) -> None:
    with pytest.raises(RenderError, match=r"was ended by signal 9 \[RT431\]"):
        _run(_script(tmp_path, "kill -9 $$"), cwd=tmp_path)


def test_endless_output_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "LARGEST_OUTPUT", 100_000)

    with pytest.raises(RenderError, match=r"wrote more than \d+ bytes \[RT433\]"):
        _run(_script(tmp_path, "exec cat /dev/zero"), cwd=tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("echo begun >&2; exec sleep 600", id="it hangs"),
        pytest.param("echo begun >&2; exec >&- 2>&-; exec sleep 600", id="with closed pipes"),
        pytest.param("echo begun >&2; sleep 600 & sleep 600", id="with a child of its own"),
        pytest.param("echo begun >&2; exec cat /dev/zero >&2", id="it never stops to complain"),
    ],
)
def test_a_program_that_does_not_end_is_killed(tmp_path: Path, text: str) -> None:
    program = _script(tmp_path, f"echo $$ > {tmp_path}/pid; {text}")

    with pytest.raises(RenderError, match=r"did not end in time \[RT432\]") as caught:
        _run(program, cwd=tmp_path, seconds=1.0)

    assert caught.value.output.startswith("begun")
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_what_a_killed_program_started_is_killed_too(tmp_path: Path) -> None:
    program = _script(tmp_path, f"sh -c 'echo $$ > {tmp_path}/pid; exec sleep 600' & wait")

    with pytest.raises(RenderError, match="RT432"):
        _run(program, cwd=tmp_path, seconds=1.0)

    assert _is_gone(int((tmp_path / "pid").read_text()))


def _is_gone(pid: int) -> bool:
    """Whether *pid* runs no more; nobody may have asked for its status yet."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state in "ZX"


def test_a_missing_program_is_told_with_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(RenderError, match=r"no-such-program is not on PATH; install.*RT430"):
        _run("no-such-program", cwd=tmp_path)


def test_a_program_that_cannot_start_is_told(tmp_path: Path) -> None:
    (tmp_path / "program").write_bytes(b"\x7fELF")
    (tmp_path / "program").chmod(0o755)

    with pytest.raises(RenderError, match=r"cannot be started: Exec format error.*RT430"):
        _run(str(tmp_path / "program"), cwd=tmp_path)
    with pytest.raises(RenderError, match=r"cannot be started: Argument list too long.*RT430"):
        _run(_script(tmp_path, "true"), "build", "x" * 200_000, cwd=tmp_path)


_PARENT = {
    "PATH": "/usr/bin",
    "LANG": "C.UTF-8",
    "TZ": "UTC",
    "HOME": "/home/user",
    "SSL_CERT_FILE": "/etc/ca.pem",
    "HTTPS_PROXY": "http://user:password@proxy.example.com",
    "KUBECONFIG": "/secret",
    "REGISTRY_PASSWORD": "secret",
    "ARGOCD_ENV_TOKEN": "secret",
    "ARGOCD_APP_PARAMETERS": "[]",
    "GIT_ASKPASS": "argocd",
    "HELM_PLUGINS": "/plugins",
    "LD_PRELOAD": "/evil.so",
    "GODEBUG": "x=1",
}


def test_a_child_gets_a_short_list_of_variables(tmp_path: Path) -> None:
    assert environment(tmp_path, _PARENT) == {
        "PATH": f"{tmp_path}/no-programs",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "HOME": str(tmp_path),
        "TMPDIR": str(tmp_path),
        "XDG_CACHE_HOME": f"{tmp_path}/cache",
        "XDG_CONFIG_HOME": f"{tmp_path}/config",
        "XDG_DATA_HOME": f"{tmp_path}/data",
        "HTTP_PROXY": "http://127.0.0.1:0",
        "HTTPS_PROXY": "http://127.0.0.1:0",
        "REQUEST_METHOD": "GET",
        "SSL_CERT_FILE": "/dev/null",
        "SSL_CERT_DIR": "/dev/null",
        "GIT_ALLOW_PROTOCOL": "none",
    }


def test_a_child_with_network_gets_certificates_and_proxies_too(tmp_path: Path) -> None:
    online = environment(tmp_path, _PARENT, network=True, programs=True)

    assert {name: online.get(name) for name in _PARENT} == {
        **dict.fromkeys(_PARENT),
        "PATH": "/usr/bin",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "HOME": str(tmp_path),
        "SSL_CERT_FILE": "/etc/ca.pem",
        "HTTPS_PROXY": "http://user:password@proxy.example.com",
    }
    assert "REQUEST_METHOD" not in online
    assert online["GIT_ALLOW_PROTOCOL"] == "https"


def test_a_workspace_is_private_and_gone_afterwards(tmp_path: Path) -> None:
    with workspace(tmp_path, tmp_path, seconds=_LATER) as space:
        mode = stat.S_IMODE(space.private.stat().st_mode)
        (space.private / "file").touch()

    assert mode == 0o700
    assert not space.private.exists()


def test_messages_start_at_the_repository(tmp_path: Path) -> None:
    program = _script(tmp_path, 'echo "$PWD/x.yaml: bad; see $HOME/cache in $PWD" >&2; exit 1')

    with (
        workspace(tmp_path, tmp_path, seconds=_LATER) as space,
        pytest.raises(RenderError) as caught,
    ):
        space.run(program, "x", cwd=tmp_path)

    assert caught.value.output == "x.yaml: bad; see cache in .\n"


def test_a_program_finds_others_only_if_it_may(tmp_path: Path) -> None:
    program = _script(tmp_path, 'echo "$PATH"')

    with workspace(tmp_path, tmp_path, seconds=_LATER) as space:
        private = space.private
        alone = space.run(program, cwd=tmp_path).decode()
        among_others = space.run(program, cwd=tmp_path, programs=True).decode()

    assert alone == f"{private}/no-programs\n"
    assert among_others == f"{os.environ['PATH']}\n"


@pytest.mark.parametrize(
    ("complaint", "network", "says_so"),
    [
        pytest.param("Get x: HTTP_PROXY value in CGI", False, True, id="plain HTTP"),
        pytest.param("Get x: proxyconnect tcp: refused", False, True, id="HTTPS"),
        pytest.param("no 'git' program on path", False, True, id="git"),
        pytest.param("Get x: proxyconnect tcp: refused", True, False, id="with network"),
        pytest.param("no such file", False, False, id="another failure"),
    ],
)
def test_what_fails_for_want_of_a_network_says_so(
    tmp_path: Path, complaint: str, *, network: bool, says_so: bool
) -> None:
    program = _script(tmp_path, f'echo "{complaint}" >&2; exit 1')

    with (
        workspace(tmp_path, tmp_path, seconds=_LATER) as space,
        pytest.raises(RenderError) as caught,
    ):
        space.run(program, "build", cwd=tmp_path, network=network)

    assert ("nothing may be fetched" in caught.value.remedy) is says_so


_STACKS = """
goroutine 1 gp=0x20d2f8b661e0 m=4 mp=0x20d2f8bcf808 [running]:
runtime.throw({0x3638cb1?, 0x2eff?})
\t/usr/local/go/src/runtime/panic.go:1229 +0x48 fp=0x20d2f93b32c8 sp=0x20d2f93b3298 pc=0x127c2c8
"""
_OUT_OF_MEMORY = f"""\
runtime: out of memory: cannot allocate 100663296-byte block (242909184 in use)
fatal error: out of memory
{_STACKS}"""
_OVERFLOW = """\
runtime: goroutine stack exceeds 1000000000-byte limit
runtime: sp=0xc0200e0390 stack=[0xc0200e0000, 0xc0400e0000]
fatal error: stack overflow

runtime stack:
runtime.throw({0x4a1b2c, 0xe})
"""
_NIL = f"""\
walk.go:74: found symbolic link in path
panic: runtime error: invalid memory address or nil pointer dereference
[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x47b3e9]
{_STACKS}exit status 2
"""
_PANIC = f"panic: (*main.fault) 0xc000012345\n{_STACKS}"
_USAGE = """\
Error: no image specified
Usage:
  kustomize edit set image [flags]

Examples:

The command
"""
_OWN_USAGE = """\
Error: execution error at (c/templates/a.yaml:1:4):
Usage:
  set image.tag to a version
goroutine 1 is no stack
runtime: docker
"""


@pytest.mark.parametrize(
    ("stderr", "output"),
    [
        pytest.param(_OUT_OF_MEMORY, "fatal error: out of memory\n", id="out of memory"),
        pytest.param(_OVERFLOW, "fatal error: stack overflow\n", id="stack overflow"),
        pytest.param(_NIL, "\n".join(_NIL.splitlines()[:2]) + "\n", id="nil pointer"),
        pytest.param(_PANIC, "panic: (*main.fault) 0x…\n", id="an address in a panic"),
        pytest.param(_USAGE, "Error: no image specified\n", id="usage behind an error"),
        pytest.param(_USAGE[26:], _USAGE[26:], id="nothing but usage"),
        pytest.param(_OWN_USAGE, _OWN_USAGE, id="a chart's own words"),
    ],
)
def test_of_a_crash_and_of_usage_only_what_is_wrong_is_told(
    tmp_path: Path, stderr: str, output: str
) -> None:
    (tmp_path / "stderr").write_text(stderr)
    program = _script(tmp_path, "cat stderr >&2; exit 2")

    with (
        workspace(tmp_path, tmp_path, seconds=_LATER) as space,
        pytest.raises(RenderError) as caught,
    ):
        space.run(program, "x", cwd=tmp_path, programs=True)

    assert caught.value.output == output
