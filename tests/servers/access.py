"""Who may ask a Zot for what: no authentication, htpasswd with or without ACLs, Bearer tokens.

Statuses, challenges and bodies are as recorded, with what surprises: a 200 at `/v2/` may carry a
challenge, a bad token is refused without one, and what may not be read need not exist.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from http import HTTPStatus
from typing import Protocol

from tests.servers.loopback import Request, Response
from tests.servers.zot_errors import JSON, bare, listed

MANAGEMENT = "/v2/_zot/ext/mgmt"
_BASIC = 'Basic realm="Authorization Required"'
_ACTIONS = {"GET": "pull", "HEAD": "pull", "DELETE": "delete"}


@dataclass(frozen=True)
class Reader:
    """Who asks (*user*, "" for nobody in particular), and which repositories may be read."""

    user: str = ""
    may_read: Callable[[str], bool] = lambda _: True


class Access(Protocol):
    """One way of authentication, with what Zot tells of it.

    *greeting* are the headers of a 200 at `/v2/`; *management* is what mgmt says of `http.auth`.
    """

    @property
    def greeting(self) -> Mapping[str, str]: ...
    @property
    def management(self) -> Mapping[str, object]: ...
    def admit(self, request: Request, name: str) -> Reader | Response:
        """Who asks for the repository *name* ("" for none), or the refusal."""
        ...

    def seconds(self, request: Request) -> float:
        """How long the check of *request* takes."""
        ...


class Anonymous:
    """No authentication: everybody may read everything, and credentials are ignored."""

    greeting: Mapping[str, str] = {}
    management: Mapping[str, object] = {}

    def admit(self, _request: Request, _name: str) -> Reader | Response:
        """Everybody."""
        return Reader()

    def seconds(self, _request: Request) -> float:
        """Nothing to check."""
        return 0.0


@dataclass(frozen=True)
class Htpasswd:
    """Basic authentication by *users* (name to password) and *keys* (API key to its owner).

    *rights* are ACLs: globs of repositories and who may read them, "" being anonymous readers;
    of several matching globs the longest decides. None: every user may read everything.
    *cost* is what a password check takes, in seconds.
    """

    users: Mapping[str, str]
    keys: Mapping[str, str] = field(default_factory=dict)
    rights: Mapping[str, Collection[str]] | None = None
    cost: float = 0.0
    greeting: Mapping[str, str] = field(
        default_factory=lambda: {"Www-Authenticate": "basic realm="}
    )

    @property
    def management(self) -> Mapping[str, object]:
        """As recorded with API keys switched on and off."""
        return {"htpasswd": {}, **({"apikey": True} if self.keys else {})}

    def admit(self, request: Request, name: str) -> Reader | Response:
        """The user, or anonymous where an ACL or the endpoint allows that."""
        user = self._user(request)
        if user is None:
            return bare(HTTPStatus.UNAUTHORIZED, "UNAUTHORIZED", _challenge(_BASIC))
        reader = Reader(user, lambda repository: self._may_read(user, repository))
        if not name or reader.may_read(name):
            return reader
        if user:
            return listed(HTTPStatus.FORBIDDEN, "DENIED", _challenge(_BASIC))
        return listed(HTTPStatus.UNAUTHORIZED, "UNAUTHORIZED", _challenge(_BASIC))

    def seconds(self, request: Request) -> float:
        """Every request with a password costs, right or wrong."""
        return self.cost if request.header("authorization").startswith("Basic ") else 0.0

    def _user(self, request: Request) -> str | None:
        """The user, "" for an anonymous reader who is let in, None for nobody."""
        if request.header("authorization"):
            user, password = basic(request)
            known = user in self.users and self.users[user] == password
            return user if known or self.keys.get(password) == user else None
        # A docker client would take a 200 here for "no password needed" and never send one.
        docker = request.header("user-agent").startswith("docker/") and request.path == "/v2/"
        open_to_all = any("" in users for users in (self.rights or {}).values())
        admitted = request.target == MANAGEMENT or (open_to_all and not docker)
        return "" if admitted else None

    def _may_read(self, user: str, name: str) -> bool:
        if self.rights is None:
            return True
        globs = [glob for glob in self.rights if fnmatchcase(name, glob)]
        return bool(globs) and user in self.rights[max(globs, key=len)]


@dataclass(frozen=True)
class Bearer:
    """Tokens of the server at *realm*; *granted* tells a token's scopes, None for a bad one.

    Scopes are texts as `repository:team/app:pull`, one action each.
    """

    realm: str
    granted: Callable[[str], Collection[str] | None]
    service: str = "registry.example.com"

    @property
    def greeting(self) -> Mapping[str, str]:
        """A challenge that is none, unquoted, as recorded."""
        return {"Www-Authenticate": f"bearer realm={self.realm}"}

    @property
    def management(self) -> Mapping[str, object]:
        """Where tokens come from."""
        return {"bearer": {"realm": self.realm, "service": self.service}}

    def admit(self, request: Request, name: str) -> Reader | Response:
        """A token with the scope lets in; without that scope it is as none; a bad one is worse."""
        header = request.header("authorization")
        if request.target == MANAGEMENT and not header:
            return Reader()
        action = _ACTIONS.get(request.method, "push")
        scope = "" if request.path == "/v2/" else f"repository:{name}:{action}"
        if not header:
            return self._challenge(scope)
        scheme, _, token = header.partition(" ")
        granted = self.granted(token) if scheme.lower() == "bearer" else None
        if granted is None:
            return bare(HTTPStatus.UNAUTHORIZED, "UNSUPPORTED")
        return Reader() if not scope or scope in granted else self._challenge(scope)

    def seconds(self, _request: Request) -> float:
        """A token costs nothing."""
        return 0.0

    def _challenge(self, scope: str) -> Response:
        challenge = f'Bearer realm="{self.realm}",service="{self.service}",scope="{scope}"'
        return bare(HTTPStatus.UNAUTHORIZED, "UNAUTHORIZED", _challenge(challenge))


def basic(request: Request) -> tuple[str, str]:
    """User and password of a request with Basic authentication; empty without."""
    scheme, _, encoded = request.header("authorization").partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        decoded = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    user, _, password = decoded.partition(":")
    return user, password


def _challenge(text: str) -> Mapping[str, str]:
    return {**JSON, "Www-Authenticate": text}
