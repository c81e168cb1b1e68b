"""A registry that is a table of answers, behind a real `RegistryApi`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from cmp.errors import BadReplyError, RegistryError
from cmp.registry.endpoint import Endpoint
from cmp.registry.http.api import RegistryApi
from cmp.registry.http.exchange import Exchange, HttpRequest, HttpResponse
from cmp.registry.logins import Logins
from cmp.registry.secrets import NoSecrets
from tests.servers.images import Document

NOT_FOUND = b"404 page not found\n"
NAME_UNKNOWN = b'{"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known"}]}'

Answer = HttpResponse | RegistryError


def answer(
    body: Any = b"", status: int = 200, headers: Mapping[str, str] | None = None
) -> HttpResponse:
    """A response; *body* is bytes, or what to write as JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpResponse(status, tuple((headers or {}).items()), raw)


def page(names: Iterable[str] | None, link: str = "") -> HttpResponse:
    """A page of tags/list, with the header Link."""
    tags = None if names is None else list(names)
    return answer({"name": "app", "tags": tags}, headers={"link": link} if link else {})


class FakeRegistry:
    """An `Exchange` that answers by `METHOD /path?query` and notes what was asked.

    An answer may be a list, of which each question takes the next, the last again and again.
    *otherwise* answers what is not in the table; else that is 404.
    """

    def __init__(
        self,
        answers: Mapping[str, Answer | list[Answer]],
        otherwise: Callable[[HttpRequest], Answer] = lambda _: answer(NOT_FOUND, 404),
    ) -> None:
        self.answers = dict(answers)
        self.otherwise = otherwise
        self.requests: list[HttpRequest] = []
        self.closed = 0

    @property
    def asked(self) -> list[str]:
        """What was asked, as the keys of the answers."""
        return [_key(request) for request in self.requests]

    async def aclose(self) -> None:
        """Note that nobody will ask any more."""
        self.closed += 1

    async def __call__(self, request: HttpRequest, /, *, seconds: float) -> HttpResponse:
        """The next answer, checked against the limit as a client does."""
        assert seconds > 0
        self.requests.append(request)
        await asyncio.sleep(0)
        found = self.answers.get(_key(request)) or self.otherwise(request)
        if isinstance(found, list):
            found = found.pop(0) if len(found) > 1 else found[0]
        if isinstance(found, RegistryError):
            raise found
        if len(found.body) > request.limit:
            raise BadReplyError("RT549", "the answer is too large")
        return found


def _key(request: HttpRequest) -> str:
    url = urlsplit(request.url)
    return f"{request.method} {url.path}" + (f"?{url.query}" if url.query else "")


def endpoint(**fields: Any) -> Endpoint:
    """The registry registry.example.com."""
    known = {"name": "example", "prefix": "registry.example.com"}
    return Endpoint(**known | {"api_url": "https://registry.example.com"} | fields)


def registry_api(registry: Exchange, at: Endpoint | None = None) -> RegistryApi:
    """What asks *registry* without a login, and without waiting."""
    logins = Logins(NoSecrets(), environment={}, clock=_standing)
    return RegistryApi(
        at or endpoint(), registry, logins, clock=_standing, sleep=_pause, jitter=_standing
    )


async def _pause(_seconds: float) -> None:
    await asyncio.sleep(0)


def _standing() -> float:
    return 0.0


def holding(path: str, tags: Mapping[str, Document]) -> dict[str, Answer | list[Answer]]:
    """The answers of a registry that is no Zot, and has *tags* in the repository *path*."""
    answers: dict[str, Answer | list[Answer]] = {f"GET /v2/{path}/tags/list": page(tags)}
    for tag, document in tags.items():
        named = _served(document)
        answers[f"HEAD /v2/{path}/manifests/{tag}"] = replace(named, body=b"")
        answers[f"GET /v2/{path}/manifests/{document.digest}"] = named
        for child in document.children:
            answers[f"GET /v2/{path}/manifests/{child.digest}"] = _served(child)
        for blob in (
            *document.blobs,
            *(blob for each in document.children for blob in each.blobs),
        ):
            answers[f"GET /v2/{path}/blobs/{blob.digest}"] = answer(blob.body)
    return answers


def _served(document: Document) -> HttpResponse:
    named = {"content-type": document.media_type, "docker-content-digest": document.digest}
    return answer(document.body, headers=named)
