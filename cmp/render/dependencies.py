"""`helm dependency build`, in a private copy of the chart, from hosts that the operator lists.

Which repositories a chart asks for, helm itself tells (`helm dependency list`). Chart.lock, which
build follows and list does not show, must then name the same ones: it is read line by line in the
form that helm writes, and no other. What a listed host answers, an index that leads elsewhere
for instance, is the host's affair.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from cmp.errors import RenderError
from cmp.render.paths import check_links, check_own, inside, read_file, shadow
from cmp.render.permissions import Permissions
from cmp.render.workspace import Workspace

_HOST = r"[A-Za-z0-9.-]+(?::[0-9]+)?"
_ADDRESS = re.compile(
    rf"(?:(?:https|oci)://(?P<host>{_HOST})|(?P<plain>http://{_HOST}))(?:/[\w.~/+-]*)?", re.ASCII
)
_LOCK_LINE = re.compile(
    r"dependencies:|- name: [\w.\"-]+|  repository: (?P<repository>\S+)|  version: [\w.+\"-]+"
    r"|digest: [\w:]+|generated: [\w:.+\"-]+|",
    re.ASCII,
)
_LARGEST_LOCK = 1024 * 1024  # bytes
_WIDEST = 100_000  # characters of a column, which helm would cut at 80


def build_dependencies(permissions: Permissions, workspace: Workspace) -> Path:
    """A copy of the source's chart whose `charts/` holds all that it depends on.

    Raises `RenderError` for a dependency from elsewhere than the repository and the listed hosts.
    """
    chart = shadow(workspace.root, workspace.source, workspace.private / "source")
    check_own(chart, chart / "charts")
    table = workspace.run(
        "helm", "dependency", "list", f"--max-col-width={_WIDEST}", "--", ".", cwd=chart
    )
    repositories = repositories_in(table.decode("utf-8", "replace"))
    for repository in repositories:
        _check(repository, permissions, workspace)
    for lock in ("Chart.lock", "requirements.lock"):
        if (chart / lock).exists():
            _check_lock(chart / lock, repositories)
    remote = [each for each in repositories if not each.startswith("file://")]
    for number, address in enumerate(each for each in remote if not each.startswith("oci://")):
        workspace.run("helm", "repo", "add", "--", f"r{number}", address, cwd=chart, network=True)
    # The indexes have just been read, so there is nothing to refresh.
    build = ("helm", "dependency", "build", "--skip-refresh", "--", ".")
    workspace.run(*build, cwd=chart, network=bool(remote))
    return chart


def repositories_in(table: str) -> list[str]:
    """The repositories in what `helm dependency list` prints; a chart in `charts/` has none.

    Raises `RenderError` if the lines are not those of one table.
    """
    # Besides the table's lines there may be warnings, which have no tabs.
    lines = [line for line in table.splitlines() if "\t" in line]
    rows = [[cell.strip() for cell in line.split("\t")] for line in lines]
    if any(len(row) != len(rows[0]) for row in rows):
        raise RenderError("RT445", "the dependencies in Chart.yaml cannot be told apart")
    column = rows[0].index("REPOSITORY") if rows else 0
    return sorted({row[column] for row in rows[1:]} - {""})


def _check(repository: str, permissions: Permissions, workspace: Workspace) -> None:
    """See that *repository* is a folder of the source's repository, or on a listed host."""
    if repository.startswith("file://"):
        # As helm does: first the dots, then the links.
        path = Path(os.path.normpath(workspace.source / repository.removeprefix("file://")))
        where = "Chart.yaml, dependencies"
        check_links(workspace.root, inside(workspace.root, path, where=where))
        return
    address = _ADDRESS.fullmatch(repository)
    if not address:
        raise RenderError(
            "RT446",
            f"a chart dependency comes from {repository!r}, which is no address of a repository",
            remedy="write https://, oci:// or file://",
        )
    host = address["plain"] or address["host"]
    if host not in permissions.helm_hosts:
        raise RenderError(
            "RT447",
            f"a chart dependency comes from {host}, a host that is not allowed",
            remedy="put the dependency into charts/, or let the operator allow the host",
        )


def _check_lock(lock: Path, repositories: Sequence[str]) -> None:
    """See that *lock* names no other repository than *repositories*."""
    lines = read_file(lock, _LARGEST_LOCK).decode("utf-8", "replace").splitlines()
    for number, line in enumerate(lines, start=1):
        found = _LOCK_LINE.fullmatch(line)
        repository = found["repository"].strip("\"'") if found and found["repository"] else ""
        if not found or (repository and repository not in repositories):
            raise RenderError(
                "RT448",
                f"this line does not follow from Chart.yaml: {line!r}",
                where=f"{lock.name}:{number}",
                remedy="write the file anew with `helm dependency update`",
            )
