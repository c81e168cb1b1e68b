"""Docker's config.json, as image pull Secrets hold it: which of its logins a registry gets.

A key is a host with a path, or a URL. The registry's host must be the key's, with its port and in
any letter case; of several keys the one with the longest path counts that leads to the repository,
then the first. `credHelpers` and identity tokens are not used: they need programs and exchanges.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json

from cmp.errors import DeniedError
from cmp.registry.credentials import Login

# Docker Hub is logged in to at https://index.docker.io/v1/, and asked at registry-1.docker.io.
_HUB = "registry-1.docker.io"
_HUB_ALIASES = frozenset({"docker.io", "index.docker.io", _HUB})
_DEFAULT_PORTS = {"http": "80", "https": "443"}


@dataclass(frozen=True, slots=True)
class Address:
    """The *host*, with its port if that is not the scheme's own, and *path* of a URL or a key."""

    host: str
    path: str

    @classmethod
    def parse(cls, text: str) -> Address:
        """The address that *text* is. Never fails: what is no address is no registry's."""
        scheme, separator, rest = text.partition("://")
        host, _, path = (rest if separator else text).lower().partition("/")
        host = host.removesuffix(f":{_DEFAULT_PORTS.get(scheme.lower(), '443')}")
        path = path.strip("/")
        # Where Docker logs in: no part of a repository. kubelet leaves it out, too.
        path = "" if path in ("v1", "v2") else path.removeprefix("v1/").removeprefix("v2/")
        return cls(_HUB if host in _HUB_ALIASES else host, path)


def read_docker_config(text: str, api_url: str, repository: str | None = None) -> Login:
    """The login that config.json *text* has for the registry at *api_url*.

    *repository* is the path that is asked for; without one every key of the host fits. Raises
    `DeniedError` if there is none, or if the one that counts is malformed.
    """
    wanted = Address.parse(api_url)
    fitting = [
        (address.path, entry)
        for address, entry in _entries(text)
        if address.host == wanted.host and _leads_to(address.path, repository)
    ]
    if not fitting:
        raise DeniedError("RT524", f"the pull secret has no login for {wanted.host}")
    _, entry = max(fitting, key=lambda each: len(each[0]))
    return _login(entry, wanted.host)


def _entries(text: str) -> Iterator[tuple[Address, Any]]:
    try:
        config = from_json(text)
    except ValueError:  # whose message shows a piece of the text
        raise DeniedError("RT525", "the pull secret is not JSON") from None
    auths = config.get("auths") if isinstance(config, dict) else None
    if not isinstance(auths, dict):
        raise DeniedError("RT525", "the pull secret is not a Docker config with auths")
    for key, entry in auths.items():
        yield Address.parse(key), entry


def _leads_to(path: str, repository: str | None) -> bool:
    return not path or repository is None or f"{repository}/".startswith(f"{path}/")


def _login(entry: Any, host: str) -> Login:
    fields = entry if isinstance(entry, dict) else {}
    auth = fields.get("auth")
    if isinstance(auth, str) and auth:
        return _decoded(auth, host)
    username, password = fields.get("username"), fields.get("password")
    if auth or not isinstance(username, str) or not isinstance(password, str):
        raise _malformed(host)
    return Login(username, password)


def _decoded(auth: str, host: str) -> Login:
    try:
        # Go's decoder, Docker's own, passes over line ends.
        text = base64.b64decode(auth.replace("\r", "").replace("\n", ""), validate=True).decode()
    except ValueError:  # binascii's error is one
        raise _malformed(host) from None
    username, colon, password = text.partition(":")
    if not colon:
        raise _malformed(host)
    return Login(username, password)


def _malformed(host: str) -> DeniedError:
    return DeniedError("RT525", f"the pull secret's login for {host} is malformed")
