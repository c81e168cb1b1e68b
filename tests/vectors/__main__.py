"""`python -m tests.vectors FILE…`: hold any files of vectors against Retag."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.vectors import DATA, check


def main(arguments: list[str]) -> int:
    """Print a line a file and each unexplained case; 1 if there is one."""
    paths = [Path(argument) for argument in arguments] or sorted(DATA.glob("*.jsonl"))
    outcomes = [check(path) for path in paths]
    for outcome in outcomes:
        print(outcome)
        for reason, ids in outcome.explained.items():
            print(f"  explained, {len(ids)}: {reason}")
        for identity, expected, got in outcome.differing:
            print(f"  {identity}: expected {json.dumps(expected)} got {json.dumps(got)}")
    return 1 if any(outcome.differing for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
