"""What holds for every command: help, usage, completion, colour, progress, imports."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import threading
from contextlib import redirect_stderr

import pytest

from cmp import __version__, cli
from cmp.cli.progress import progress
from tests.cli.conftest import COMMON, PROFANITY, Laptop

COMMANDS = ["render", "explain", "tags", "lint", "completion"]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_teaches_by_example(laptop: Laptop, command: str) -> None:
    done = laptop.retag(command, "--help")

    assert done.returncode == 0
    assert f"  retag {command} ".encode() in done.stdout


def test_the_program_lists_its_commands_and_its_version(laptop: Laptop) -> None:
    listed = laptop.retag("--help").stdout.decode()

    assert all(f"  {command} " in listed for command in COMMANDS)
    assert laptop.retag("-h").stdout.decode() == listed
    assert laptop.retag("--version").stdout.decode() == f"retag, version {__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["bake"],
        ["render"],
        ["render", "nowhere", *PROFANITY],
        ["tags", "registry.example.com/app"],
        ["completion", "tcsh"],
    ],
)
def test_wrong_usage_exits_with_two_and_says_so_on_stderr(
    laptop: Laptop, arguments: list[str]
) -> None:
    done = laptop.retag(*arguments)

    assert (done.returncode, done.stdout) == (2, b"")
    assert b"Error: " in done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_complete_retag(laptop: Laptop, shell: str) -> None:
    assert b"_RETAG_COMPLETE" in laptop.retag("completion", shell).stdout


def test_a_shell_completes_commands(laptop: Laptop) -> None:
    done = laptop.retag(_RETAG_COMPLETE="bash_complete", COMP_WORDS="retag ex", COMP_CWORD="1")

    assert done.stdout.decode().split() == ["plain,explain"]


def test_help_imports_no_library_that_it_does_not_need() -> None:
    code = "import cmp.cli, sys; print(sorted({'pydantic', 'ruamel', 'yaml'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


def test_what_takes_long_says_what_it_is_doing() -> None:
    said = threading.Event()

    class Screen(io.StringIO):
        def flush(self) -> None:
            said.set()

    screen = Screen()
    with redirect_stderr(screen), progress("reading tags", patience=0):
        assert said.wait(timeout=30)

    assert screen.getvalue() == "reading tags …\n"


def test_what_is_quick_says_nothing() -> None:
    screen = io.StringIO()
    with redirect_stderr(screen), progress("reading tags", patience=3600):
        waiting = [each for each in threading.enumerate() if isinstance(each, threading.Timer)]

    assert screen.getvalue() == ""
    assert [each.finished.is_set() for each in waiting] == [True]


def test_tags_chooses_for_one_image(laptop: Laptop) -> None:
    registries = ("--registries", "registries.conf")
    done = laptop.retag("tags", "registry.example.com/profanity-api:~1.4", *registries)

    assert done.returncode == 0
    assert b"chosen   v1.4.2: newest of 3 allowed versions in ~1.4" in done.stdout
    assert b"refused  v2.0.0-rc.1" in done.stdout


def test_tags_takes_a_policy_from_flags_and_prints_json(laptop: Laptop) -> None:
    done = laptop.retag(
        "tags", "registry.example.com/profanity-api", *COMMON[2:], "--update-strategy",
        "newest-build", "--ignore-tags", "main-*", "--platforms", "linux/arm64", "-o", "json",
    )  # fmt: skip

    assert json.loads(done.stdout)["tag"] == "v2.0.0-rc.1"


def test_tags_prefers_the_constraint_of_its_flag_and_filters_tags(laptop: Laptop) -> None:
    done = laptop.retag(
        "tags", "registry.example.com/profanity-api:>9", *COMMON[2:],
        "--semver-constraint", "1.x", "--allow-tags", r"regexp:^v1\.[0-9]\.", "-o", "json",
    )  # fmt: skip

    assert json.loads(done.stdout)["tag"] == "v1.9.0"


def test_tags_exits_with_one_where_nothing_is_chosen(laptop: Laptop) -> None:
    done = laptop.retag("tags", "registry.example.com/profanity-api:>9", *COMMON[2:])

    assert done.returncode == 1
    assert b"kept     nothing-allowed" in done.stdout


@pytest.mark.parametrize(
    ("image", "exit_code", "code"),
    [
        ("registry.example.com/Upper", 2, "RT241"),
        ("registry.example.com/profanity-api:~~1", 2, "RT247"),
        ("registry.example.com/none", 5, "RT501"),
        ("elsewhere.example.com/app", 5, "RT500"),
    ],
)
def test_tags_fails_with_a_line(laptop: Laptop, image: str, exit_code: int, code: str) -> None:
    done = laptop.retag("tags", image, *COMMON[2:])

    assert (done.returncode, done.stdout) == (exit_code, b"")
    assert f"[{code}]" in done.stderr.decode()


def test_a_bug_is_one_line_and_no_finding(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # There is no bug to run into: a command that is not there is as unforeseen.
    monkeypatch.setitem(cli.COMMANDS, "bake", "cmp.cli.nowhere")
    monkeypatch.setattr(sys, "argv", ["retag", "bake"])

    with pytest.raises(SystemExit) as stop:
        cli.main()

    assert stop.value.code == 70
    printed = capsys.readouterr()
    assert printed.out == ""
    line = r"error: .+:\d+: unexpected ModuleNotFoundError; this is a bug in Retag"
    assert re.match(line, printed.err)
    assert printed.err.count("\n") == 1
