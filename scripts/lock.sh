#!/bin/sh
# Writes the hash-locked requirements anew from pyproject.toml; needs uv (pip install uv).
# The files name no index address: any index that serves the same bytes will do.
set -eu
cd "$(dirname "$0")/.."
compile() {
    uv pip compile --quiet --universal --no-header --no-annotate --no-emit-index-url \
        --generate-hashes --python-version 3.11 "$@"
}
compile pyproject.toml --output-file requirements/runtime.txt
compile --group build --output-file requirements/build.txt
compile pyproject.toml --group build --group dev --output-file requirements/dev.txt
