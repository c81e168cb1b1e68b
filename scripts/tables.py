"""Tables of pages, made from what they are about.

A page holds `<!-- table: NAME -->`, then the table, then `<!-- end -->`.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

DOCS = Path(__file__).parent.parent / "docs"
_TABLE = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table in Markdown."""
    lines = [head, ("---",) * len(head), *rows]
    return [f"| {' | '.join(cells)} |" for cells in lines]


def filled(text: str, tables: Mapping[str, Sequence[str]]) -> str:
    """*text* with its tables written anew; KeyError for one that is not among *tables*."""
    return _TABLE.sub(lambda m: m[1] + "\n".join([*tables[m[2]], m[3]]), text)


def main(about: str, page: str, tables: Mapping[str, Sequence[str]]) -> None:
    """Write docs/*page*; or with --check only compare it, and exit with 1 if it differs."""
    parser = argparse.ArgumentParser(description=about.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1")
    check = parser.parse_args().check
    path = DOCS / page
    text = path.read_text(encoding="utf-8")
    new = filled(text, tables)
    if check and new != text:
        sys.exit(f"docs/{page} is not what it is made from: run {Path(sys.argv[0]).name}")
    if not check:
        path.write_text(new, encoding="utf-8")
