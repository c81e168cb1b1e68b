"""One line on stderr for what takes longer than a second."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import click

_PATIENCE = 1.0  # seconds


@contextmanager
def progress(doing: str, *, patience: float = _PATIENCE) -> Iterator[None]:
    """Say *doing* on stderr if the block is still running after *patience* seconds."""
    timer = threading.Timer(patience, click.echo, (f"{doing} …",), {"err": True})
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
