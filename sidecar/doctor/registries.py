"""Checks of registries.conf, and of each registry that it lists."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

from cmp.errors import Finding, RetagError, Severity
from cmp.registry import Registries
from cmp.registry.check import Answer, Checked, check
from cmp.registry.check import State as Asked
from cmp.registry.http.connections import Surroundings
from sidecar.doctor.result import Result, State, well, wrong

_STATES = {Asked.OK: State.OK, Asked.WARNING: State.WARNING, Asked.FAILED: State.ERROR}
_UNREACHED = "RT107"  # what an answer that has no code of its own is told by


async def check_registries(path: Path, surroundings: Surroundings) -> AsyncIterator[Result]:
    """Whether *path* can be read, and each registry in it asked; nothing is changed there."""
    try:
        registries, findings = Registries.load(path, surroundings=surroundings)
    except RetagError as error:
        yield wrong(error.code, "registries", error.what, error.remedy)
        return
    async with registries:
        for each in findings:
            yield _told(each)
        for endpoint in registries.endpoints:
            if endpoint.is_layout:
                yield well(endpoint.name, "is a folder: there is nobody to ask")
                continue
            connection = registries.connection(endpoint)
            checked = Checked(endpoint, connection.client, connection.api, time.time)
            async for answer in check(checked):
                yield _asked(endpoint.name, answer)


def _told(finding: Finding) -> Result:
    state = State.ERROR if finding.severity is Severity.ERROR else State.WARNING
    path = f"{finding.path}: " if finding.path else ""
    what = f"{finding.place}: {path}{finding.what}"
    return Result("registries", state, what, finding.remedy, finding.code)


def _asked(registry: str, answer: Answer) -> Result:
    """*answer* of *registry*; the Image Updater says of all of them that it failed to get tags."""
    state = _STATES[answer.state]
    code = answer.code or ("" if state is State.OK else _UNREACHED)
    what = f"{answer.subject}: {answer.what}"
    return Result(registry, state, what, answer.remedy, code)
