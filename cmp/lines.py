"""Errors and warnings as the lines that people read on stderr, wherever they come from."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from pathlib import Path

from cmp.errors import CombinedError, RenderError, RetagError, one_line, printable

BUG = 70  # the exit code for what nobody foresaw: EX_SOFTWARE of sysexits.h


def error_lines(error: RetagError, label: str = "error") -> Iterator[str]:
    """A line for each error in *error*, after what the renderer itself said of it."""
    for each in error.errors if isinstance(error, CombinedError) else (error,):
        if isinstance(each, RenderError) and each.output:
            yield from map(printable, each.output.rstrip("\n").split("\n"))
        yield f"{label}: {one_line(str(each))}"


def warning_line(text: str, label: str = "warning") -> str:
    """*text* as a warning."""
    return f"{label}: {one_line(text)}"


def bug(error: BaseException) -> RetagError:
    """*error*, which nobody foresaw, as a line to report; a traceback could hold data."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(frame.filename).name}:{frame.lineno}"
    what = f"unexpected {type(error).__name__}"
    return RetagError(
        "RT900", what, where=where, remedy="this is a bug in Retag; please report it"
    )
