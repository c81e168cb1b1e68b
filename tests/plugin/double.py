"""A resolver that says what a test wants it to say, on a real Unix socket, in a thread."""

from __future__ import annotations

import contextlib
import os
import re
import select
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cmp.plugin import wire

PATIENCE = 60.0  # seconds; only a test that fails ever waits so long
_HEAD = re.compile(rb"POST (\S+) HTTP/1\.1\r\nHost: retag\r\nTransfer-Encoding: chunked\r\n\r\n")

Answer = Callable[[socket.socket], None]


@dataclass(frozen=True)
class Asked:
    """One request, as it came."""

    path: str
    environment: dict[str, str]
    manifests: bytes


@dataclass
class Double:
    """Answers each connection with the next of *answers*, the last one for ever."""

    path: Path
    answers: list[Answer]
    asked: list[Asked] = field(default_factory=list)

    def answer(self, connection: socket.socket) -> None:
        """One connection."""
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            answer(connection)


@contextlib.contextmanager
def resolver(path: Path, *answers: Answer) -> Iterator[Double]:
    """A double at *path*; without *answers* it gives the manifests back as they came."""
    double = Double(path, list(answers))
    if not answers:
        double.answers.append(echo(double))
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.fspath(path))
        listening.listen(100)
        thread = threading.Thread(target=_serve, args=(listening, double))
        thread.start()
        try:
            yield double
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(PATIENCE)
            path.unlink()
    assert not thread.is_alive()


def _serve(listening: socket.socket, double: Double) -> None:
    while True:
        try:
            connection, _ = listening.accept()
        except OSError:
            return
        with connection:
            connection.settimeout(PATIENCE)
            double.answer(connection)


def read_request(connection: socket.socket) -> Asked:
    """A whole request. An `AssertionError` for one that is not as it should be."""
    received = bytearray()
    while not received.endswith(b"\r\n0\r\n\r\n"):
        data = connection.recv(1024 * 1024)
        if not data:
            raise ConnectionResetError
        received += data
    head = _HEAD.match(received)
    assert head
    body = _dechunked(bytes(received[head.end() :]))
    unpacked = wire.unpack_environment(body)
    assert unpacked
    environment, start = unpacked
    return Asked(head[1].decode(), environment, body[start:])


def _dechunked(chunks: bytes) -> bytes:
    body = b""
    while True:
        size, _, rest = chunks.partition(b"\r\n")
        length = int(size, 16)
        body += rest[:length]
        assert rest[length : length + 2] == b"\r\n"
        if not length:
            assert len(rest) == 2
            return body
        chunks = rest[length + 2 :]


def response(body: bytes, *, status: str = "200 OK", more: str = "") -> bytes:
    """A whole HTTP response."""
    head = f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n{more}\r\n"
    return head.encode() + body


def says(*parts: bytes) -> Answer:
    """Read the request, send *parts*, and end the connection."""

    def answer(connection: socket.socket) -> None:
        read_request(connection)
        for part in parts:
            connection.sendall(part)

    return answer


def replies(exit_code: int, stderr: bytes, stdout: bytes) -> Answer:
    """Read the request and give a proper reply."""
    return says(response(wire.pack_reply(exit_code, stderr, stdout)))


def echo(double: Double) -> Answer:
    """Note the request, and give its manifests back."""

    def answer(connection: socket.socket) -> None:
        asked = read_request(connection)
        double.asked.append(asked)
        connection.sendall(response(wire.pack_reply(0, b"", asked.manifests)))

    return answer


def silent(connection: socket.socket) -> None:
    """Take what comes, and say nothing until the other end is gone."""
    while connection.recv(1024 * 1024):
        pass


def deaf(connection: socket.socket) -> None:
    """Take nothing, until the other end is gone."""
    poll = select.poll()
    poll.register(connection, 0)
    poll.poll(PATIENCE * 1000)


def drips(connection: socket.socket) -> None:
    """Send an answer whose end never comes, byte by byte, as fast as it is taken."""
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
    while True:
        connection.sendall(b"x")
