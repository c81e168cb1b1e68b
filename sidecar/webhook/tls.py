"""The webhook's certificate, which is read again when its files change."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Hashable

from cmp.errors import UsageError
from sidecar.stamps import stamp_of
from sidecar.webhook.settings import TlsFiles

_log = logging.getLogger("retag.webhook")


class Certificate:
    """What a server needs for TLS, as *files* have it. Raises `UsageError`.

    Files that cannot be used any more leave what was read last: a certificate and its key may be
    replaced one after the other.
    """

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._stamp = self._look()
        self._newest = _loaded(files)
        self.context = _loaded(files)
        self.context.sni_callback = self._choose

    def _choose(
        self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext
    ) -> None:
        """Called in each handshake, whether or not the client says whom it asks for."""
        stamp = self._look()
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._newest = _loaded(self._files)
            except UsageError as error:
                _log.warning("the certificate of the webhook stays as it was: %s", error)
        connection.context = self._newest

    def _look(self) -> Hashable:
        return stamp_of([self._files.certificate, self._files.key])


def _loaded(files: TlsFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = files.lowest
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(files.certificate, files.key, password=_no_password)
    except (OSError, ValueError) as error:  # also ssl.SSLError, for what is no such file
        raise UsageError(
            "RT272",
            f"the webhook's certificate and key cannot be used: {_reason(error)}",
            where=str(files.certificate),
            remedy="both are PEM, the key has no password and is that of the certificate",
        ) from None
    return context


def _no_password() -> str:
    """Else OpenSSL asks the terminal."""
    return ""


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, ssl.SSLError):
        return error.reason or "they are no PEM"
    return (error.strerror if isinstance(error, OSError) else None) or "they are no PEM"
