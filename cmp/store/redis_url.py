"""`Server`: where a Redis is, from a URL of which nothing is printed but the place."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from cmp.errors import UsageError, printable

_PORT = 6379
_REMEDY = (
    "write memory, a path that has a / in it, sqlite:PATH, redis://HOST:PORT/DB,"
    " rediss://HOST:PORT/DB or unix:///PATH"
)
_OPTIONS = {"db", "ssl_ca_certs"}


@dataclass(frozen=True, slots=True)
class Server:
    """A Redis or Valkey at *host* and *port*, or at the socket *path* if that is not "".

    With *tls* its certificate is checked, by the authorities in the file *authorities* ("": the
    system's). The password is in *password_file* if that is not None, read for each connection.
    """

    place: str
    host: str = ""
    port: int = _PORT
    path: str = ""
    database: int = 0
    tls: bool = False
    authorities: str = ""
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    password_file: Path | None = None


def no_store(what: str) -> UsageError:
    """That --store is wrong; *what* holds nothing of a URL, which may have a password."""
    return UsageError("RT256", f"--store: {what}", remedy=_REMEDY)


def parse_server(text: str, password_file: Path | None) -> Server:
    """The server that the URL *text* names. Raises `UsageError` RT256."""
    try:
        url = urlsplit(text)
        port = url.port or _PORT
    except ValueError:
        raise no_store("this is no URL") from None
    if url.scheme not in {"redis", "rediss", "unix"}:
        raise no_store("this is no store")
    options = _options(url)
    at_path = url.scheme == "unix"
    host = url.hostname or ""
    if (at_path and not url.path) or (not at_path and not host):
        raise no_store("the URL names no server")
    return Server(
        place=printable(f"Redis at {unquote(url.path) if at_path else f'{host}:{port}'}"),
        host="" if at_path else host,
        port=port,
        path=unquote(url.path) if at_path else "",
        database=_database(options.get("db", "" if at_path else url.path.strip("/"))),
        tls=url.scheme == "rediss",
        authorities=options.get("ssl_ca_certs", ""),
        username=unquote(url.username or ""),
        password=unquote(url.password or ""),
        password_file=password_file,
    )


def _options(url: SplitResult) -> dict[str, str]:
    try:
        options = dict(parse_qsl(url.query, strict_parsing=bool(url.query)))
    except ValueError:
        raise no_store("the URL's query is none") from None
    if not options.keys() <= _OPTIONS or url.fragment:
        raise no_store(f"the URL may have {' and '.join(sorted(_OPTIONS))} after ?, nothing else")
    return options


def _database(text: str) -> int:
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) < 6):
        raise no_store("the database is a number")
    return int(text)
