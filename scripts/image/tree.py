"""Lays out what an image holds of Retag, below a folder that is its root.

python tree.py --source . --libraries FOLDER --python /usr/local/bin/python3 --root FOLDER

/opt/retag/lib                              libraries, cmp, sidecar, retag-plugin.py, bytecode
/opt/retag/bin/retag                        the command
/home/argocd/cmp-server/config/plugin.yaml  where argocd-cmp-server reads it
"""

from __future__ import annotations

import argparse
import compileall
import shutil
import sys
from pathlib import Path
from py_compile import PycInvalidationMode

PACKAGES = ("cmp", "sidecar")
PLUGIN = "retag-plugin.py"
_SETTINGS = Path("home/argocd/cmp-server/config")

# Isolated (-I) and without site (-S): neither PYTHON* variables, nor the working folder, which may
# be a tenant's checkout, nor site-packages say what is imported. The kernel starts it, no shell.
_COMMAND = """\
#!{python} -IS
import sys
from os.path import dirname, join, realpath

sys.path.append(join(dirname(dirname(realpath(__file__))), "lib"))

from cmp.cli import main

main()
"""


def main() -> int:
    """Lay it out; 1 if something cannot be compiled."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--source", type=Path, required=True, help="the project")
    parser.add_argument(
        "--libraries", type=Path, required=True, help="what libraries.py installed"
    )
    parser.add_argument("--python", type=Path, required=True, help="the image's interpreter")
    parser.add_argument("--root", type=Path, required=True, help="a folder to fill")
    options = parser.parse_args()
    library = options.root / "opt/retag/lib"
    _copy(options.libraries, library)
    for package in PACKAGES:
        _copy(options.source / package, library / package)
    shutil.copyfile(options.source / PLUGIN, library / PLUGIN)
    _put(options.root / "opt/retag/bin/retag", _COMMAND.format(python=options.python), 0o755)
    _put(options.root / _SETTINGS / "plugin.yaml", (options.source / "plugin.yaml").read_text())
    compiled = _compiled(library, options.root)
    _open(options.root)
    return 0 if compiled else 1


def _copy(source: Path, target: Path) -> None:
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))


def _put(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(text)
    path.chmod(mode)


def _compiled(library: Path, root: Path) -> bool:
    """Compile all below *library*, to bytecode that is used without a look at its source.

    Bytecode with times is stale once a build sets all times to one (SOURCE_DATE_EPOCH), and a
    read-only root would then compile anew in each process; with checked hashes each import reads
    the source as well. Nothing in an image changes after the build. The places in it are those of
    the image, so that an import has none to put right.
    """
    return bool(
        compileall.compile_dir(
            library,
            stripdir=root,
            prependdir="/",
            quiet=1,
            workers=0,
            invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
        )
    )


def _open(root: Path) -> None:
    """Let everybody read: a checkout under umask 077 would give an image that only root can."""
    for path in root.rglob("*"):
        path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)


if __name__ == "__main__":
    sys.exit(main())
