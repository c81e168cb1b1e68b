"""Writes the tables of docs/application.md from the parameters in the code.

    python scripts/application_docs.py [--check]

With --check nothing is written, and a page that differs exits with 1.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from cmp.parameters import PARAMETERS, Parameter, Tool

_PAGE = Path(__file__).parent.parent / "docs" / "application.md"
_TABLE = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def _supported(tool: Tool | None) -> list[str]:
    """The table of what is supported of *tool*, or of the plugin itself."""
    return _table(
        ("parameter", "kind", "Argo CD's option", "meaning"),
        (
            (f"`{p.name}`", _kind(p), f"`{p.native}`" if p.native else "", p.help)
            for p in PARAMETERS
            if p.tool == tool and not p.refused
        ),
    )


def _kind(parameter: Parameter) -> str:
    if parameter.choices:
        return ", ".join(f"`{choice}`" for choice in parameter.choices)
    return str(parameter.kind)


def _refused() -> list[str]:
    return _table(
        ("Argo CD's option", "parameter", "refused with"),
        ((f"`{p.native}`", f"`{p.name}`", p.refused) for p in PARAMETERS if p.refused),
    )


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    lines = [head, ("---",) * len(head), *rows]
    return [f"| {' | '.join(cells)} |" for cells in lines]


def page(text: str) -> str:
    """*text* with its tables written anew."""
    tables = {
        "plugin": _supported(None),
        "helm": _supported(Tool.HELM),
        "kustomize": _supported(Tool.KUSTOMIZE),
        "directory": _supported(Tool.DIRECTORY),
        "refused": _refused(),
    }
    return _TABLE.sub(lambda m: m[1] + "\n".join([*tables[m[2]], m[3]]), text)


def main() -> None:
    """Write the page, or check it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit with 1 if it differs"
    )
    check = parser.parse_args().check
    text = _PAGE.read_text(encoding="utf-8")
    if check and page(text) != text:
        sys.exit("docs/application.md is not what the code says: run scripts/application_docs.py")
    if not check:
        _PAGE.write_text(page(text), encoding="utf-8")


if __name__ == "__main__":
    main()
