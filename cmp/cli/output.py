"""What a command prints: results on stdout, commentary on stderr, colour on terminals only."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from typing import Any

import click

from cmp.errors import Finding, Severity, one_line, printable
from cmp.lines import warning_line

_DIFF_COLOURS = {"-": "red", "+": "green", "@": "cyan"}

output_option = click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    help="How results are printed; docs/json.md describes the JSON.",
)


def styled(text: str, colour: str | None) -> str:
    """*text* in *colour*, which click leaves out where there is no terminal."""
    return text if os.environ.get("NO_COLOR") else click.style(text, fg=colour)


def print_json(value: Any) -> None:
    """*value* as JSON on stdout, in ASCII, which every encoding of a pipe can hold."""
    click.echo(json.dumps(value, indent=2))


def print_lines(lines: Iterable[str], *, err: bool = False) -> None:
    """Lines with tags, names and other text of strangers in them."""
    click.echo("\n".join(map(printable, lines)), err=err)


def print_diff(lines: Iterable[str]) -> None:
    """A unified diff on stdout."""
    for line in lines:
        click.echo(styled(line, _DIFF_COLOURS.get(line[:1])))


_NO_RULES = "RT370"  # where rules were looked for there are none


def print_errors(findings: Sequence[Finding]) -> None:
    """On stderr the errors among *findings*, where there are no rules, and how many remarks."""
    told = [f for f in findings if f.severity is Severity.ERROR or f.code == _NO_RULES]
    print_findings(told, err=True)
    remarks = len(findings) - len(told)
    if remarks:
        plural = "s" if remarks > 1 else ""
        click.echo(f"{remarks} remark{plural} about the rules; retag lint shows them", err=True)


def print_warnings(texts: Iterable[str]) -> None:
    """Warnings on stderr, a line each."""
    for text in texts:
        click.echo(warning_line(text, styled("warning", "yellow")), err=True)


def print_findings(findings: Iterable[Finding], *, err: bool) -> None:
    """Findings, a line each; where the fault is in a text, that is drawn below."""
    for finding in findings:
        colour = "red" if finding.severity is Severity.ERROR else "yellow"
        click.echo(f"{styled(str(finding.severity), colour)}: {finding}", err=err)
        if finding.drawing:
            print_lines(finding.drawing.split("\n"), err=err)


def findings_as_json(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """*findings* as docs/json.md describes them."""
    return [
        {
            "code": finding.code,
            "severity": str(finding.severity),
            "file": finding.place.file,
            "line": finding.place.line,
            "column": finding.place.column,
            "path": one_line(finding.path),
            "what": one_line(finding.what),
            "remedy": one_line(finding.remedy),
            "page": f"docs/errors.md#{finding.code.lower()}",
        }
        for finding in findings
    ]
