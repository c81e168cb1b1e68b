"""Writes deploy/base/00-crd.yaml from the models of the rules.

    python scripts/crd.py [--check]

With --check nothing is written, and a file that differs exits with 1.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import yaml

from cmp.rules.crd import definition

FILE = Path(__file__).parent.parent / "deploy" / "base" / "00-crd.yaml"
_HEAD = "# Made by scripts/crd.py from the models in cmp/rules; docs/decisions/0018 says why so.\n"


class _Dumper(yaml.SafeDumper):
    """Writes equal blocks out each time, since an API server knows no anchors."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002  # PyYAML's own signature
        return True


def text() -> str:
    """What the file says."""
    return _HEAD + yaml.dump(definition(), Dumper=_Dumper, sort_keys=False, width=99)


def main() -> None:
    """Write the file, or check it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit with 1 if it differs"
    )
    if not parser.parse_args().check:
        FILE.write_text(text(), encoding="utf-8")
    elif FILE.read_text(encoding="utf-8") != text():
        sys.exit(f"{FILE.name} is not what the models say: run scripts/crd.py")


if __name__ == "__main__":
    main()
