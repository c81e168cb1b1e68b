"""One request of Argo CD's, from the environment that it gives to an exit code.

    connect → say the environment → render → say the manifests → read the answer → write it

What is imported here, each request pays for: Python itself starts in 8 ms, `os` would add one,
`re` five, `dataclasses` or `enum` more than ten. So the warm path makes do with `posix`, which is
what `os` is made of, and with modules that are built in. All else is imported when it is needed.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # typeshed has `signal` alone, which needs enum
import posix
import time

from cmp.plugin import connection, quick, wire
from cmp.plugin.faults import ClosedError, LateError, NoAnswerError

DEADLINE = 20.0  # seconds for everything; Argo CD kills the plugin after 60, without a word
PATIENCE = 3.0  # seconds in which a resolver that is being started anew comes back
# The same where it died amid a request: it was there, and comes back once its Pod has the CPU.
RETURN = 10.0
# Seconds before it is asked again if it closes the connection. A process that was killed may take
# who connects until the kernel has closed its socket, too.
_PAUSES = (0.05, 0.2, 0.5)
SOCKET = b"/run/retag/resolver.sock"

_PATHS = {"generate": wire.GENERATE, "parameters": wire.PARAMETERS}
_NO_ANNOUNCEMENT = b"[]"
_NOT_WRITTEN = 6  # the exit code where nobody takes what is to be written

_Reply = tuple[int, bytes, bytes]  # exit code, stderr, stdout


def main(
    arguments: list[str],
    environment: dict[bytes, bytes] = posix.environ,
    *,
    seconds: float = DEADLINE,
    patience: float = PATIENCE,
) -> int:
    """Do what *arguments* say, `generate` or `parameters`, within *seconds*; the exit code.

    *environment* is what Argo CD and the container say. A resolver that is not there is waited for
    *patience* seconds, and one that dies for `RETURN`. On stdout stands the whole answer, or
    nothing if the exit code is not 0.
    """
    ends = time.monotonic() + seconds
    _signal.signal(_signal.SIGALRM, _late)
    _signal.setitimer(_signal.ITIMER_REAL, seconds)
    try:
        code, stderr, stdout = _answer(arguments, environment, ends, patience)
    except (Exception, LateError) as error:  # noqa: BLE001  # whatever it is, one line says it
        code, stderr, stdout = _explain(error, environment)
    # From here on, its default action ends us: there is nothing left that could be said.
    _signal.signal(_signal.SIGALRM, _signal.SIG_DFL)
    if code and arguments == ["parameters"]:
        # Without the announcement, Argo CD's whole Parameters tab would fail.
        code, stdout = 0, _NO_ANNOUNCEMENT
    try:
        return code if _write(stderr, stdout) else _NOT_WRITTEN
    finally:
        _signal.setitimer(_signal.ITIMER_REAL, 0)


def _late(_number: int, _frame: object) -> None:
    raise LateError


def _answer(
    arguments: list[str], environment: dict[bytes, bytes], ends: float, patience: float
) -> _Reply:
    """What the resolver says of the source in the working folder. Raises what went wrong."""
    path = _PATHS.get(" ".join(arguments))
    if path is None:
        raise NoAnswerError(
            "RT608", "the plugin is started in another way than it knows", "use its plugin.yaml"
        )
    address = environment.get(b"RETAG_SOCKET") or SOCKET
    packed = wire.pack_environment(environment)
    resolver = connection.connect(address, patience)
    try:
        connection.begin(resolver, path, packed)
        manifests = _render(environment, ends)
        for pause in _PAUSES:
            try:
                return connection.finish(resolver, manifests)
            except ClosedError:
                # It died, and may be there again: Argo CD remembers a failure for an hour. To ask
                # again does no harm, since nothing is changed by an answer.
                resolver.close()
                time.sleep(pause)
                resolver = connection.connect(address, RETURN)
                connection.begin(resolver, path, packed)
        return connection.finish(resolver, manifests)
    finally:
        resolver.close()


def _render(environment: dict[bytes, bytes], ends: float) -> bytes:
    """The source's manifests as they are, for which programs have until *ends* (monotonic)."""
    try:
        manifests = quick.render(environment)
        if manifests is not None:
            return manifests
        from cmp.plugin import full  # noqa: PLC0415  # it takes as long as all of the above

        return full.render(environment, ends)
    except LateError:
        raise NoAnswerError("RT432", "the source was not rendered in time", exit_code=4) from None


def _explain(error: BaseException, environment: dict[bytes, bytes]) -> _Reply:
    _signal.setitimer(_signal.ITIMER_REAL, 0)  # one line is being said, and no second one
    from cmp.plugin.failure import explain  # noqa: PLC0415  # as above

    code, stderr = explain(error, environment)
    return code, stderr, b""


def _write(stderr: bytes, stdout: bytes) -> bool:
    """Write both, each once and whole; whether somebody took stdout."""
    _write_to(2, stderr)  # for the log: if nobody wants it, that is no reason to fail
    return _write_to(1, stdout)


def _write_to(descriptor: int, data: bytes) -> bool:
    view = memoryview(data)
    try:
        while view:
            view = view[posix.write(descriptor, view) :]
    except OSError:
        return False
    return True
