"""What a registry says with a status that is no answer, as errors that say what to do."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json

from cmp.errors import DeniedError, RegistryError, ThrottledError, UnreachableError, printable
from cmp.registry.credentials import Login
from cmp.registry.http.exchange import HttpResponse
from cmp.registry.http.retry import is_passing

_LONGEST_MESSAGE = 200  # characters of the registry's own words
_LARGEST_ERROR = 64 * 1024  # bytes that are looked at; go-containerregistry reads as many
_LOG_IN = "name one with credentials in registries.conf, or with pullSecret in the rule"
_CHECK = "check its user name, password and rights"
_GRANT = "grant it there; a repository that does not exist may be denied in the same way"
_SLOW_DOWN = "set limit in registries.conf to the requests that it allows in a second"
_LOOK = "look into its log"
_LIKE_A_TOKEN = re.compile(r"[A-Za-z0-9+/=_.~-]{40,}")
_SHORTEST_SECRET = 4  # characters; a shorter one is found in any text by chance


class LoginRefusedError(DeniedError):
    """401, from the registry or from its token server: another login, read afresh, may do."""


@dataclass(frozen=True, slots=True)
class Who:
    """Who asks: *login*, None for nobody, and the *source* it is from, as people write that."""

    login: Login | None
    source: str = ""

    def __str__(self) -> str:
        return f"with the login of {self.source}" if self.login else "without a login"


def refusal(response: HttpResponse, registry: str, subject: str, who: Who) -> RegistryError | None:
    """The error that *response* is; None for one that the caller judges.

    *registry* is its name, *subject* what was asked for.
    """
    status = response.status
    if status < 400:  # a listing of 10,000 tags is not looked through for a message
        return None
    said = message(response, who.login)
    if status == 401:
        what = f"the registry {registry} denies access to {subject} {who}{said}"
        return LoginRefusedError("RT552", what, remedy=remedy(who.login))
    if status == 403:
        what = f"the registry {registry} denies the right to read {subject} {who}{said}"
        return DeniedError("RT553", what, remedy=_GRANT)
    if status == 429:
        what = f"the registry {registry} was asked too often for {subject}{said}"
        return ThrottledError("RT551", what, remedy=_SLOW_DOWN)
    if is_passing(status):
        what = f"the registry {registry} answered with status {status} for {subject}{said}"
        return UnreachableError("RT550", what, remedy=_LOOK)
    return None


def remedy(login: Login | None) -> str:
    """What to do where *login* does not do."""
    return _CHECK if login else _LOG_IN


def message(response: HttpResponse, login: Login | None) -> str:
    """`: ` and what the registry says of its error, short and printable; "" for nothing.

    Errors come as a list, as one object, as plain text, and not at all. Pages are passed over, and
    so is what repeats the password of *login*; what has the length of a token is left out.
    """
    said = "; ".join(filter(None, _words(response.body[:_LARGEST_ERROR])))
    secrets = (login.password, encoded(login)) if login else ()
    if any(len(secret) >= _SHORTEST_SECRET and secret in said for secret in secrets):
        return ""
    text = _LIKE_A_TOKEN.sub("…", printable(said)).strip()
    if len(text) > _LONGEST_MESSAGE:
        text = text[: _LONGEST_MESSAGE - 1] + "…"
    return text and f": {text}"


def encoded(login: Login) -> str:
    """*login* as Basic sends it (RFC 7617, in UTF-8)."""
    # Bytes of an environment variable that are no UTF-8 go out as they came in.
    pair = f"{login.username}:{login.password}".encode(errors="surrogateescape")
    return b64encode(pair).decode()


def _words(body: bytes) -> Iterator[str]:
    text = body.decode(errors="replace").strip()
    try:
        answer = from_json(text)
    except ValueError:
        if not text.startswith(("<", "{", "[")):
            yield text
        return
    errors = answer.get("errors", answer) if isinstance(answer, dict) else answer
    for error in errors if isinstance(errors, list) else [errors]:
        yield from _of_error(error)


def _of_error(error: Any) -> Iterator[str]:
    if isinstance(error, str):
        yield error
    elif isinstance(error, dict):
        words = (error.get("code"), error.get("message"))
        yield " ".join(word for word in words if isinstance(word, str) and word)
