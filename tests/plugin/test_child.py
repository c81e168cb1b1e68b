"""The plugin's own way to start a renderer."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cmp.plugin import wire
from cmp.plugin.child import Child


def started(script: str) -> Child:
    """A shell that runs *script*, without any program on its PATH."""
    return Child("/bin/sh", ("sh", "-c", script), {})


def test_what_it_writes_is_read_whole() -> None:
    with started("echo out; echo err >&2; cat <&0; echo end") as child:
        assert child.output() == b"out\nend\n"


@pytest.mark.parametrize("script", ["echo out; exit 3", "kill -9 $$"])
def test_what_a_failing_one_writes_is_nothing(script: str) -> None:
    with started(script) as child:
        assert child.output() is None


def test_what_is_too_long_is_nothing() -> None:
    size = wire.LARGEST_MANIFESTS + 1
    with started(f"/usr/bin/head -c {size} /dev/zero") as child:
        assert child.output() is None


def test_memory_and_output_are_bounded() -> None:
    bounded = 'while [ "$(ulimit -f)" = unlimited ]; do :; done; ulimit -v'
    with started(bounded) as child:
        assert child.output() == b"4194304\n"


def test_one_that_does_not_end_is_killed(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with started(f"exec 3>{tmp_path}/pipe; while :; do :; done"):
        reading = os.open(tmp_path / "pipe", os.O_RDONLY)  # until it is open at the other end
    assert os.read(reading, 1) == b""
    os.close(reading)


def descriptors() -> set[str]:
    """Those that are open; one of them is for the list."""
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def test_no_descriptor_is_left_open() -> None:
    before = descriptors()
    with started("exit 0") as child:
        child.output()
    with started("while :; do :; done"):
        pass
    assert descriptors() == before
