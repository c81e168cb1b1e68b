"""Ports for programs that are told theirs, and come back at the same one."""

from __future__ import annotations

import itertools
import random
import socket

# Below those that Linux gives by itself (32768 and up, ip(7)): else a connection of somebody else
# may get the port before the program does, or while it is down. Each process has its own order;
# what seeds `random` for a test must not make two of them draw the same.
_DRAWN = itertools.cycle(random.SystemRandom().sample(range(10_000, 32_000), 22_000))


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now, and that was not given out of late."""
    return next(port for port in _DRAWN if _is_free(port))


def _is_free(port: int) -> bool:
    with socket.socket() as tried:
        try:
            tried.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
