"""Credentials: where registries.conf or a rule says that they are.

Written as for the Image Updater: `env:NAME` (whose value is `user:password`),
`secret:namespace/name#field`, `pullsecret:namespace/name`, all optionally behind `registry=`; and
beyond it `env:USER_NAME:PASSWORD_NAME` and `file:/path`. `ext:/script` is known, to be refused.
Only the operator's registries.conf may name `env:` and `file:`; a rule may not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Login:
    """A user name and a password, which no representation shows."""

    username: str = field(repr=False)
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class EnvironmentVariable:
    """`env:NAME`: the variable holds `user:password`."""

    name: str


@dataclass(frozen=True, slots=True)
class EnvironmentPair:
    """`env:USER_NAME:PASSWORD_NAME`: a variable for each."""

    user_name: str
    password_name: str


@dataclass(frozen=True, slots=True)
class SecretField:
    """`secret:namespace/name#field`: the field of the Secret holds `user:password`."""

    namespace: str
    name: str
    field: str


@dataclass(frozen=True, slots=True)
class PullSecret:
    """`pullsecret:namespace/name`: the Secret holds Docker's config."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class SecretFile:
    """`file:/path`: the file holds `user:password`, as a mounted Secret's does."""

    path: str


@dataclass(frozen=True, slots=True)
class Script:
    """`ext:/script`, which Retag does not run."""

    path: str


Source = EnvironmentVariable | EnvironmentPair | SecretField | PullSecret | SecretFile | Script


@dataclass(frozen=True, slots=True)
class Credentials:
    """Where they are; *registry* is what stands before `=`, which has no effect."""

    source: Source
    registry: str = ""


class InvalidCredentialsError(ValueError):
    """The text names no credentials. It may be a password, so no message holds it."""


def parse_credentials(text: str) -> Credentials:
    """Where *text* says that the credentials are. Raises `InvalidCredentialsError`."""
    registry, equals, definition = text.partition("=")
    if not (equals and registry and definition):
        registry, definition = "", text
    kind, *parts = definition.split(":")
    if not parts or not all(parts):
        raise InvalidCredentialsError("credentials are env:, secret:, pullsecret: or file:")
    if kind.lower() == "env" and len(parts) == 2:
        return Credentials(EnvironmentPair(*parts), registry)
    read = _KINDS.get(kind.lower())
    if read is None or len(parts) > 1:
        raise InvalidCredentialsError("credentials are env:, secret:, pullsecret: or file:")
    return Credentials(read(parts[0]), registry)


def _secret(definition: str) -> SecretField:
    place, hash_sign, name = definition.partition("#")
    if not hash_sign or not name or "#" in name:
        raise InvalidCredentialsError("a secret is secret:namespace/name#field")
    namespace, secret = _namespaced(place, "a secret is secret:namespace/name#field")
    return SecretField(namespace, secret, name)


def _pull_secret(definition: str) -> PullSecret:
    return PullSecret(*_namespaced(definition, "a pull secret is pullsecret:namespace/name"))


def _namespaced(text: str, fault: str) -> tuple[str, str]:
    namespace, _, name = text.partition("/")
    if not namespace or not name or "/" in name:
        raise InvalidCredentialsError(fault)
    return namespace, name


def _file(path: str) -> SecretFile:
    if not path.startswith("/"):
        raise InvalidCredentialsError("a file of credentials is file:/path, from the root")
    return SecretFile(path)


_KINDS: Mapping[str, Callable[[str], Source]] = {
    "env": EnvironmentVariable,
    "secret": _secret,
    "pullsecret": _pull_secret,
    "file": _file,
    "ext": Script,
}
