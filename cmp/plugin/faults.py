"""What can go wrong on the warm path, in types that cost nothing to import."""

from __future__ import annotations


class LateError(BaseException):
    """The deadline is over. A signal raises it at any place, and no handler may swallow it."""


class NoAnswerError(Exception):
    """There is no answer that may be passed on; *code*, *what* and *remedy* as of a RetagError."""

    def __init__(self, code: str, what: str, remedy: str = "", *, exit_code: int = 6) -> None:
        super().__init__(code, what)
        self.code = code
        self.what = what
        self.remedy = remedy
        self.exit_code = exit_code


class ClosedError(NoAnswerError):
    """The resolver closed the connection before its answer was whole."""
