"""What stands in for the network, the clock and chance in the tests of registries over HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

from cmp.registry.endpoint import Endpoint
from cmp.registry.http.api import RegistryApi
from cmp.registry.http.exchange import Exchange, HttpRequest, HttpResponse
from cmp.registry.logins import Logins
from cmp.registry.secrets import NoSecrets, Secrets

DATA = Path(__file__).parents[2] / "servers/recorded"
URL = "https://registry.example.com"
PASSWORD = "made-up-password"
BASIC = "Basic YWxpY2U6bWFkZS11cC1wYXNzd29yZA=="  # alice:made-up-password

Answer = HttpResponse | Exception
Answering = Callable[[HttpRequest], Answer]


class Clock:
    """Time that passes by sleeping alone."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class Wire:
    """An exchange that answers by a function, or by what it is given, the last time and again."""

    def __init__(self, answers: Answering | Iterable[Answer]) -> None:
        self.requests: list[HttpRequest] = []
        self.seconds: list[float] = []
        self._answers = answers if callable(answers) else _in_turn(answers)

    async def __call__(self, request: HttpRequest, /, *, seconds: float) -> HttpResponse:
        self.requests.append(request)
        self.seconds.append(seconds)
        answer = self._answers(request)
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def authorizations(self) -> list[str]:
        """The header of each request, "" for none."""
        return [request.headers.get("authorization", "") for request in self.requests]

    @property
    def urls(self) -> list[str]:
        return [request.url for request in self.requests]


def _in_turn(answers: Iterable[Answer]) -> Answering:
    waiting = list(answers)

    def answer(_: HttpRequest) -> Answer:
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]

    return answer


def recorded(name: str) -> HttpResponse:
    """The answer of Zot, or of another registry, that is recorded as *name*."""
    answer = json.loads((DATA / f"{name}.json").read_text())["response"]
    headers = tuple((name.lower(), value) for name, value in answer["headers"])
    return HttpResponse(answer["status"], headers, (answer["body"] or "").encode())


def response(status: int, body: str = "", **headers: str) -> HttpResponse:
    """*headers* are named with `_` for `-`."""
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return HttpResponse(status, named, body.encode())


OK = response(200, "{}")


def challenge(value: str) -> HttpResponse:
    return response(401, www_authenticate=value)


def bearer(
    scope: str = "repository:demo/app:pull", *, realm: str = f"{URL}/token"
) -> HttpResponse:
    return challenge(f'Bearer realm="{realm}",service="lab",scope="{scope}"')


def endpoint(url: str = URL, *, login: bool = True, **fields: object) -> Endpoint:
    credentials = "env:LOGIN" if login else ""
    values = {"name": "lab", "api_url": url, "credentials": credentials} | fields
    return Endpoint.model_validate(values)


def api(
    wire: Exchange,
    at: Endpoint | None = None,
    *,
    clock: Clock | None = None,
    environment: dict[str, str] | None = None,
    secrets: Secrets | None = None,
    seconds: float = 20.0,
) -> RegistryApi:
    """The registry *at*, whose login is alice's."""
    clock = clock or Clock()
    known = {"LOGIN": f"alice:{PASSWORD}"} if environment is None else environment
    logins = Logins(secrets or NoSecrets(), environment=known, clock=clock)
    return RegistryApi(
        at or endpoint(),
        wire,
        logins,
        clock=clock,
        sleep=clock.sleep,
        jitter=lambda: 0.5,
        seconds=seconds,
    )
