"""Installs the locked libraries for an image, for the machine that it will run on.

    python libraries.py --locked requirements/runtime.txt --architecture arm64 --into FOLDER

Only wheels, each with a hash that stands in the lock, so nothing of them is run here; that is why
an image for another processor needs no emulation. They are for the Python that runs this script.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

# Docker's name of a processor, and that in the names of wheels.
ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}
_GLIBC = range(36, 16, -1)  # 2.36 of Debian 12, on which the image stands, down to manylinux2014


def main() -> int:
    """Install, and give pip's exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--locked", type=Path, required=True, help="requirements with hashes")
    parser.add_argument("--architecture", choices=ARCHITECTURES, required=True)
    parser.add_argument("--into", type=Path, required=True, help="folder of the libraries")
    options = parser.parse_args()
    machine = ARCHITECTURES[options.architecture]
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in _GLIBC]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
            *("--require-hashes", "--only-binary=:all:", "--no-compile"),
            *(f"--platform={each}" for each in [*platforms, f"manylinux2014_{machine}"]),
            *("--target", options.into, "--requirement", options.locked),
        ],
        check=False,
    )
    # Commands of libraries (uvicorn, httpx): nobody calls them, and they name this Python's path.
    shutil.rmtree(options.into / "bin", ignore_errors=True)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
