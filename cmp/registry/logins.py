"""The logins of registries and of rules' pull secrets, as they are now.

They are remembered while their files, Secrets and environment stay as they are, for as long as
`credsexpire` says. An operator's registries.conf may name any source, a rule only Secrets.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cachetools import LRUCache

from cmp.errors import DeniedError
from cmp.registry.credentials import (
    EnvironmentPair,
    EnvironmentVariable,
    InvalidCredentialsError,
    Login,
    PullSecret,
    Script,
    SecretField,
    SecretFile,
    Source,
    parse_credentials,
)
from cmp.registry.endpoint import Endpoint
from cmp.registry.login import (
    read_environment,
    read_file,
    read_pull_secret,
    read_secret,
    refusal,
)
from cmp.registry.secrets import Secrets, file_stamp

_MOST = 2000  # a pull secret may have another login for each repository
_SECOND = 1_000_000_000  # nanoseconds


@dataclass(frozen=True, slots=True)
class _Kept:
    login: Login
    stamp: Hashable
    until: float


_Key = tuple[Source, str, str]


class Logins:
    """Reads from *environment*, *secrets* and files; *clock* gives seconds."""

    def __init__(
        self, secrets: Secrets, *, environment: Mapping[str, str], clock: Callable[[], float]
    ) -> None:
        self._secrets = secrets
        self._environment = environment
        self._clock = clock
        self._kept: LRUCache[_Key, _Kept] = LRUCache(_MOST)

    async def login(
        self, endpoint: Endpoint, pull_secret: str, repository: str, *, afresh: bool = False
    ) -> Login | None:
        """With what *endpoint* is asked for the path *repository*; None for no login.

        *pull_secret* is what a rule says, "" for the registry's own login. With *afresh* nothing
        that is remembered counts. Raises `DeniedError`, which shows no credentials.
        """
        source = source_of(endpoint, pull_secret)
        if source is None:
            return None
        key = (source, endpoint.api_url, repository)
        stamp = self._stamp(source)
        kept = self._kept.get(key)
        if kept and not afresh and kept.stamp == stamp and self._clock() < kept.until:
            return kept.login
        login = await self._read(source, endpoint.api_url, repository, afresh=afresh)
        life = endpoint.credsexpire / _SECOND if endpoint.credsexpire > 0 else float("inf")
        self._kept[key] = _Kept(login, stamp, self._clock() + life)
        return login

    def _stamp(self, source: Source) -> Hashable:
        if isinstance(source, SecretField | PullSecret):
            return self._secrets.stamp(source.namespace, source.name)
        return file_stamp(Path(source.path)) if isinstance(source, SecretFile) else None

    async def _read(self, source: Source, api_url: str, repository: str, *, afresh: bool) -> Login:
        if isinstance(source, Script):
            raise refusal(source)
        if isinstance(source, SecretFile):
            return read_file(source)
        if isinstance(source, EnvironmentVariable | EnvironmentPair):
            return read_environment(source, self._environment)
        data = await self._secrets.data(source.namespace, source.name, afresh=afresh)
        if isinstance(source, SecretField):
            return read_secret(source, data)
        return read_pull_secret(source, data, api_url, repository or None)


def source_of(endpoint: Endpoint, pull_secret: str) -> Source | None:
    """Where the login for *endpoint* is, with a rule's *pull_secret*; None for no login.

    Raises `DeniedError`, without the text: who misses the form may have written a password.
    """
    text = pull_secret or endpoint.credentials
    if not text:
        return None
    whose = "the rule's pullSecret" if pull_secret else f"credentials of {endpoint.name}"
    try:
        source = parse_credentials(text).source
    except InvalidCredentialsError as error:
        raise DeniedError("RT564", f"{whose} cannot be understood: {error}") from None
    if pull_secret and not isinstance(source, SecretField | PullSecret):
        raise DeniedError(
            "RT564",
            "a rule's pullSecret may not name environment variables, files or scripts",
            remedy="use secret:namespace/name#field or pullsecret:namespace/name",
        )
    return source


def written(source: Source) -> str:
    """*source* as registries.conf and rules write it; it tells no piece of a login."""
    if isinstance(source, EnvironmentVariable):
        return f"env:{source.name}"
    if isinstance(source, EnvironmentPair):
        return f"env:{source.user_name}:{source.password_name}"
    if isinstance(source, SecretField):
        return f"secret:{source.namespace}/{source.name}#{source.field}"
    if isinstance(source, PullSecret):
        return f"pullsecret:{source.namespace}/{source.name}"
    return f"{'file' if isinstance(source, SecretFile) else 'ext'}:{source.path}"
