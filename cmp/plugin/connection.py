"""The plugin's end of the connection: HTTP/1.1 over a Unix socket, one request each.

`_socket` is what `socket` is made of, without the enumerations that it makes of all constants.
The answer is read when all is sent. Only where the resolver takes no more, because it has answered
already, the rest is left unsent.
"""

from __future__ import annotations

import _socket
import time

from cmp.plugin import wire
from cmp.plugin.faults import ClosedError, NoAnswerError

TYPE_CHECKING = False  # `typing` itself would take longer than the rest
if TYPE_CHECKING:
    from collections.abc import Callable

_AGAIN = 0.05  # seconds between two attempts to connect
_LONGEST_HEAD = 16 * 1024  # bytes
_LONGEST_BODY = wire.LARGEST_MANIFESTS + wire.LONGEST_STDERR + 100  # as `wire.pack_reply` makes it
_CHUNK = 256 * 1024  # bytes read at once; the kernel holds about as many

_SEE = "see whether the resolver's container in the repo-server's Pod runs"
_VERSIONS = "let the plugin and the resolver come from the same image"


def connect(
    path: bytes, patience: float, *, sleep: Callable[[float], None] = time.sleep
) -> _socket.socket:
    """A connection to the resolver at *path*, which is waited for *patience* seconds.

    Raises `NoAnswerError`.
    """
    attempts = int(patience / _AGAIN)
    while True:
        connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        try:
            connection.connect(path)
        except (FileNotFoundError, ConnectionRefusedError):
            connection.close()
            if not attempts:
                name = path.decode("utf-8", "replace")
                raise NoAnswerError("RT600", f"nothing answers at {name}", _SEE) from None
        except OSError as error:
            connection.close()
            name = path.decode("utf-8", "replace")
            raise NoAnswerError(
                "RT601",
                f"the resolver's socket {name} cannot be used: {error.strerror or error}",
                "mount the folder it is in, and see whom the resolver allows",
            ) from None
        else:
            return connection
        attempts -= 1
        sleep(_AGAIN)


def begin(connection: _socket.socket, path: str, environment: bytes) -> None:
    """Ask for *path*, and send *environment*, of which the resolver begins to look up tags."""
    head = f"POST {path} HTTP/1.1\r\nHost: retag\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    _send(connection, b"%b%x\r\n%b\r\n" % (head, len(environment), environment))


def finish(connection: _socket.socket, manifests: bytes) -> tuple[int, bytes, bytes]:
    """Send *manifests* and read the answer: exit code, stderr and stdout.

    Raises `NoAnswerError` if there is none, or none that makes sense, and `ClosedError` if the
    connection ended before.
    """
    chunk = b"%x\r\n%b\r\n" % (len(manifests), manifests) if manifests else b""
    _send(connection, chunk + b"0\r\n\r\n")
    try:
        code, stderr, stdout = wire.unpack_reply(_receive(connection))
    except wire.WireError as error:
        raise _nonsense(str(error)) from None
    if code > 255 or (code and stdout):
        raise _nonsense("its exit code is none")
    return code, stderr[: wire.LONGEST_STDERR], stdout


def _send(connection: _socket.socket, data: bytes) -> None:
    view = memoryview(data)
    while view:
        try:
            view = view[connection.send(view, _socket.MSG_DONTWAIT) :]
        except BlockingIOError:
            if _has_answered(connection):
                return
        except (BrokenPipeError, ConnectionResetError):
            return


def _has_answered(connection: _socket.socket) -> bool:
    """Whether there is something to read; else there is room to send now."""
    import select  # noqa: PLC0415  # only much text gets here

    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN | select.POLLOUT)
    return any(events & ~select.POLLOUT for _, events in poll.poll())


def _receive(connection: _socket.socket) -> bytes:
    """The body of the answer, whole. Raises `NoAnswerError`."""
    received = bytearray()
    while (end := received.find(b"\r\n\r\n")) < 0:
        if len(received) > _LONGEST_HEAD:
            raise _nonsense("its head does not end")
        received += _some(connection)
    length = _length(bytes(received[:end]))
    del received[: end + 4]
    while len(received) < length:
        received += _some(connection)
    return bytes(received)


def _some(connection: _socket.socket) -> bytes:
    try:
        data = connection.recv(_CHUNK)
    except ConnectionResetError:
        data = b""
    if not data:
        raise ClosedError(
            "RT602",
            "the resolver closed the connection before its answer was whole",
            "look into the log of its container",
        )
    return data


def _length(head: bytes) -> int:
    """How long the body is that follows *head*. Raises `NoAnswerError`."""
    first, *lines = head.split(b"\r\n")
    version, _, status = first.partition(b" ")
    if version not in {b"HTTP/1.1", b"HTTP/1.0"} or not status[:3].isdigit():
        raise _nonsense("it is no HTTP")
    if status[:3] != b"200":
        number = status[:3].decode()
        raise NoAnswerError("RT604", f"the resolver refuses with HTTP status {number}", _VERSIONS)
    lengths = [
        value.strip()
        for name, _, value in (line.partition(b":") for line in lines)
        if name.lower() in {b"content-length", b"transfer-encoding"}
    ]
    if len(lengths) != 1 or not lengths[0].isdigit():
        raise _nonsense("it has no length")
    if len(lengths[0]) > len(str(_LONGEST_BODY)) or int(lengths[0]) > _LONGEST_BODY:
        raise _nonsense(f"it is longer than {_LONGEST_BODY} bytes")
    return int(lengths[0])


def _nonsense(why: str) -> NoAnswerError:
    return NoAnswerError("RT605", f"the resolver's answer makes no sense: {why}", _VERSIONS)
