"""The resolver for tests: its server in this process, or `retag serve` as a real one."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from cmp.plugin import wire
from sidecar.admission import Admission
from sidecar.app import RUSH, Answers, App
from sidecar.protocol import Limits
from sidecar.resolver import Reply
from sidecar.server import Places, Probed, serving
from tests.servers.ports import free_port

PATIENCE = 60.0  # seconds; only a test that fails ever waits so long
_SERVE = "import sys; from cmp.cli import main; sys.argv[0] = 'retag'; main()"

ENVIRONMENT = {"ARGOCD_APP_NAME": "web"}


class Echo:
    """`Answers` that gives the manifests back, while *open* is set; it notes what came."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.begun: list[Mapping[str, str]] = []
        self.asked: list[tuple[str, Mapping[str, str], bytes]] = []
        self.cancelled = 0

    def begin(self, environment: Mapping[str, str]) -> None:
        """Note it."""
        self.begun.append(environment)

    async def answer(
        self, path: str, environment: Mapping[str, str], manifests: bytes, _arrived: float
    ) -> Reply:
        """The manifests."""
        self.asked.append((path, environment, manifests))
        try:
            await self.open.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return Reply(0, b"", manifests)

    async def until_working(self, times: int = 1) -> None:
        """Return when so many requests came."""
        await until(lambda: len(self.asked) >= times)


class CountingMeter:
    """A `Meter` whose *counts* are by name and label values, and whose *gauges* by name."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, ...]] = Counter()
        self.gauges: dict[str, float] = {}

    def count(self, name: str, /, amount: float = 1, **labels: str) -> None:
        """Add it up."""
        self.counts[name, *labels.values()] += int(amount)

    def set(self, name: str, value: float, /, **_labels: str) -> None:
        """Keep the last."""
        self.gauges[name] = value

    def text(self) -> tuple[bytes, str]:
        """What `/metrics` shows here."""
        return repr(sorted(self.counts)).encode(), "text/plain"


def body_of(manifests: bytes, environment: Mapping[str, str] | None = None) -> bytes:
    """A request's body."""
    variables = ENVIRONMENT if environment is None else environment
    packed = {name.encode(): value.encode() for name, value in variables.items()}
    return wire.pack_environment(packed) + manifests


def chunked(*chunks: bytes) -> bytes:
    """*chunks*, and the last one, as HTTP/1.1 frames them."""
    return b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in chunks if each) + b"0\r\n\r\n"


def head_of(path: str = wire.GENERATE) -> bytes:
    """What the plugin sends before its body."""
    return b"POST %b HTTP/1.1\r\nHost: retag\r\nTransfer-Encoding: chunked\r\n\r\n" % path.encode()


def request_of(manifests: bytes, path: str = wire.GENERATE) -> bytes:
    """A whole request."""
    return head_of(path) + chunked(body_of(manifests))


