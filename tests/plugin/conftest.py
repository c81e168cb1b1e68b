"""What the tests of the plugin share."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def socket_path() -> Iterator[Path]:
    """Where a resolver may listen. The kernel takes no path of more than 107 bytes."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "resolver.sock"
