"""Vectors of kind `pullsecret`: the login that a Secret has for a registry."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable
from typing import Any

from cmp.errors import DeniedError
from cmp.registry.credentials import PullSecret, SecretField, parse_credentials
from cmp.registry.dockerconfig import Address
from cmp.registry.login import read_pull_secret, read_secret
from tests.vectors import Case

_HERE = ("ns", "name")  # where the Secret of each case is
_NONE = {"error": "fetch"}


def answer(case: Case) -> dict[str, str]:
    """The login, or that there is none."""
    source = parse_credentials(case["credential"]).source
    assert isinstance(source, SecretField | PullSecret)
    secret = case["secret"] if (source.namespace, source.name) == _HERE else {}
    try:
        if isinstance(source, SecretField):
            login = read_secret(source, secret)
        else:
            login = read_pull_secret(source, secret, case["registryURL"])
    except DeniedError:
        return _NONE
    return {"username": login.username, "password": login.password}


def expected(case: Case) -> Any:
    """The answer; where the Image Updater's is random, all of its answers."""
    return case["expect"]


def difference(case: Case) -> str | None:
    """Which keys of Docker's config fit, and which of their logins counts."""
    auths = _auths(case)
    url = case["registryURL"]
    by_text = {key for key in auths if key.startswith((url, _without_scheme(url)))}
    by_host = {key for key in auths if Address.parse(key).host == Address.parse(url).host}
    meant = max(by_host, key=_rank(auths), default=None)
    if answer(case) != (_login(auths[meant]) if meant is not None else _NONE):
        return None
    if by_text != by_host:
        return "keys of Docker's config match by host, not as text"
    answers = case["expect"].get("unstable", [case["expect"]])
    if answer(case) in answers:
        return "of several keys that fit, the one with the longest path counts, then the first"
    if _NONE in answers:
        return "username and password are read as well as auth"
    return None


def _rank(auths: dict[str, Any]) -> Callable[[str], tuple[int, int]]:
    """The longest path is first, and of several the first that is written."""
    place = {key: -number for number, key in enumerate(auths)}
    return lambda key: (len(Address.parse(key).path), place[key])


def _auths(case: Case) -> dict[str, Any]:
    try:
        auths = json.loads(case["secret"].get(".dockerconfigjson", "{}"))["auths"]
    except (ValueError, KeyError, TypeError):
        return {}
    return auths if isinstance(auths, dict) else {}


def _without_scheme(url: str) -> str:
    return url.removeprefix("http://").removeprefix("https://").removesuffix("/")


def _login(entry: Any) -> dict[str, Any]:
    """The login that *entry* states, as auth or in two fields."""
    fields = entry if isinstance(entry, dict) else {}
    login = {key: fields.get(key) for key in ("username", "password")}
    if fields.get("auth"):
        try:
            code = fields["auth"].replace("\r", "").replace("\n", "")
            text = b64decode(code, validate=True).decode()
        except (AttributeError, ValueError):
            return _NONE
        username, colon, password = text.partition(":")
        login = {"username": username, "password": password} if colon else {}
    stated = login and all(isinstance(value, str) for value in login.values())
    return login if stated else _NONE
