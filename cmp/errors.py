"""What can go wrong, as a tree sorted by what the caller does next.

    RetagError
    ├ UsageError        exit 2   the command line or a parameter is wrong
    ├ RuleError         exit 3   rules, annotations or registries.conf are wrong
    ├ ManifestError     exit 4   rendered manifests cannot be read or rewritten
    ├ RenderError       exit 4   kustomize, helm or the directory reader failed
    ├ RegistryError     exit 5   the registry gave no whole answer
    │  ├ UnreachableError        passing: a last good choice may serve
    │  │  └ MisconfiguredError   the same, but asking again at once changes nothing
    │  ├ ThrottledError          the same, and nobody should ask again at once
    │  ├ DeniedError             credentials are missing, wrong or lack a right
    │  ├ NotFoundError           the registry says that there is no such repository, tag or blob
    │  └ BadReplyError           it answered something that is not a registry's answer
    └ ResolverError     exit 6   the resolver, or the cluster, does not answer as it should

Every error is one line for a person: where, what, what to do, and a stable code (docs/errors.md).
`Finding` is the same fact as a value, for places that collect all faults of a file.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

# Besides control characters those that reverse or break a line.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]+")
_USER_INFO = re.compile(r"(?<=://)[^/?#\s]*@")  # up to the last @: passwords hold some
_LONGEST_LINE = (
    2000  # Argo CD stores the line in the Application's status (etcd: 1.5 MB an object)
)


def printable(text: str) -> str:
    """*text* on one line, without what steers a terminal, and without user info in URLs."""
    return _USER_INFO.sub("", _CONTROL.sub(" ", text))


def one_line(text: str, end: str = "") -> str:
    """*text* as one `printable` line, cut so that it has 2,000 characters with *end*."""
    line = printable(text).strip()
    room = _LONGEST_LINE - len(end)
    return (line if len(line) <= room else line[: room - 1] + "…") + end


class RetagError(Exception):
    """Base of all errors; never raised itself.

    *code* is stable and documented, *what* says what is wrong, *where* names the place
    (file:line:column, or document, kind and name) and *remedy* what to do.
    """

    exit_code: int = 1

    def __init__(self, code: str, what: str, *, where: str = "", remedy: str = "") -> None:
        super().__init__(code, what)
        self.code = code
        self.what = what
        self.where = where
        self.remedy = remedy

    def __str__(self) -> str:
        where = f"{self.where}: " if self.where else ""
        remedy = f"; {self.remedy}" if self.remedy else ""
        return one_line(f"{where}{self.what}{remedy}", f" [{self.code}]")

    @property
    def brief(self) -> str:
        """Where, what and the code, for a line that has a remedy of its own."""
        where = f"{self.where}: " if self.where else ""
        return f"{where}{self.what} [{self.code}]"

    def at(self, where: str) -> Self:
        """The same error, said to be at *where* besides the place it names itself."""
        moved = copy(self)
        moved.where = ", ".join(filter(None, (where, self.where)))
        return moved


class UsageError(RetagError):
    """The command line, or a parameter of the Application, is wrong."""

    exit_code = 2


class RuleError(RetagError):
    """Rules, annotations or registries.conf are wrong."""

    exit_code = 3


class ManifestError(RetagError):
    """Rendered manifests cannot be read, or a ruled image in them cannot be rewritten."""

    exit_code = 4


class RenderError(RetagError):
    """The renderer failed, or what it was asked for is refused.

    *output* is what the child says is wrong, printed before the line.
    """

    exit_code = 4

    def __init__(
        self, code: str, what: str, *, where: str = "", remedy: str = "", output: str = ""
    ) -> None:
        super().__init__(code, what, where=where, remedy=remedy)
        self.output = output


class RegistryError(RetagError):
    """The registry gave no whole answer."""

    exit_code = 5


class UnreachableError(RegistryError):
    """Passing: connection, time-out, 5xx, or a file that is being rewritten."""


class MisconfiguredError(UnreachableError):
    """Passing, but not by itself: a certificate, a proxy or a file has to be mended."""


class ThrottledError(RegistryError):
    """Passing: 429, the registry was asked too often."""


class DeniedError(RegistryError):
    """401 or 403: credentials are missing, wrong, or lack a right."""


class NotFoundError(RegistryError):
    """The registry says that there is no such repository."""


class BadReplyError(RegistryError):
    """The answer is not what a registry may say."""


class ResolverError(RetagError):
    """The resolver or the cluster does not answer as it should."""

    exit_code = 6


class CombinedError(RetagError):
    """More than one error, each its own line; the exit code is that of the first."""

    def __init__(self, errors: Sequence[RetagError]) -> None:
        first = errors[0]
        super().__init__(first.code, first.what, where=first.where, remedy=first.remedy)
        self.errors = tuple(errors)
        self.exit_code = first.exit_code


def raise_together(errors: Sequence[RetagError]) -> None:
    """Nothing for no error, the error itself for one, `CombinedError` for more."""
    unique = list({str(error): error for error in errors}.values())
    if len(unique) > 1:
        raise CombinedError(unique)
    if unique:
        raise unique[0]


class Severity(StrEnum):
    """How bad a finding is: an error disables the unit it is in, a warning does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where something stands: file as the user named it, line and column from 1 (0: unknown)."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        if not self.line:
            return self.file
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault of a file; *path* is its field, as `spec.applicationRefs[0].images[1].alias`.

    *drawing* is the faulty text with a caret under the fault, on lines of their own; "" for none.
    """

    code: str
    severity: Severity
    what: str
    place: Place
    path: str = ""
    remedy: str = ""
    drawing: str = ""

    def __str__(self) -> str:
        path = f"{self.path}: " if self.path else ""
        remedy = f"; {self.remedy}" if self.remedy else ""
        return one_line(f"{self.place}: {path}{self.what}{remedy}", f" [{self.code}]")


def error_of(finding: Finding) -> RuleError:
    """*finding* as an error, for where it cannot be gone on."""
    what = f"{finding.path}: {finding.what}" if finding.path else finding.what
    return RuleError(finding.code, what, where=str(finding.place), remedy=finding.remedy)
