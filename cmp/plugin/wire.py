"""What plugin and resolver say to each other, as bytes; HTTP/1.1 carries it over a Unix socket.

A request is the environment that Argo CD gave, then the rendered manifests:

    retag 1 <bytes of the environment>\\n  NAME=VALUE\\0 NAME=VALUE\\0 …  manifests

The environment is sent at once, so that the resolver looks up tags while the source is rendered. A
reply has an exit code, what belongs on stderr and on stdout, and a mark at its end:

    retag 1 <exit code> <bytes of stderr> <bytes of stdout>\\n  stderr  stdout  \\nretag end\\n
"""

from __future__ import annotations

GENERATE = "/v1/generate"  # the rewritten manifests
PARAMETERS = "/v1/parameters"  # what Argo CD's Parameters tab shows of them, as JSON
EXPLAIN = "/v1/explain"  # why each image has its tag, as JSON

LARGEST_ENVIRONMENT = 4 * 1024 * 1024  # bytes; Linux passes a program 2 MB of it by default
LARGEST_MANIFESTS = 100 * 1024 * 1024  # bytes; Argo CD takes no longer answer from a plugin
LONGEST_STDERR = 4096  # bytes; the text becomes part of the Application's status

_MAGIC = b"retag 1 "
_END = b"\nretag end\n"
_LONGEST_LINE = 100
_NAMES = (b"KUBE_VERSION", b"KUBE_API_VERSIONS")
_PREFIXES = (b"ARGOCD_APP_", b"ARGOCD_ENV_RETAG_")


class WireError(Exception):
    """What was received is not what is written above."""


def pack_environment(environment: dict[bytes, bytes]) -> bytes:
    """The beginning of a request: of *environment* only what Argo CD says of the Application."""
    block = b"".join(
        name + b"=" + value + b"\0"
        for name, value in environment.items()
        if name in _NAMES or name.startswith(_PREFIXES)
    )
    return _MAGIC + b"%d\n" % len(block) + block


def unpack_environment(body: bytes | bytearray) -> tuple[dict[str, str], int] | None:
    """The environment at the beginning of *body*, and where the manifests begin.

    None while it is not whole. What is no UTF-8 is replaced. Raises `WireError`.
    """
    end = body.find(b"\n", 0, _LONGEST_LINE)
    if end < 0 and len(body) < _LONGEST_LINE and _MAGIC.startswith(body[: len(_MAGIC)]):
        return None
    [size] = _numbers(bytes(body[: max(end, 0)]), 1)
    if size > LARGEST_ENVIRONMENT:
        raise WireError(f"an environment of more than {LARGEST_ENVIRONMENT} bytes")
    start = end + 1
    if len(body) < start + size:
        return None
    pairs = body[start : start + size].decode("utf-8", "replace").split("\0")[:-1]
    if not all("=" in pair for pair in pairs):
        raise WireError("an environment that is none")
    return dict(pair.split("=", 1) for pair in pairs), start + size


def pack_reply(exit_code: int, stderr: bytes, stdout: bytes) -> bytes:
    """A whole reply."""
    return _MAGIC + b"%d %d %d\n" % (exit_code, len(stderr), len(stdout)) + stderr + stdout + _END


def unpack_reply(body: bytes) -> tuple[int, bytes, bytes]:
    """Exit code, stderr and stdout of *body*, a whole reply. Raises `WireError`."""
    end = body.find(b"\n", 0, _LONGEST_LINE)
    code, errors, output = _numbers(body[: max(end, 0)], 3)
    start = end + 1
    middle, last = start + errors, start + errors + output
    if body[last:] != _END:
        raise WireError("it is cut short, or goes on")
    return code, body[start:middle], body[middle:last]


def cut_stderr(text: str) -> bytes:
    """*text* as stderr may be: cut after `LONGEST_STDERR` bytes, between two characters."""
    encoded = text.encode("utf-8", "backslashreplace")
    if len(encoded) <= LONGEST_STDERR:
        return encoded
    mark = "…\n".encode()
    return encoded[: LONGEST_STDERR - len(mark)].decode("utf-8", "ignore").encode() + mark


def _numbers(line: bytes, count: int) -> list[int]:
    if not line.startswith(_MAGIC):
        raise WireError("it does not begin as it should")
    words = line[len(_MAGIC) :].split(b" ")
    if len(words) != count or not all(word.isdigit() for word in words):
        raise WireError("its first line is another")
    return [int(word) for word in words]
