"""Logins, read from where credentials say that they are. No message holds a piece of one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cmp.errors import DeniedError
from cmp.registry.credentials import (
    EnvironmentPair,
    EnvironmentVariable,
    Login,
    PullSecret,
    Script,
    SecretField,
    SecretFile,
)
from cmp.registry.dockerconfig import read_docker_config

# A Secret holds 1 MiB at most, and is what such a file is mounted from.
_LARGEST_FILE = 1024 * 1024
_DOCKER_CONFIG = ".dockerconfigjson"  # what Secrets of type kubernetes.io/dockerconfigjson hold


def read_environment(
    source: EnvironmentVariable | EnvironmentPair, environment: Mapping[str, str]
) -> Login:
    """The login that *source* names in *environment*, all of it there. Raises `DeniedError`."""
    if isinstance(source, EnvironmentPair):
        username = _variable(source.user_name, environment)
        return Login(username, _variable(source.password_name, environment))
    login = _split(_variable(source.name, environment), f"environment variable {source.name}")
    if not (login.username and login.password):
        raise _malformed(f"environment variable {source.name}")
    return login


def read_file(source: SecretFile) -> Login:
    """The login in the file, without the line end that editors leave. Raises `DeniedError`."""
    try:
        with Path(source.path).open("rb") as file:
            text = file.read(_LARGEST_FILE).decode()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise DeniedError("RT521", f"the file {source.path} cannot be read: {reason}") from None
    return _split(text.removesuffix("\n").removesuffix("\r"), f"file {source.path}")


def read_secret(source: SecretField, secret: Mapping[str, str]) -> Login:
    """The login in *secret*, the data of the Secret that *source* names. Raises `DeniedError`.

    Either part may be empty, and white space belongs to it, as for the Image Updater.
    """
    place = f"Secret {source.namespace}/{source.name}"
    return _split(_field(source.field, secret, place), f"field {source.field} of {place}")


def read_pull_secret(
    source: PullSecret, secret: Mapping[str, str], api_url: str, repository: str | None = None
) -> Login:
    """The login for the registry at *api_url* in *secret*, the data of the Secret of *source*.

    *repository* is the path that is asked for. Raises `DeniedError`.
    """
    place = f"Secret {source.namespace}/{source.name}"
    return read_docker_config(_field(_DOCKER_CONFIG, secret, place), api_url, repository)


def refusal(source: Script) -> DeniedError:
    """Why `ext:` gives no login."""
    return DeniedError(
        "RT523",
        f"credentials of the form ext:{source.path} are refused: Retag runs no scripts for them",
        remedy="put the login into a Secret or a file, and name it with secret: or file:",
    )


def _field(name: str, secret: Mapping[str, str], place: str) -> str:
    text = secret.get(name)
    if text is None:
        raise DeniedError("RT521", f"{place} has no field {name}")
    return text


def _variable(name: str, environment: Mapping[str, str]) -> str:
    value = environment.get(name, "")
    if not value:
        raise DeniedError("RT521", f"the environment variable {name} is not set, or empty")
    return value


def _split(text: str, place: str) -> Login:
    username, colon, password = text.partition(":")
    if not colon:
        raise _malformed(place)
    return Login(username, password)


def _malformed(place: str) -> DeniedError:
    return DeniedError("RT522", f"{place} does not hold user:password")
