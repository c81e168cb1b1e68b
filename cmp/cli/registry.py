"""`retag registry check`: is a registry there, whom does it let in, and what can it tell?"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import click

from cmp.cli.options import FILE, FOLDER, SECRETS_HELP, TLS_HELP, load_registries
from cmp.cli.output import output_option, print_json, styled
from cmp.cli.progress import progress
from cmp.errors import UsageError, printable
from cmp.reference import Repository
from cmp.registry import Registries
from cmp.registry.check import Answer, Checked, State, check
from cmp.registry.endpoint import Endpoint

_COLOURS = {State.OK: "green", State.WARNING: "yellow", State.FAILED: "red"}


@click.group("registry")
def command() -> None:
    """Look at the registries of registries.conf."""


@command.command("check")
@click.argument("name")
@click.option("--registries", type=FILE, required=True, help="The registries that may be asked.")
@click.option("--repository", metavar="PATH", help="Also list it, as it is called there.")
@click.option("--secrets", type=FOLDER, help=SECRETS_HELP)
@click.option("--tls-certs", type=FOLDER, help=TLS_HELP)
@output_option
def check_command(
    *,
    name: str,
    registries: Path,
    repository: str | None,
    secrets: Path | None,
    tls_certs: Path | None,
    output: str,
) -> int:
    """Ask the registry NAME (its name or prefix) what it can do, and say what to mend.

    Nothing is changed there. Exits with 1 where something fails.

    \b
      retag registry check zot --registries registries.conf
      retag registry check registry.example.com --registries registries.conf \\
        --repository team/app
    """
    opened = load_registries(registries, secrets, tls_certs)
    endpoint = _named(opened, name)
    asked = Repository(endpoint.prefix or endpoint.name, repository) if repository else None
    with progress(f"asking {endpoint.name}"):
        answers = asyncio.run(_answers(opened, endpoint, asked))
    if output == "json":
        print_json({"registry": endpoint.name, "answers": [_as_json(each) for each in answers]})
    else:
        for answer in answers:
            click.echo(_line(answer))
    return 1 if any(each.state is State.FAILED for each in answers) else 0


def _named(registries: Registries, name: str) -> Endpoint:
    """The registry *name*. Raises `UsageError` for none, and for one on disk."""
    listed = registries.endpoints
    found = [each for each in listed if name in (each.name, each.prefix)]
    if not found:
        known = ", ".join(each.name for each in listed) or "none"
        raise UsageError(
            "RT260", f"there is no registry {name!r}", remedy=f"registries.conf lists {known}"
        )
    if found[0].is_layout:
        what = f"the registry {name} is a folder: there is nobody to ask"
        raise UsageError("RT261", what, remedy="retag tags reads it")
    return found[0]


async def _answers(
    registries: Registries, endpoint: Endpoint, repository: Repository | None
) -> list[Answer]:
    async with registries:
        connection = registries.connection(endpoint)
        checked = Checked(endpoint, connection.client, connection.api, time.time)
        return [answer async for answer in check(checked, repository)]


def _line(answer: Answer) -> str:
    state = styled(f"{answer.state:8}", _COLOURS[answer.state])
    remedy = f"; {answer.remedy}" if answer.remedy else ""
    code = f" [{answer.code}]" if answer.code else ""
    return f"{state} {answer.subject:8} {printable(answer.what + remedy)}{code}"


def _as_json(answer: Answer) -> dict[str, str | None]:
    return {
        "subject": answer.subject,
        "state": str(answer.state),
        "what": answer.what,
        "remedy": answer.remedy or None,
        "code": answer.code or None,
    }
