"""An account of a cluster: where its API server is, by what TLS and proxy, and as whom to ask.

lightkube reads kubeconfigs and what kubelet mounts; of a kubeconfig's fields those that it would
pass over in silence are refused here. The way there is chosen as client-go does it: a proxy of the
environment counts for the address in the cluster too, unless NO_PROXY has it.
"""

from __future__ import annotations

import ssl
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import yaml
from lightkube.config.client_adapter import verify_cluster
from lightkube.config.kubeconfig import KubeConfig, SingleConfig
from lightkube.config.models import User
from lightkube.core.exceptions import ConfigError

from cmp.errors import MisconfiguredError
from cmp.registry.http.proxies import Proxies, Proxy
from cmp.registry.secrets import file_stamp
from sidecar.kubernetes.credentials import (
    Command,
    Credential,
    Fixed,
    TokenFile,
    basic,
    bearer,
    command_of,
    unusable,
)

# To pass them over would be to ask another server, or as somebody else.
_UNSUPPORTED = ("proxy-url", "tls-server-name", "as", "as-groups", "as-uid", "as-user-extra")
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Account:
    """The API server at *server* (a URL), asked with *credential* and by way of *proxy*."""

    server: str
    namespace: str
    credential: Credential
    proxy: Proxy | None
    _config: SingleConfig = field(repr=False)

    def tls(self) -> ssl.SSLContext:
        """What its connections need, out of the files as they are now. Raises RT657."""
        config = self._config
        assert config.user is not None
        try:
            return verify_cluster(config.cluster, config.user, config.abs_file)
        except (ConfigError, OSError, TypeError, ValueError) as error:
            raise unusable(f"its certificates cannot be used: {error}") from None

    def stamp(self) -> Hashable:
        """Another value than before, once the files that `tls` reads have changed."""
        cluster, user = self._config.cluster, self._config.user
        assert user is not None
        files = (cluster.certificate_auth, user.client_cert, user.client_key)
        return tuple(file_stamp(Path(self._config.abs_file(each))) for each in files if each)


def of_kubeconfig(path: Path, environment: Mapping[str, str]) -> Account:
    """The current context of the kubeconfig at *path*. Raises `ClusterError` RT657."""
    try:
        stated = yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise unusable(f"{path} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, ValueError, RecursionError):  # they quote it, and it may hold a token
        raise unusable(f"{path} is no YAML") from None
    try:
        config = KubeConfig.from_dict(stated, fname=path).get()
    except (ConfigError, KeyError, TypeError, AttributeError, msgspec.MsgspecError) as error:
        why = f"no {error}" if isinstance(error, KeyError) else error
        raise unusable(f"{path} is no kubeconfig that can be used: {why}") from None
    if config is None or config.user is None:
        raise unusable(f"{path} names no user")
    _check_fields(stated, config, path)
    return _account(config, _credential(config, environment), environment)


def of_mounted(folder: Path, environment: Mapping[str, str]) -> Account:
    """The ServiceAccount whose token kubelet mounts at *folder*. Raises `ClusterError` RT657."""
    host, port = (environment.get(f"KUBERNETES_SERVICE_{part}", "") for part in ("HOST", "PORT"))
    if not host or not port:
        raise unusable("KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT name no API server")
    try:
        namespace = (folder / "namespace").read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise unusable(f"{folder / 'namespace'} cannot be read: {error}") from None
    server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    stated: dict[str, Any] = {
        "current-context": "mounted",
        "clusters": [
            {
                "name": "it",
                "cluster": {"server": server, "certificate-authority": str(folder / "ca.crt")},
            }
        ],
        "users": [{"name": "it", "user": {}}],
        "contexts": [
            {"name": "mounted", "context": {"cluster": "it", "user": "it", "namespace": namespace}}
        ],
    }
    config = KubeConfig.from_dict(stated).get()
    assert config is not None
    return _account(config, TokenFile(folder / "token"), environment)


def _account(
    config: SingleConfig, credential: Credential, environment: Mapping[str, str]
) -> Account:
    try:
        parts = urlsplit(config.cluster.server)
        port = parts.port or _PORTS[parts.scheme]
        proxy = Proxies(environment).proxy(parts.scheme, parts.hostname or "", port)
    except (KeyError, ValueError):
        raise unusable(f"{config.cluster.server!r} is no URL of an API server") from None
    except MisconfiguredError as error:
        raise unusable(error.what) from None
    return Account(config.cluster.server, config.namespace, credential, proxy, config)


def _check_fields(stated: Mapping[str, Any], config: SingleConfig, path: Path) -> None:
    """Refuse what lightkube has read without a word, and does not do."""
    named = {"clusters": config.context.cluster, "users": config.context.user}
    for group, name in named.items():
        for each in stated[group]:
            fields = each["cluster" if group == "clusters" else "user"]
            found = [field for field in _UNSUPPORTED if each["name"] == name and fields.get(field)]
            if found:
                raise unusable(f"{path} states {found[0]}, which is not supported")


def _credential(config: SingleConfig, environment: Mapping[str, str]) -> Credential:
    """As whom *config* says to ask; as client-go, a file goes before a token."""
    user = config.user
    assert user is not None
    if user.auth_provider:
        raise unusable(
            "auth-provider is not supported, as kubectl has not supported it since 1.26"
        )
    if user.token_file:
        return TokenFile(Path(config.abs_file(user.token_file)))
    if user.token:
        return Fixed(bearer(user.token, "the kubeconfig's token"))
    if user.exec:
        return _command(user, config, environment)
    if user.username and user.password:
        return Fixed(basic(user.username, user.password))
    return Fixed("")


def _command(user: User, config: SingleConfig, environment: Mapping[str, str]) -> Command:
    plugin = user.exec
    assert plugin is not None
    assert config.fname is not None
    own = {each.name: each.value for each in plugin.env or ()}
    name = command_of(plugin.command, config.fname.parent)
    return Command([name, *(plugin.args or ())], {**environment, **own}, plugin.apiVersion)
