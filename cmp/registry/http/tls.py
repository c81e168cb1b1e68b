"""What a registry must show over TLS to be believed, and what it is shown.

Trusted are the system's authorities, those of `ca_file` and `ca_data`, and those in the file that
is named as the host in a folder like the one Argo CD mounts argocd-tls-certs-cm to (util/cert:
the port is no part of the name). As for Go, whatever certificate stands there is trusted itself,
and the host must be among the certificate's alternative names.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from cmp.errors import MisconfiguredError
from cmp.registry.endpoint import Endpoint

# A ConfigMap or Secret holds 1 MiB at most; the bundle of all public authorities has 0.3 MB.
_LARGEST_FILE = 1024 * 1024
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


class _EncryptedKeyError(Exception):
    """The key asks for a password, which OpenSSL would ask of the terminal."""


def make_context(
    endpoint: Endpoint, base: Path, certificates: Path | None, *, login: bool = True
) -> ssl.SSLContext:
    """How *endpoint*, and hosts it sends us to, are spoken to over TLS, 1.2 or later.

    The client certificate is shown only with *login*. Paths in *endpoint* start from *base*;
    *certificates* is the folder with a file for each host. With `insecure` nothing is verified
    and no authority is read. Raises `MisconfiguredError` for a file that cannot be used.
    """
    # Not Python's default context, whose strict mode, since 3.13, wants extensions that private
    # authorities leave out. As for Go, people trust certificates that sign no others.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.hostname_checks_common_name = False
    if endpoint.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        context.load_default_certs()
        for where, text in _authorities(endpoint, base, certificates):
            _trust(context, text, where)
    if endpoint.client_cert and login:
        _show(context, base / endpoint.client_cert, base / endpoint.client_key)
    return context


def explain(error: ssl.SSLError) -> tuple[str, str]:
    """What went wrong with TLS, and what to do, for a person."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _explain_verification(error)
    # The attribute is missing where Python and not OpenSSL made the error.
    reason = getattr(error, "reason", None) or error.strerror or "no reason given"
    told = next((told for part, told in _REASONS.items() if part in reason), None)
    return told or (f"TLS failed: {reason}", "")


def _authorities(
    endpoint: Endpoint, base: Path, certificates: Path | None
) -> Iterator[tuple[str, str]]:
    """PEM texts with the place each is from."""
    if endpoint.ca_file:
        yield f"ca_file {endpoint.ca_file}", _read(base / endpoint.ca_file)
    if endpoint.ca_data:
        yield "ca_data", endpoint.ca_data
    path = _host_file(endpoint, certificates)
    if path is not None and path.is_file():
        yield str(path), _read(path)


def _host_file(endpoint: Endpoint, certificates: Path | None) -> Path | None:
    """Where the authorities of the endpoint's host would stand."""
    host = urlsplit(endpoint.api_url).hostname or ""
    if certificates is None or host.strip(".") == "":
        return None
    return certificates / host


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST_FILE + 1)
    except (OSError, ValueError) as error:  # the second for a name that no file has
        raise _unusable(f"{path} cannot be read: {_reason(error)}") from None
    if len(data) > _LARGEST_FILE:
        raise _unusable(f"{path} is larger than {_LARGEST_FILE} bytes")
    return data.decode("ascii", errors="replace")  # what is not ASCII is no PEM but a comment


def _trust(context: ssl.SSLContext, text: str, where: str) -> None:
    """Trust the certificates in *text*, of which broken ones are passed over as Go does."""
    trusted = 0
    for block in _CERTIFICATE.findall(text):
        try:
            context.load_verify_locations(cadata=block)
        except (ssl.SSLError, ValueError, TypeError):
            continue
        trusted += 1
    if not trusted:
        raise _unusable(f"there is no certificate in PEM form in {where}")


def _show(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    try:
        context.load_cert_chain(certificate, key, password=_refuse_password)
    except _EncryptedKeyError:
        raise _unusable(f"the key {key} is encrypted", "store it without a password") from None
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise _unusable(f"the key {key} does not fit the certificate {certificate}") from None
        raise _unusable(
            f"{certificate} and {key} are no certificate and key in PEM form"
        ) from None
    except (OSError, ValueError) as error:
        # OpenSSL does not say which of the two it could not read.
        what = f"{certificate} or {key} cannot be read: {_reason(error)}"
        raise _unusable(what) from None


def _refuse_password() -> str:
    raise _EncryptedKeyError


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _unusable(what: str, remedy: str = "check the entry in registries.conf") -> MisconfiguredError:
    return MisconfiguredError("RT548", what, remedy=remedy)


# By verify_code, X509_V_ERR_… of OpenSSL's x509_vfy.h.
_AUTHORITY = (
    "its certificate is not from a known authority",
    "give its CA with ca_file or ca_data",
)
_NAME = "use a name in api_url that the certificate has among its alternative names"
_VERIFICATION = {
    9: ("its certificate is not valid yet", "check the clock of this machine and of the registry"),
    10: ("its certificate has expired", "renew it, or check the clock of this machine"),
    18: _AUTHORITY,  # a self-signed certificate
    19: _AUTHORITY,  # a self-signed authority
    20: _AUTHORITY,  # the issuer is missing here
    21: _AUTHORITY,  # the first certificate cannot be verified
    62: ("its certificate is for another host name", _NAME),
    64: ("its certificate is for another address", _NAME),
}

# By what stands in OpenSSL's reason, whose words differ a little from version to version.
_CLIENT = "check client_cert and client_key"
_PLAIN = ("it does not speak TLS there", "write http:// in api_url, or the port that has TLS")
_REASONS = {
    "CERTIFICATE_REQUIRED": ("it wants a client certificate", "give client_cert and client_key"),
    "ALERT_UNKNOWN_CA": ("it does not trust the issuer of the client certificate", _CLIENT),
    "ALERT_CERTIFICATE_EXPIRED": ("it says that the client certificate has expired", _CLIENT),
    "ALERT_CERTIFICATE_UNKNOWN": ("it refuses the client certificate", _CLIENT),
    "ALERT_BAD_CERTIFICATE": ("it refuses the client certificate, or wants one", _CLIENT),
    "ALERT_HANDSHAKE_FAILURE": (
        "it refuses the TLS handshake",
        "give client_cert and client_key if it wants a client certificate",
    ),
    "PROTOCOL_VERSION": ("it speaks no TLS 1.2 or later", "update what serves TLS there"),
    "UNSUPPORTED_PROTOCOL": ("it speaks no TLS 1.2 or later", "update what serves TLS there"),
    "WRONG_VERSION_NUMBER": _PLAIN,
    "RECORD_LAYER_FAILURE": _PLAIN,
    "PACKET_LENGTH_TOO_LONG": _PLAIN,
}


def _explain_verification(error: ssl.SSLCertVerificationError) -> tuple[str, str]:
    told = _VERIFICATION.get(error.verify_code)
    return told or (f"its certificate is refused: {error.verify_message}", "")
