"""All that the webhook may be told, checked."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cmp.errors import UsageError
from sidecar.settings import Address, parse_address
from sidecar.webhook.access import Access
from sidecar.webhook.limits import DEFAULT_ALLOWED

# The Image Updater's variable for the same.
SECRET_VARIABLE = "CLOUDEVENTS_WEBHOOK_SECRET"  # noqa: S105  # a name
LOWEST_TLS = "1.2"
_BIND = "--webhook-bind-address"
_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_MOST_ALLOWED = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookFlags:
    """What the flags say, as they are called."""

    webhook_bind_address: str = "0"
    webhook_secret_file: Path | None = None
    webhook_tls_cert: Path | None = None
    webhook_tls_key: Path | None = None
    disable_tls: bool = False
    tlsminversion: str = LOWEST_TLS
    webhook_ratelimit_allowed: int = 0


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files of a certificate, with those that lead to its authority, and of its key."""

    certificate: Path
    key: Path
    lowest: ssl.TLSVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSettings:
    """Where events are taken, from whom, and how many *allowed* an hour; *tls* None is none."""

    address: Address
    access: Access
    tls: TlsFiles | None
    allowed: int = DEFAULT_ALLOWED


def settings_of(flags: WebhookFlags, environment: Mapping[str, str]) -> WebhookSettings | None:
    """What *flags* and *environment* say; None where the webhook is off.

    Raises `UsageError`: RT248 for an address, RT270 or RT271 for the secret, RT272 for TLS.
    """
    address = parse_address(flags.webhook_bind_address, _BIND, taken={})
    if address is None:
        return None
    return WebhookSettings(
        address=address,
        access=_access(flags, environment),
        tls=_tls(flags),
        allowed=min(flags.webhook_ratelimit_allowed, _MOST_ALLOWED) or DEFAULT_ALLOWED,
    )


def _access(flags: WebhookFlags, environment: Mapping[str, str]) -> Access:
    text = environment.get(SECRET_VARIABLE, "")
    if flags.webhook_secret_file is None and not text:
        raise UsageError(
            "RT270",
            "the webhook has no secret, so anybody could send events",
            remedy=f"name its file with --webhook-secret-file, or set {SECRET_VARIABLE}",
        )
    return Access(file=flags.webhook_secret_file, text=text)


def _tls(flags: WebhookFlags) -> TlsFiles | None:
    files = flags.webhook_tls_cert, flags.webhook_tls_key
    if flags.disable_tls:
        if any(files):
            raise UsageError("RT272", "--disable-tls: but a certificate or a key is named too")
        return None
    certificate, key = files
    if certificate is None or key is None:
        raise UsageError(
            "RT272",
            "the webhook has no certificate, or no key",
            remedy="name --webhook-tls-cert and --webhook-tls-key, or ask for --disable-tls",
        )
    return TlsFiles(certificate, key, _version(flags.tlsminversion))


def _version(text: str) -> ssl.TLSVersion:
    version = _VERSIONS.get(text.strip().lower().removeprefix("tls"))
    if version is None:
        raise UsageError(
            "RT272", f"--tlsminversion {text!r} is none that is safe", remedy="write 1.2 or 1.3"
        )
    return version
