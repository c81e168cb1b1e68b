"""What it takes to ask the registries of registries.conf: a client, an API and a source for each.

They are made when a registry is first asked, and live until `Connections.aclose`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

from cmp.registry.endpoint import Endpoint
from cmp.registry.http.addresses import listed_hosts
from cmp.registry.http.api import RegistryApi
from cmp.registry.http.exchange import Exchange
from cmp.registry.http.source import HttpSource
from cmp.registry.http.tls import make_context
from cmp.registry.logins import Logins
from cmp.registry.secrets import NoSecrets, Secrets


class Client(Exchange, Protocol):
    """An `Exchange` that holds connections."""

    async def aclose(self) -> None:
        """Close them."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Where registries' logins and certificates are, and who exchanges requests.

    *secrets* are those that credentials name. *certificates* is a folder with a file of
    authorities for each host, as Argo CD mounts argocd-tls-certs-cm. *environment* holds proxies
    and the credentials `env:` names. *client* makes who speaks HTTP, `HttpClient` by default.
    """

    secrets: Secrets = field(default_factory=NoSecrets)
    certificates: Path | None = None
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    client: Callable[[Endpoint], Client] | None = None


@dataclass(frozen=True, slots=True)
class Connection:
    """One registry over HTTP: *client* speaks, *api* asks, *source* answers."""

    client: Client
    api: RegistryApi
    source: HttpSource


class Connections:
    """The connections to registries, by prefix, which is unique.

    *base* is the folder that relative paths of certificates start from. *clock* gives seconds
    since the epoch, *monotonic* some that never go back.
    """

    def __init__(
        self,
        base: Path,
        surroundings: Surroundings,
        *,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self._base = base
        self._surroundings = surroundings
        self._clock = clock
        self._monotonic = monotonic
        self._logins = Logins(
            surroundings.secrets, environment=surroundings.environment, clock=monotonic
        )
        self._open: dict[str, Connection] = {}

    def to(self, endpoint: Endpoint) -> Connection:
        """The connection to *endpoint*. Raises `RegistryError` where its api_url is no URL."""
        connection = self._open.get(endpoint.prefix)
        if connection is None:
            connection = self._open[endpoint.prefix] = self._connection(endpoint)
        return connection

    @property
    def remarks(self) -> tuple[str, ...]:
        """What people should know of the registries that were asked."""
        return tuple(remark for each in self._open.values() for remark in each.source.remarks)

    async def aclose(self) -> None:
        """Close all; who asks later connects anew."""
        while self._open:
            _, connection = self._open.popitem()
            await connection.client.aclose()

    def _connection(self, endpoint: Endpoint) -> Connection:
        client = (self._surroundings.client or self._client)(endpoint)
        api = RegistryApi(endpoint, client, self._logins, clock=self._monotonic)
        source = HttpSource(endpoint, api, clock=self._clock, monotonic=self._monotonic)
        return Connection(client, api, source)

    def _client(self, endpoint: Endpoint) -> Client:
        # Here alone: httpx takes a third of a command's start, and storage roots need none.
        from cmp.registry.http.client import HttpClient  # noqa: PLC0415

        return HttpClient(
            partial(make_context, endpoint, self._base, self._surroundings.certificates),
            listed=listed_hosts(endpoint),
            environment=self._surroundings.environment,
            clock=self._monotonic,
        )
