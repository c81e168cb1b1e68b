"""`make demo`: the main job on an example, from an empty folder to the rewritten manifests."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parent
ROOT = EXAMPLES.parent
STORAGE = Path("build/demo/zot")
RETAG = Path(sys.executable).parent / "retag"
COMMON = [
    "--app=profanity-filter",
    "--rules=examples/profanity-filter/rules.yaml",
    "--registries=examples/profanity-filter/registries.conf",
    "--diff",
    "--explain",
]


def main() -> int:
    """Make the registry, render the example, and say where to go on."""
    shutil.rmtree(ROOT / STORAGE, ignore_errors=True)
    run([sys.executable, "examples/zot_storage.py", str(STORAGE)])
    render("examples/profanity-filter/app")
    if shutil.which("kustomize"):
        render("examples/profanity-filter/kustomize")
    else:
        print("\n(kustomize is not on PATH: with it, this also shows the kustomize variant)")
    print("\nNow yours: .venv/bin/retag render --help")
    return 0


def render(path: str) -> None:
    """Show `retag render PATH`; its exit code 1 says that there is a difference."""
    code = run([str(RETAG), "render", path, *COMMON], shown=["retag", "render", path, *COMMON])
    if code != 1:
        raise SystemExit(f"the demo expected a difference (exit code 1), and got {code}")


def run(command: list[str], *, shown: list[str] | None = None) -> int:
    """Run *command* in the project's root, after printing it as a person would type it."""
    print(f"\n$ {shlex.join(shown or ['python', *command[1:]])}", flush=True)
    return subprocess.run(command, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main())
