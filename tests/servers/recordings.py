"""Exchanges recorded from real registries (`recorded/`), and how to have them again."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.servers.loopback import PATIENCE

FOLDER = Path(__file__).parent / "recorded"
# What is never compared: the time, what browsers need for scripts of other hosts, and the
# client's port.
_NEVER = ("date", "access-control-", "x-rate-limit-request-remote-addr")


@dataclass(frozen=True)
class Answer:
    """A response, ready to be compared; the names of *headers* in lower case."""

    status: int
    headers: Mapping[str, str]
    body: str

    @property
    def json(self) -> Any:
        """The body as JSON, where it says it is; else its text."""
        is_json = "json" in self.headers.get("content-type", "") and self.body
        return json.loads(self.body) if is_json else self.body


@dataclass(frozen=True)
class Recording:
    """One exchange; *name* is its path below `recorded/`, *mode* how the server was set up."""

    name: str
    mode: str
    method: str
    target: str
    answer: Answer
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None


def recordings(*folders: str) -> list[Recording]:
    """All exchanges in *folders* of `recorded/`."""
    paths = sorted(path for folder in folders for path in (FOLDER / folder).glob("*.json"))
    return [_read(path) for path in paths]


def ask(
    url: str,
    method: str,
    target: str,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    *,
    tls: ssl.SSLContext | None = None,
) -> Answer:
    """Send one request to the server at *url* (without a path), on a connection of its own."""
    scheme, _, address = url.partition("://")
    connection = (
        http.client.HTTPSConnection(address, timeout=PATIENCE, context=tls)
        if scheme == "https"
        else http.client.HTTPConnection(address, timeout=PATIENCE)
    )
    try:
        connection.request(method, target, body, dict(headers or {}))
        response = connection.getresponse()
        text = response.read().decode()
        return Answer(response.status, _comparable(dict(response.getheaders())), text)
    finally:
        connection.close()


def _read(path: Path) -> Recording:
    document = json.loads(path.read_text())
    request, response = document["request"], document["response"]
    headers = _comparable(dict(response["headers"]))
    return Recording(
        name=f"{path.parent.name}/{path.name}",
        mode=document["mode"],
        method=request["method"],
        target=request["path"],
        answer=Answer(response["status"], headers, response["body"]),
        headers=request["headers"],
        body=request["body"],
    )


def _comparable(headers: Mapping[str, str]) -> dict[str, str]:
    lower = {name.lower(): value for name, value in headers.items()}
    return {name: value for name, value in lower.items() if not name.startswith(_NEVER)}
