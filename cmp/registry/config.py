"""registries.conf: every field of the Image Updater's, and a few of Retag's own.

Read as strictly as there: an unknown or a duplicate field fails the whole file. What only makes
one registry useless or less safe is a warning, and the others stay usable.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from cmp.errors import Finding, Severity
from cmp.located import (
    Located,
    StrictModel,
    YamlError,
    load_documents,
    path_text,
    read_text,
    validate,
)
from cmp.registry.credentials import InvalidCredentialsError, Script, parse_credentials
from cmp.registry.endpoint import Endpoint, Kind

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


class _File(StrictModel):
    registries: list[Endpoint] = Field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Entry:
    """One registry, and where it stands."""

    endpoint: Endpoint
    located: Located

    def finding(
        self, field: str, code: str, what: str, *, warning: bool = False, remedy: str = ""
    ) -> Finding:
        """A finding about *field*, or about the whole entry where that is not written."""
        severity = Severity.WARNING if warning else Severity.ERROR
        place = self.located.get(field) or self.located
        return place.finding(code, what, severity=severity, remedy=remedy)


def load_config(path: Path) -> tuple[tuple[Endpoint, ...], list[Finding]]:
    """The registries of the file at *path*, and all that is wrong with it.

    Raises `RuleError` where it cannot be read at all.
    """
    try:
        text = read_text(path)
    except YamlError as error:
        return (), [error.finding]
    return parse_config(text, str(path), path.parent)


def parse_config(text: str, file: str, base: Path) -> tuple[tuple[Endpoint, ...], list[Finding]]:
    """The registries of *text*, none if a finding is an error, and all findings.

    *file* names it in them; *base* is the folder that relative paths start from.
    """
    try:
        documents = load_documents(text, file)
    except YamlError as error:
        return (), [error.finding]
    if not documents:
        return (), []
    document, *others = documents
    model, findings = validate(_File, document)
    findings += document.all_faults()
    registries = document.fields.get("registries", document).items
    findings += _unknown_nulls(_File, document)
    findings += (fault for entry in registries for fault in _unknown_nulls(Endpoint, entry))
    for other in others:
        what = "only the first document is read"
        findings.append(other.finding("RT331", what, severity=Severity.WARNING))
    if model is not None:
        entries = list(map(_Entry, model.registries, registries))
        findings += _check(entries, base)
    failed = any(finding.severity is Severity.ERROR for finding in findings)
    endpoints = () if model is None or failed else tuple(model.registries)
    return endpoints, sorted(findings, key=lambda finding: finding.place)


def _unknown_nulls(model: type[StrictModel], located: Located) -> Iterator[Finding]:
    """Unknown fields that hold null, which a `StrictModel` takes for absent."""
    for name, value in located.fields.items():
        if value.value is None and name not in model.model_fields:
            place = value.key or value.place
            what = f"there is no field {name}"
            yield Finding("RT304", Severity.ERROR, what, place, path_text(value.path))


def _check(entries: list[_Entry], base: Path) -> Iterator[Finding]:
    yield from _check_prefixes(entries)
    yield from _check_defaults(entries)
    for entry in entries:
        yield from _check_api_url(entry)
        yield from _check_credentials(entry)
        yield from _check_certificates(entry, base)


def _check_prefixes(entries: list[_Entry]) -> Iterator[Finding]:
    earlier: dict[str, _Entry] = {}
    for entry in entries:
        prefix = entry.endpoint.prefix
        if prefix in earlier and not prefix:
            what = "a second registry without a prefix: only one can take what no other serves"
            yield entry.finding("prefix", "RT332", what)
        elif prefix in earlier:
            line = earlier[prefix].located.place.line
            what = f"replaces the registry in line {line}, which has the same prefix"
            yield entry.finding("prefix", "RT333", what, warning=True)
        if "://" in prefix:
            what = "no image begins with this prefix"
            yield entry.finding(
                "prefix", "RT334", what, warning=True, remedy="leave out the scheme"
            )
        earlier[prefix] = entry


def _check_defaults(entries: list[_Entry]) -> Iterator[Finding]:
    defaults = [entry for entry in entries if entry.endpoint.default]
    for entry in defaults[1:]:
        line = defaults[0].located.place.line
        what = f"a second default registry: the one in line {line} is the default already"
        yield entry.finding("default", "RT341", what)


def _check_api_url(entry: _Entry) -> Iterator[Finding]:
    endpoint = entry.endpoint
    if endpoint.kind and (endpoint.kind is Kind.LAYOUT) != endpoint.is_layout:
        what = f"a registry of kind {endpoint.kind} cannot be at this api_url"
        yield entry.finding("kind", "RT335", what, remedy="kind: layout goes with file: URLs")
    if endpoint.is_layout:
        try:
            endpoint.folder(Path())
        except ValueError as error:
            yield entry.finding("api_url", "RT335", str(error))
    elif endpoint.scheme not in ("http", "https"):
        what = "this is no https:, http: or file: URL"
        yield entry.finding("api_url", "RT335", what, warning=True)
    if "@" in endpoint.api_url:
        what = "a login in a URL ends up in logs"
        yield entry.finding("api_url", "RT343", what, warning=True, remedy="use credentials")
    if endpoint.scheme == "http":
        what = "plain http: tags and logins can be read and changed on the way"
        yield entry.finding("api_url", "RT340", what, warning=True)
    if endpoint.insecure:
        what = "insecure: whoever sits on the way can answer for the registry, and read its login"
        yield entry.finding("insecure", "RT339", what, warning=True)


def _check_credentials(entry: _Entry) -> Iterator[Finding]:
    if not entry.endpoint.credentials:
        return
    try:
        source = parse_credentials(entry.endpoint.credentials).source
    except InvalidCredentialsError as error:
        yield entry.finding("credentials", "RT337", str(error), warning=True)
        return
    if isinstance(source, Script):
        what = "ext: is refused: Retag runs no scripts for credentials"
        yield entry.finding("credentials", "RT338", what, warning=True)


def _check_certificates(entry: _Entry, base: Path) -> Iterator[Finding]:
    endpoint = entry.endpoint
    if bool(endpoint.client_cert) != bool(endpoint.client_key):
        field = "client_cert" if endpoint.client_cert else "client_key"
        yield entry.finding(field, "RT336", "client_cert and client_key go together")
    if endpoint.insecure:  # then no authority is asked
        return
    if endpoint.ca_data and not _has_certificate(endpoint.ca_data):
        yield entry.finding("ca_data", "RT342", "there is no certificate in PEM form in it")
    if endpoint.ca_file:
        try:
            text = (base / endpoint.ca_file).read_text(encoding="ascii", errors="replace")
        except (OSError, ValueError) as error:  # the second for a name that no file has
            what = f"the file cannot be read: {getattr(error, 'strerror', error)}"
            yield entry.finding("ca_file", "RT342", what)
        else:
            if not _has_certificate(text):
                what = f"there is no certificate in PEM form in {endpoint.ca_file}"
                yield entry.finding("ca_file", "RT342", what)


def _has_certificate(pem: str) -> bool:
    """Whether *pem* holds a usable certificate; Go's reader passes over what else is there."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for block in _CERTIFICATE.findall(pem):
        try:
            context.load_verify_locations(cadata=block)
        except (ssl.SSLError, ValueError):
            continue
        return True
    return False
