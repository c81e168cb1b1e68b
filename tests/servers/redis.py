"""A real Redis (Debian's redis-server), in a folder of its own.

    with Redis(folder, password="made-up-password", authority=Authority(folder)) as redis:
        store = open_store(redis.url)

`make tools` provides the program, and `make test` puts it on PATH.
"""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import time
from pathlib import Path
from typing import Any, Self

from tests.servers.certificates import Authority
from tests.servers.loopback import PATIENCE
from tests.servers.ports import free_port

PROGRAM = "redis-server"
PASSWORD = "made-up-password"


class Redis:
    """A running redis-server; a context manager, whose end is the program's.

    It listens on a Unix socket, or on a port of 127.0.0.1, with *authority* for TLS. With
    *password* it wants that. *settings* are further ones of its configuration. What it holds is
    gone with the process.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: bool = False,
        password: str = "",
        authority: Authority | None = None,
        settings: tuple[str, ...] = (),
    ) -> None:
        self._folder = folder
        self._password = password
        self._authority = authority
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port() if port or authority else 0
        self.socket = "" if self.port else str(folder / "redis.sock")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def url(self) -> str:
        """With the password, if there is one."""
        login = f":{self._password}@" if self._password else ""
        if self.socket:
            return f"unix://{login}{self.socket}"
        if self._authority is None:
            return f"redis://{login}127.0.0.1:{self.port}/0"
        return f"rediss://{login}127.0.0.1:{self.port}/0?ssl_ca_certs={self._authority.file}"

    def start(self) -> None:
        """Start the program, empty, at the same place. Returns when it answers."""
        program = shutil.which(PROGRAM)
        if program is None:
            raise FileNotFoundError(f"{PROGRAM} is not on PATH: run make tools, then make test")
        configuration = self._folder / "redis.conf"
        configuration.write_text("\n".join([*self._configuration(), *self._settings, ""]))
        with (self._folder / "redis.log").open("wb") as log:
            self._process = subprocess.Popen(
                [program, configuration], stdout=log, stderr=log, cwd=self._folder, env={}
            )
        try:
            self._wait()
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        """End the program at once; what it holds is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE)
            self._process = None

    def ask(self, *words: str | bytes) -> bytes:
        """What the server answers to the command *words*, as it comes, at most 64 KiB."""
        with self._connected() as connection:
            if self._password:
                _say(connection, "AUTH", self._password)
            return _say(connection, *words)

    def _configuration(self) -> list[str]:
        lines = ["save ''", "appendonly no", "bind 127.0.0.1", f"dir {self._folder}"]
        if self._password:
            lines.append(f"requirepass {self._password}")
        if self.socket:
            return [*lines, "port 0", f"unixsocket {self.socket}"]
        if self._authority is None:
            return [*lines, f"port {self.port}"]
        issued = self._authority.server()
        return [
            *lines,
            "port 0",
            f"tls-port {self.port}",
            f"tls-cert-file {issued.certificate_file}",
            f"tls-key-file {issued.key_file}",
            f"tls-ca-cert-file {self._authority.file}",
            "tls-auth-clients no",
        ]

    def _connected(self) -> Any:
        if self.socket:
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(PATIENCE)
            try:
                connection.connect(self.socket)
            except BaseException:
                connection.close()
                raise
            return connection
        plain = socket.create_connection(("127.0.0.1", self.port), PATIENCE)
        if self._authority is None:
            return plain
        context = ssl.create_default_context(cafile=str(self._authority.file))
        return context.wrap_socket(plain, server_hostname="127.0.0.1")

    def _wait(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                if self.ask("PING"):
                    return
            except OSError:
                pass
            if self._process is None or self._process.poll() is not None:
                raise RuntimeError(f"{PROGRAM} ended: {(self._folder / 'redis.log').read_text()}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"{PROGRAM} does not answer")
            time.sleep(0.005)


def _say(connection: socket.socket, *words: str | bytes) -> bytes:
    encoded = [word if isinstance(word, bytes) else word.encode() for word in words]
    parts = [b"$%d\r\n%b\r\n" % (len(word), word) for word in encoded]
    connection.sendall(b"*%d\r\n%b" % (len(parts), b"".join(parts)))
    return connection.recv(65536)
