"""A process that leads or waits, and writes what it thinks: `python -m tests.controller.replica`.

Its arguments are a file, a kubeconfig, a namespace, its identity, and how long a Lease lasts. The
file gets a line `<seconds since boot> <identity> <term>` every few milliseconds while it leads; a
term is one run of the work. `<identity> ended` says that a term is over.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from sidecar.controller.lease import Leadership, Pace
from sidecar.kubernetes.client import Client

_OFTEN = 0.01


async def _main(log: TextIO, kubeconfig: str, namespace: str, identity: str, lease: str) -> None:
    lasts = float(lease)
    pace = Pace(lease=lasts, deadline=lasts * 2 / 3, retry=lasts / 15)
    client = Client.of_kubeconfig(Path(kubeconfig))
    leadership = Leadership(client, namespace, "retag-controller", identity, pace=pace)
    terms = 0

    async def work() -> None:
        nonlocal terms
        terms += 1
        try:
            while True:
                now = time.clock_gettime(time.CLOCK_BOOTTIME)
                if leadership.leads():
                    log.write(f"{now} {identity} {terms}\n")
                await asyncio.sleep(_OFTEN)
        finally:
            log.write(f"{identity} ended\n")

    task = asyncio.create_task(leadership.run(work))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    with suppress(asyncio.CancelledError):
        await task
    await client.aclose()


if __name__ == "__main__":
    with Path(sys.argv[1]).open("a", buffering=1) as opened:
        asyncio.run(_main(opened, *sys.argv[2:]))
