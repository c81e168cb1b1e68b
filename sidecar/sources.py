"""Who is asked for tags, with all that is remembered of them: what one registries.conf makes.

It lives on where only the rules change, so that no registry is asked again for that.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn, Self

from cmp.cosign import Claim
from cmp.errors import (
    DeniedError,
    Finding,
    MisconfiguredError,
    RetagError,
    RuleError,
    Severity,
    error_of,
)
from cmp.lines import bug
from cmp.memo import Memo
from cmp.meter import Meter, Unmetered
from cmp.reference import Repository
from cmp.registry import Registries, RoutedSource, TagSource
from cmp.registry.cache import TTL, CachedTags
from cmp.registry.credentials import SecretFile
from cmp.registry.endpoint import Endpoint
from cmp.registry.http.connections import Surroundings
from cmp.registry.logins import source_of
from cmp.registry.observed import ObservedTags
from cmp.registry.secrets import NoSecrets, SecretFiles, Secrets
from cmp.shared import SharedLookups
from cmp.store import Store
from cmp.tags import Listing, Needs, Tag
from sidecar.stamps import stamp_of


@dataclass(frozen=True, slots=True)
class Files:
    """What registries are asked with: registries.conf, Secrets, and authorities by host."""

    registries: Path
    secrets: Path | None = None
    certificates: Path | None = None

    def stamp(self) -> Hashable:
        """Another value once any of them changed.

        Logins are read again by themselves when they change, but what the old ones saw must not
        be remembered for the new.
        """
        return stamp_of([self.registries, *filter(None, (self.secrets, self.certificates))])


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """What the configuration needs besides its files.

    *max_stale* is in seconds, and so are *clock*, which never goes back, and *wall*, since the
    epoch. *environment* holds proxies and the logins that `env:` names. *secrets* has Secrets
    where no folder of them is named. *memo* remembers manifests, whatever the rules are.
    """

    store: Store
    max_stale: float
    meter: Meter = field(default_factory=Unmetered)
    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    secrets: Secrets = field(default_factory=NoSecrets)
    memo: Memo = field(default_factory=Memo)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """The registries that are listed, as *tags* and as *lookups*, and the *secrets* of rules.

    *observed* is what those tags come from. *stamp* is that of the files when they were read, and
    of those that registries.conf has *named*. With a *fault*, which is what is wrong with
    registries.conf, each question gets that as its answer: what asks no registry is served.
    """

    tags: TagSource
    observed: ObservedTags
    lookups: SharedLookups
    secrets: Secrets
    registries: Registries
    named: tuple[Path, ...]
    stamp: Hashable
    findings: tuple[Finding, ...] = ()
    fault: RetagError | None = None

    @classmethod
    def load(cls, files: Files, stamp: Hashable, runtime: Runtime) -> Self:
        """What *files* say, which had *stamp* just now. Raises nothing, and asks no registry."""
        secrets = SecretFiles(files.secrets) if files.secrets else runtime.secrets
        surroundings = Surroundings(
            secrets=secrets, certificates=files.certificates, environment=runtime.environment
        )
        registries, findings, fault = _read(files.registries, surroundings, runtime)
        observed = _observed(registries, runtime)
        cached = CachedTags(observed, clock=runtime.clock, wall=runtime.wall)
        tags = _Broken(fault) if fault else cached
        lookups = SharedLookups(
            tags, clock=runtime.clock, wall=runtime.wall, ttl=TTL, meter=runtime.meter
        )
        base = files.registries.parent
        named = tuple(path for each in registries.endpoints for path in _named(each, base))
        return cls(
            tags=tags,
            observed=observed,
            lookups=lookups,
            secrets=secrets,
            registries=registries,
            named=named,
            stamp=(stamp, stamp_of(named)),
            findings=tuple(findings),
            fault=fault,
        )

    def is_of(self, stamp: Hashable) -> bool:
        """Whether the files, which have *stamp* now, are as they were read, and *named* too."""
        return self.stamp == (stamp, stamp_of(self.named))

    async def aclose(self) -> None:
        """End what goes on in the background, and close all connections."""
        await self.lookups.aclose()
        await self.observed.aclose()
        await self.registries.aclose()


def _read(
    path: Path, surroundings: Surroundings, runtime: Runtime
) -> tuple[Registries, Sequence[Finding], RetagError | None]:
    """The registries of the file, none with an error; what is wrong with it; the worst of that."""
    try:
        registries, findings = Registries.load(path, clock=runtime.wall, surroundings=surroundings)
    except RetagError as error:
        return Registries((), path.parent), (), error
    except Exception as error:  # noqa: BLE001  # whatever people write, the resolver lives on
        return Registries((), path.parent), (), bug(error)
    errors = [each for each in findings if each.severity is Severity.ERROR]
    return registries, findings, error_of(errors[0]) if errors else None


def _observed(registries: Registries, runtime: Runtime) -> ObservedTags:
    return ObservedTags(
        RoutedSource(registries),
        runtime.store,
        registries.identity,
        wall=runtime.wall,
        clock=runtime.clock,
        max_stale=runtime.max_stale,
        meter=runtime.meter,
    )


def _named(endpoint: Endpoint, base: Path) -> Iterator[Path]:
    """The files that the entry of registries.conf names."""
    for name in (endpoint.ca_file, endpoint.client_cert, endpoint.client_key):
        if name:
            yield base / name
    try:
        source = source_of(endpoint, "")
    except DeniedError:  # it is of no form, which is told where a login is needed
        return
    if isinstance(source, SecretFile):
        yield Path(source.path)


class _BrokenConfigError(MisconfiguredError):
    """No registry can be asked, because registries.conf is broken."""

    exit_code = RuleError.exit_code


class _Broken:
    """The `TagSource` that answers each question with what is wrong with registries.conf."""

    def __init__(self, fault: RetagError) -> None:
        self._error = _BrokenConfigError(
            fault.code, fault.what, where=fault.where, remedy=fault.remedy
        )

    def authorised(self, _pull_secret: str, /) -> Self:
        """The same."""
        return self

    def since(self, _instant: float, /) -> Self:
        """The same."""
        return self

    async def list_tags(self, _repository: Repository, /) -> Listing:
        """Nothing: raises."""
        self._refuse()

    async def describe(
        self, _repository: Repository, _names: Sequence[str], _needs: Needs, /
    ) -> Mapping[str, Tag]:
        """Nothing: raises."""
        self._refuse()

    async def signatures(self, _repository: Repository, _digest: str, /) -> Sequence[Claim]:
        """Nothing: raises."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise self._error.with_traceback(None)
