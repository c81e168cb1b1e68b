"""What a registry says with a status that is no answer, as errors that say what to do."""

from __future__ import annotations

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
    said = message(response, who.login)
    if status == 401:
        what = f"the registry {registry} denies access to {subject} {who}{said}"
        return LoginRefusedError("RT552", what, remedy=_LOG_IN if who.login is None else _CHECK)
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


def message(response: HttpResponse, login: Login | None) -> str:
    """`: ` and what the registry says of its error, short and printable; "" for nothing.

    Errors come as a list, as one object, as plain text, and not at all; pages are passed over,
    and so is what repeats a piece of *login*.
    """
    text = printable("; ".join(_words(response.body[:_LARGEST_ERROR]))).strip()
    secrets = (login.username, login.password) if login else ()
    known = any(len(secret) >= _SHORTEST_SECRET and secret in text for secret in secrets)
    if not text or known:
        return ""
    return ": " + (text if len(text) <= _LONGEST_MESSAGE else text[: _LONGEST_MESSAGE - 1] + "…")


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
