"""Writes the tables of docs/serve.md, docs/controller.md and docs/metrics.md from the code.

    python scripts/resolver_docs.py [--check]

With --check nothing is written, and a page that differs exits with 1.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable
from pathlib import Path

import click

from cmp.cli import controller, serve
from cmp.cli.updater import FLAGS
from sidecar.metrics import METRICS

_DOCS = Path(__file__).parent.parent / "docs"
_PAGES = (_DOCS / "serve.md", _DOCS / "controller.md", _DOCS / "metrics.md")
_TABLE = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_PLACEHOLDERS = re.compile(r"(<\w+>(?:/<\w+>)*)")  # which Markdown takes for HTML


def _flags(command: click.Command) -> list[str]:
    """The flags of *command* that have an effect."""
    shown = [
        option
        for option in command.params
        if isinstance(option, click.Option) and not option.hidden
    ]
    return _table(
        ("flag", "environment", "default", "meaning"),
        (
            (_names(option), _code(option.envvar), _default(option), _meaning(option))
            for option in shown
        ),
    )


def _names(option: click.Option) -> str:
    form = option.metavar or "PATH"
    if isinstance(option.type, click.Choice):
        form = r"\|".join(option.type.choices)
    elif option.is_flag or option.type is click.BOOL:
        form = ""
    return f"{', '.join(f'`{name}`' for name in option.opts)} {form}".rstrip()


def _default(option: click.Option) -> str:
    default = option.default
    if default is None or not option.show_default:
        return ""
    values = default if isinstance(default, list) else [default]
    return _code(" ".join(map(str, values)))


def _meaning(option: click.Option) -> str:
    text = (option.help or "").replace("  [default: ", " By default: ").replace("]", ".")
    return _PLACEHOLDERS.sub(r"`\1`", text)


def _code(text: object) -> str:
    return f"`{text}`" if text else ""


def _ignored() -> list[str]:
    """The Image Updater's flags without effect."""
    rows = ((f"`--{f.name}`", _code(f.variable), f.instead) for f in FLAGS)
    return _table(("flag", "environment", "here"), rows)


def _metrics() -> list[str]:
    rows = (
        (f"`{m.name}`", m.only or "both", str(m.kind), ", ".join(map(_code, m.labels)), m.help)
        for m in METRICS
    )
    return _table(("metric", "role", "kind", "labels", "meaning"), rows)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    lines = [head, ("---",) * len(head), *rows]
    return [f"| {' | '.join(cells)} |" for cells in lines]


def page(text: str) -> str:
    """*text* with its tables written anew."""
    tables = {
        "flags": _flags(serve.command),
        "controller": _flags(controller.command),
        "ignored": _ignored(),
        "metrics": _metrics(),
    }
    return _TABLE.sub(lambda m: m[1] + "\n".join([*tables[m[2]], m[3]]), text)


def main() -> None:
    """Write the pages, or check them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit with 1 if one differs"
    )
    check = parser.parse_args().check
    for path in _PAGES:
        text = path.read_text(encoding="utf-8")
        if check and page(text) != text:
            sys.exit(f"docs/{path.name} is not what the code says: run scripts/resolver_docs.py")
        if not check:
            path.write_text(page(text), encoding="utf-8")


if __name__ == "__main__":
    main()
