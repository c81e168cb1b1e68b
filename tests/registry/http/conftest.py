from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _no_socket_is_left() -> Iterator[None]:
    """Collect what a test leaves within it, so that an unclosed socket fails that one."""
    yield
    gc.collect()
