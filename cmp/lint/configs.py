"""registries.conf: its own faults, its logins as far as they lie here, and what it lists."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cmp.errors import DeniedError, Finding, Place, RegistryError, Severity
from cmp.lint.files import ConfigText
from cmp.located import Located, YamlError, load_documents, path_text
from cmp.reference import Repository
from cmp.registry import Registries, RoutedSource
from cmp.registry.config import parse_config
from cmp.registry.credentials import (
    EnvironmentPair,
    EnvironmentVariable,
    InvalidCredentialsError,
    SecretFile,
    parse_credentials,
)
from cmp.registry.endpoint import Endpoint
from cmp.registry.login import read_environment, read_file

# What `read_environment` and `read_file` say of a login in the wrong form. That there is none is
# no fault: lint seldom runs where the resolver does.
_MALFORMED = "RT522"


@dataclass(frozen=True, slots=True)
class Config:
    """What one registries.conf lists, if it is *sound*, and its findings."""

    registries: Registries
    sound: bool
    findings: tuple[Finding, ...]


def load_config(config: ConfigText, environment: Mapping[str, str]) -> Config:
    """The registries of *config*, and what is wrong with it; logins may be in *environment*."""
    endpoints, findings = parse_config(config.text, str(config.path), config.path.parent)
    sound = all(finding.severity is not Severity.ERROR for finding in findings)
    findings = [*findings, *_check_logins(config, environment)]
    placed = tuple(_placed(finding, config) for finding in findings)
    return Config(Registries(endpoints, config.path.parent), sound, placed)


def serving(
    configs: list[Config], repository: Repository
) -> tuple[Endpoint | None, RegistryError | None]:
    """The registry that serves *repository*, or why none does; neither where it cannot be told."""
    error = None
    for config in configs:
        try:
            return config.registries.route(repository).endpoint, None
        except RegistryError as refusal:
            error = refusal
    return None, error if all(config.sound for config in configs) else None


def tags_of(configs: list[Config], repository: Repository) -> tuple[str, ...] | None:
    """The tags of *repository* where a registry of *configs* lies on disk; else None."""
    for config in configs:
        try:
            listing = asyncio.run(RoutedSource(config.registries).list_tags(repository))
        except RegistryError:
            continue
        return listing.names
    return None


def _check_logins(config: ConfigText, environment: Mapping[str, str]) -> Iterator[Finding]:
    """Logins that are there and not of the form `user:password`."""
    try:
        documents = load_documents(config.text, str(config.path))
    except YamlError:
        return  # said already
    registries = documents[0].get("registries") if documents else None
    for entry in registries.items if registries else []:
        credentials = entry.get("credentials")
        if credentials is not None:
            yield from _check_login(credentials, environment)


def _check_login(credentials: Located, environment: Mapping[str, str]) -> Iterator[Finding]:
    try:
        source = parse_credentials(credentials.text).source
        if isinstance(source, EnvironmentVariable | EnvironmentPair):
            read_environment(source, environment)
        # What is no plain file may keep a reader waiting for ever.
        elif isinstance(source, SecretFile) and Path(source.path).is_file():
            read_file(source)
    except InvalidCredentialsError:
        return  # said already
    except DeniedError as error:
        if error.code == _MALFORMED:
            yield credentials.finding("RT388", error.what, remedy="write user:password there")


def _placed(finding: Finding, config: ConfigText) -> Finding:
    """*finding* with its place in the file that holds the ConfigMap, if one holds *config*.

    The lines of a block scalar (`registries.conf: |`) stand below its first, all indented alike.
    """
    held = config.held_by
    if held is None:
        return finding
    path = ".".join(filter(None, (path_text(held.path), finding.path)))
    number = held.place.line + finding.place.line
    inner = _line(config.text.split("\n"), finding.place.line)
    outer = _line(config.lines, number)
    place = held.place
    if inner and outer.endswith(inner):
        place = Place(str(config.path), number, finding.place.column + len(outer) - len(inner))
    return replace(finding, place=place, path=path)


def _line(lines: Sequence[str], number: int) -> str:
    """The line *number*, from 1; "" if there is none: a lone CR is a line end in YAML alone."""
    return lines[number - 1] if 0 < number <= len(lines) else ""
