"""Vectors of kind `credential`: what credentials mean, and what the environment has."""

from __future__ import annotations

from typing import Any

from cmp.errors import DeniedError
from cmp.registry.credentials import (
    Credentials,
    EnvironmentPair,
    EnvironmentVariable,
    InvalidCredentialsError,
    PullSecret,
    Script,
    SecretField,
    SecretFile,
    parse_credentials,
)
from cmp.registry.login import read_environment
from tests.vectors import Case


def answer(case: Case) -> dict[str, Any]:
    """The parsed credentials; with `env`, the login."""
    try:
        credentials = parse_credentials(case["credential"])
    except InvalidCredentialsError:
        return {"error": "parse"}
    if "env" not in case:
        registry = {"registry": credentials.registry} if credentials.registry else {}
        return _shape(credentials) | registry
    assert isinstance(credentials.source, EnvironmentVariable | EnvironmentPair)
    try:
        login = read_environment(credentials.source, case["env"])
    except DeniedError:
        return {"fetchError": True}
    return {"username": login.username, "password": login.password}


def expected(case: Case) -> Any:
    """All of it."""
    return case["expect"]


def difference(case: Case) -> str | None:
    """The two forms that the Image Updater does not know."""
    got = answer(case)
    registry, equals, definition = case["credential"].partition("=")
    if not (registry and equals and definition):
        registry, definition = "", case["credential"]
    kind, _, rest = definition.partition(":")
    user, _, password = rest.partition(":")
    forms = (
        {"type": "env", "user": user, "password": password},
        {"type": "file", "file": rest},
    )
    meant = [form | ({"registry": registry} if registry else {}) for form in forms]
    known = kind.lower() == got.get("type")
    if case["expect"] == {"error": "parse"} and known and got in meant:
        return "env:USER_VAR:PASSWORD_VAR and file:/path are credentials"
    return None


def _shape(credentials: Credentials) -> dict[str, Any]:
    match credentials.source:
        case EnvironmentVariable(name):
            return {"type": "env", "env": name}
        case EnvironmentPair(user, password):
            return {"type": "env", "user": user, "password": password}
        case SecretField(namespace, name, field):
            return {"type": "secret", "namespace": namespace, "name": name, "field": field}
        case PullSecret(namespace, name):
            field = ".dockerconfigjson"
            return {"type": "pullsecret", "namespace": namespace, "name": name, "field": field}
        case SecretFile(path):
            return {"type": "file", "file": path}
        case Script(path):
            return {"type": "ext", "script": path}