async def until(condition: Callable[[], bool]) -> None:
    """Return when *condition* holds, of something that nobody tells of."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110  # see above
            await asyncio.sleep(0)


async def send_raw(socket_path: Path, data: bytes, *, ends: bool = False) -> bytes:
    """All that is answered to *data* until the connection ends; b"" where it is cut.

    With *ends* the client says that no more will come.
    """
    reader, writer = await asyncio.open_unix_connection(socket_path)
    try:
        async with asyncio.timeout(PATIENCE):
            writer.write(data)
            if ends:
                writer.write_eof()
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


def reply_in(response: bytes) -> Reply:
    """The reply in a whole HTTP response."""
    head, _, body = response.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200 "):
        raise ValueError(f"no reply: {head[:200]!r}")
    return Reply(*wire.unpack_reply(body))


async def ask(socket_path: Path, manifests: bytes, path: str = wire.GENERATE) -> Reply:
    """The reply to *manifests*."""
    return reply_in(await send_raw(socket_path, request_of(manifests, path)))


@dataclass
class Served:
    """A server in this process."""

    path: Path
    port: int | None
    meter: CountingMeter
    app: App

    async def ask(self, manifests: bytes, path: str = wire.GENERATE) -> Reply:
        """The reply to *manifests*."""
        return await ask(self.path, manifests, path)

    async def probe(self, path: str) -> tuple[int, bytes]:
        """Status and body of a probe."""
        assert self.port is not None
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(b"GET %b HTTP/1.1\r\nHost: probe\r\n\r\n" % path.encode())
        response = await reader.read()
        writer.close()
        await writer.wait_closed()
        head, _, body = response.partition(b"\r\n\r\n")
        return int(head.split(b" ")[1]), body

    async def until_counted(self, name: str, *labels: str, times: int = 1) -> None:
        """Return when the counter has come to *times*."""
        await until(lambda: self.meter.counts[name, *labels] >= times)


@asynccontextmanager
async def served(
    path: Path,
    answers: Answers,
    *,
    uids: frozenset[int] | None = None,
    limits: Limits | None = None,
    grace: float = PATIENCE,
    admission: Admission | None = None,
    patience: float = PATIENCE,
    rush: float = RUSH,
    probes: tuple[str, int] | None = ("127.0.0.1", 0),
) -> AsyncIterator[Served]:
    """*answers* behind a real socket at *path*, in this event loop; drained at the end."""
    meter = CountingMeter()
    app = App(
        answers,
        admission or Admission(),
        meter=meter,
        observe=lambda path, _seconds: meter.count("seconds observed", path=path),
        patience=patience,
        rush=rush,
    )
    places = Places(path, frozenset({os.getuid()}) if uids is None else uids, probes)
    probed = Probed(metrics=meter.text, meter=meter)
    async with serving(app, places, probed, limits=limits, grace=grace) as running:
        yield Served(path, running.port, meter, app)


@dataclass
class ResolverProcess:
    """`retag serve` as a process of its own; a context manager that ends it by SIGTERM.

    *folder* holds `registries.conf` and, if *rules* says so, `rules` (a file or folder); it gets
    the socket, whose
    path is short however deep *folder* lies; *options* are further flags, and *prefix* is what
    starts it all.
    """

    folder: Path
    options: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    prefix: Sequence[str] = ()
    port: int = 0
    rules: bool = True
    process: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> Path:
        """Where it listens."""
        return self.folder / "resolver.sock"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Return when it is ready."""
        self.port = self.port or free_port()
        command = [
            *self.prefix,
            sys.executable,
            "-c",
            _SERVE,
            "serve",
            "--socket",
            str(self.socket),
        ]
        command += ["--rules", str(self.folder / "rules")] if self.rules else []
        command += ["--registries", str(self.folder / "registries.conf")]
        command += ["--health-probe-bind-address", f"127.0.0.1:{self.port}"]
        command += ["--allow-uid", str(os.getuid()), *self.options]
        with (self.folder / "resolver.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, env={**os.environ, **self.environment}
            )
        self._wait_until_ready()

    def stop(self) -> int:
        """End it by SIGTERM, and return its exit code."""
        return self._end(lambda process: process.terminate())

    def kill(self) -> int:
        """End it by SIGKILL."""
        return self._end(lambda process: process.kill())

    def ask(self, manifests: bytes, path: str = wire.GENERATE, **environment: str) -> Reply:
        """The reply to *manifests* for the Application *environment* names, web by default."""
        packed = body_of(manifests, {**ENVIRONMENT, **environment})
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(PATIENCE)
            client.connect(str(self.socket))
            client.sendall(head_of(path) + chunked(packed))
            return reply_in(b"".join(iter(lambda: client.recv(1 << 16), b"")))

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of a probe, such as `/readyz`."""
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as client:
            client.sendall(b"GET %b HTTP/1.1\r\nHost: probe\r\n\r\n" % path.encode())
            response = b"".join(iter(lambda: client.recv(1 << 16), b"")).decode()
        head, _, body = response.partition("\r\n\r\n")
        return int(head.split(" ")[1]), body

    @property
    def log(self) -> str:
        """All that it wrote since the folder was made."""
        return (self.folder / "resolver.log").read_text()

    def _end(self, how: Callable[[subprocess.Popen[bytes]], None]) -> int:
        process, self.process = self.process, None
        if process is None:
            return 0
        how(process)
        return process.wait(PATIENCE)

    def _wait_until_ready(self) -> None:
        assert self.process is not None
        ends = time.monotonic() + PATIENCE
        while time.monotonic() < ends and self.process.poll() is None:
            try:
                if self.get("/readyz")[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.02)
        code = self.process.poll()
        self.kill()
        raise RuntimeError(f"the resolver is not ready (exit code {code}): {self.log[-2000:]}")
