"""A server on this machine that counts who comes, and serves files to those who ask."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import BaseServer
from typing import Any


@dataclass
class Server:
    """*port* on 127.0.0.1; *connections* and *paths* asked for so far."""

    port: int
    connections: int = 0
    paths: list[str] = field(default_factory=list)


@contextmanager
def serving(files: Mapping[str, bytes] | None = None) -> Iterator[Server]:
    """A server of *files*: path and content."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.paths.append(self.path)
            content = (files or {}).get(self.path)
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_: Any) -> None:
            pass

    class Counting(ThreadingHTTPServer):
        def get_request(self) -> Any:
            server.connections += 1
            return super().get_request()

        def handle_error(self, *_: Any) -> None:
            pass

    http: BaseServer
    with Counting(("127.0.0.1", 0), Handler) as http:
        server = Server(http.server_port)
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()
