"""A token server: gives Bearer tokens for the scopes asked for, as the Docker token protocol says.

Its tokens are opaque names that `ZotServer` looks up, or, with a `Signer`, JWTs that CNCF
distribution verifies.
"""

from __future__ import annotations

import base64
import itertools
import ssl
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding

from tests.servers.access import basic
from tests.servers.certificates import Issued
from tests.servers.images import compact
from tests.servers.loopback import LoopbackServer, Request, Response
from tests.servers.zot_errors import JSON


@dataclass(frozen=True)
class Signer:
    """Signs JWTs (ES256) with the key of a certificate, which it sends along (`x5c`)."""

    issued: Issued
    trusted: Path  # the certificate of who issued it

    def sign(self, claims: Mapping[str, object]) -> str:
        """A JWT of *claims*."""
        certificate = base64.b64encode(self.issued.certificate.public_bytes(Encoding.DER))
        header = {"typ": "JWT", "alg": "ES256", "x5c": [certificate.decode()]}
        signed = f"{_base64(compact(header))}.{_base64(compact(claims))}"
        der = self.issued.key.sign(signed.encode(), ec.ECDSA(hashes.SHA256()))
        halves = (part.to_bytes(32, "big") for part in decode_dss_signature(der))
        return f"{signed}.{_base64(b''.join(halves))}"


class TokenServer(LoopbackServer):
    """Gives tokens at `realm` to *users* (name to password), and to nobody in particular.

    *allow* says whether a user ("" for nobody) gets a scope as `repository:team/app:pull`; what
    is refused is left out of the token, as the protocol wants. *fields* name the answer's token
    (`token`, `access_token`); *lifetime* is in seconds, *stated* is told as `expires_in` (None:
    not told; by default the lifetime). *clock* counts seconds since the epoch.
    """

    def __init__(
        self,
        users: Mapping[str, str] | None = None,
        *,
        allow: Callable[[str, str], bool] = lambda _user, _scope: True,
        fields: Collection[str] = ("token", "access_token"),
        lifetime: int = 300,
        stated: int | None = -1,
        clock: Callable[[], float] = time.time,
        signer: Signer | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(self._give, tls=tls)
        self.issuer = "tokens.example.com"
        self.lifetime = lifetime
        self.stated = stated
        self._users = users or {}
        self._allow = allow
        self._fields = tuple(fields)
        self._clock = clock
        self._signer = signer
        self._count = itertools.count(1)
        self._tokens: dict[str, tuple[float, frozenset[str]]] = {}

    @property
    def realm(self) -> str:
        """Where tokens are had."""
        return f"{self.url}/auth/token"

    def granted(self, token: str) -> Collection[str] | None:
        """The scopes of *token*, one action each; None where it is unknown or expired."""
        expires, scopes = self._tokens.get(token, (0.0, frozenset()))
        return scopes if self._clock() < expires else None

    def issue(self, service: str, scopes: Collection[str], user: str = "") -> str:
        """A token with *scopes*, one action each, without asking whether they are allowed."""
        token = self._token(user, service, scopes)
        self._tokens[token] = self._clock() + self.lifetime, frozenset(scopes)
        return token

    def revoke(self) -> None:
        """No token given so far is good any more."""
        self._tokens.clear()

    def _give(self, request: Request) -> Response:
        if request.method != "GET" or request.path != "/auth/token":
            return Response(HTTPStatus.NOT_FOUND)
        user, password = basic(request)
        if request.header("authorization") and self._users.get(user) != password:
            refused = {"errors": [{"code": "UNAUTHORIZED", "message": "wrong credentials"}]}
            return Response(HTTPStatus.UNAUTHORIZED, JSON, compact(refused))
        scopes = [scope for scope in _asked(request) if self._allow(user, scope)]
        token = self.issue(dict(request.query).get("service", ""), scopes, user)
        answer: dict[str, object] = dict.fromkeys(self._fields, token)
        stated = self.lifetime if self.stated == -1 else self.stated
        if stated is not None:
            answer["expires_in"] = stated
        return Response(HTTPStatus.OK, JSON, compact(answer))

    def _token(self, user: str, service: str, scopes: Collection[str]) -> str:
        number = next(self._count)
        if self._signer is None:
            return f"made-up-token-{number}"
        now = int(self._clock())
        claims = {
            "iss": self.issuer,
            "sub": user,
            "aud": service,
            "exp": now + self.lifetime,
            "nbf": now - 10,
            "iat": now,
            "jti": str(number),
            "access": _access(scopes),
        }
        return self._signer.sign(claims)


def _asked(request: Request) -> list[str]:
    """The scopes of a request, split into one for each action."""
    texts = [text for name, value in request.query if name == "scope" for text in value.split()]
    parts = [text.rpartition(":") for text in texts]
    return [
        f"{resource}:{action}" for resource, _, actions in parts for action in actions.split(",")
    ]


def _access(scopes: Collection[str]) -> list[dict[str, Any]]:
    """Scopes in the form of the claim `access`."""
    parts = (scope.split(":", 2) for scope in sorted(scopes) if scope.count(":") == 2)
    return [{"type": kind, "name": name, "actions": [action]} for kind, name, action in parts]


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
