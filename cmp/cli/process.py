"""The process as it was started: its streams, and the signals that end it."""

from __future__ import annotations

import io
import os
import signal
import sys
from types import FrameType
from typing import BinaryIO, NoReturn

from cmp.errors import UsageError

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def end_on_signals() -> None:
    """Let signals end this process in order: renderers are killed, private folders removed.

    asyncio would otherwise take Ctrl-C for itself, and act on it when the renderer has ended; it
    also writes the whole result out (`repr`) to find its own handler again.
    """
    for number in _ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup has it so
            signal.signal(number, _end)


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)  # as shells report it


def print_any_character() -> None:
    """Let no character be an error, whatever encoding the terminal or the pipe has."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def give_up_output() -> None:
    """Let go of what stdout did not take. Python would try again at its end, and complain."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


def standard_input() -> BinaryIO:
    """Standard input. Raises `UsageError` if it is closed."""
    if sys.stdin is None:
        raise UsageError("RT246", "standard input is closed", remedy="pipe manifests into retag")
    return sys.stdin.buffer
