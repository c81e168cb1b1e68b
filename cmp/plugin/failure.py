"""What people read in Argo CD when there is no answer. Imported only then."""

from __future__ import annotations

import os
import re
from pathlib import Path

from cmp.errors import ResolverError, RetagError
from cmp.lines import BUG, bug, error_lines
from cmp.plugin import wire
from cmp.plugin.faults import LateError, NoAnswerError
from cmp.request import split_source

_LATE = NoAnswerError(
    "RT603",
    "the resolver did not answer in time",
    "look into the log of its container, and at how busy the Pod is",
)
_PRIVATE = re.compile(r"\.git/retag-\w+")  # the folder for temporary files
_CUT = "…\n".encode()


def explain(error: BaseException, environment: dict[bytes, bytes]) -> tuple[int, bytes]:
    """Exit code and stderr for *error*: a line, and before it what a renderer itself said.

    It becomes part of the Application's status. So it is short, and equal failures have equal
    texts: the checkout, which lies elsewhere for each request, is not named.
    """
    known, code = _known(error)
    root = _checkout(os.fsdecode(environment.get(b"ARGOCD_APP_SOURCE_PATH", b"")))
    *others, last = [_without_places(line, root) + "\n" for line in error_lines(known)]
    return code, _shortened("".join(others), last)


def _known(error: BaseException) -> tuple[RetagError, int]:
    if isinstance(error, LateError):
        error = _LATE
    if isinstance(error, NoAnswerError):
        return ResolverError(error.code, error.what, remedy=error.remedy), error.exit_code
    if isinstance(error, RetagError):
        return error, error.exit_code
    return bug(error), BUG


def _shortened(others: str, last: str) -> bytes:
    """Both as stderr may be; of *others* the end is missing where it is too long."""
    start, end = others.encode("utf-8", "backslashreplace"), wire.cut_stderr(last)
    room = wire.LONGEST_STDERR - len(end)
    if len(start) > room:
        kept = start[: max(room - len(_CUT), 0)].decode("utf-8", "ignore").encode()
        start = (kept + _CUT)[-room:] if room >= len(_CUT) else b""
    return start + end


def _checkout(path: str) -> str:
    try:
        root, _ = split_source(Path.cwd(), path)
    except OSError:  # it is gone already: Argo CD no longer waits
        return ""
    return f"{root}{os.sep}" if root.name else ""


def _without_places(line: str, root: str) -> str:
    return _PRIVATE.sub("temporary files", line.replace(root, "") if root else line)
