"""What the resolver answers: an environment and manifests become an exit code and two streams."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Any, Protocol

from cmp import report
from cmp.cosign import PublicKey
from cmp.decide import policy_of
from cmp.errors import RetagError, raise_together
from cmp.keys import keys_of
from cmp.lines import BUG, bug, error_lines, warning_line
from cmp.pipeline import Generated, Operator, look_closer, resolve
from cmp.plugin import wire
from cmp.policy import Policy
from cmp.ports import ApplicationInfo, Clock, Lookups
from cmp.request import Request, without_source
from cmp.rules import Rule
from cmp.rules.application import Application
from cmp.store import Store
from sidecar.announce import announce, announce_failure

_logger = logging.getLogger("retag.resolver")

Known = Callable[[float], Awaitable[None]]

BUDGET = 10.0  # seconds for look-ups in a request; the plugin gives up after 20


class SharedChoices(Protocol):
    """Look-ups that many requests share, such as `cmp.shared.SharedLookups`."""

    def until(self, ends: float, /) -> Lookups:
        """They, for one who waits until *ends* (monotonic seconds)."""
        ...

    def begin(
        self, rule: Rule, policy: Policy, keys: Sequence[PublicKey], /, *, since: float = 0
    ) -> None:
        """Start one without waiting for it."""
        ...


class Configuration(Protocol):
    """One version of what the operator gives, such as `sidecar.configuration.Configuration`."""

    @property
    def operator(self) -> Operator:
        """Rules, registries, keys."""
        ...

    @property
    def lookups(self) -> SharedChoices:
        """What looks up."""
        ...

    @property
    def faults(self) -> Sequence[RetagError]:
        """Why no request can be answered by it; mostly none."""
        ...


class Current(Protocol):
    """Where the version that holds now comes from, such as `sidecar.reload.Current`."""

    def use(self) -> AbstractAsyncContextManager[Configuration]:
        """That version, which stays whole while it is in use."""
        ...


@dataclass(frozen=True, slots=True)
class Reply:
    """What the plugin exits with, and prints."""

    exit_code: int
    stderr: bytes
    stdout: bytes = b""


@dataclass(frozen=True, slots=True)
class Unwatched:
    """The `ApplicationInfo` without a cluster: nothing is known but what the request says.

    *namespace* is that of Applications that Argo CD calls by their bare names, its own; where it
    is "", rules of any namespace count for them.
    """

    namespace: str = ""

    def application(self, request: Request, /) -> Application:
        """The Application by Argo CD's instance name: `name`, or `namespace_name`."""
        namespace, _, name = request.name.rpartition("_")
        project = request.project
        return Application(name=name, namespace=namespace or self.namespace, project=project)


@dataclass(frozen=True, slots=True)
class _Unrecognised:
    """The `ApplicationInfo` *known* for who only looks: nothing is recorded of that."""

    known: ApplicationInfo

    def application(self, request: Request, /) -> Application:
        return replace(self.known.application(request), recognised=False)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request, which came at *arrived* by the clock."""

    path: str
    environment: Mapping[str, str]
    manifests: bytes
    arrived: float


class Resolver:
    """Answers for the version of the configuration that is current at each request.

    *clock* is in monotonic seconds, *wall* in seconds since the epoch. *known* returns when the
    rules are known, and raises `ResolverError` if they are not within so many seconds.
    """

    def __init__(  # noqa: PLR0913  # parts of a process, which have nothing in common
        self,
        current: Current,
        applications: ApplicationInfo,
        store: Store,
        *,
        clock: Callable[[], float],
        wall: Clock,
        budget: float = BUDGET,
        known: Known | None = None,
    ) -> None:
        self._current = current
        self._applications = applications
        self._store = store
        self._clock = clock
        self._wall = wall
        self._budget = budget
        self._known = known or from_the_start
        self._beginning: set[asyncio.Task[None]] = set()

    def begin(self, environment: Mapping[str, str]) -> None:
        """Start, in the background, the look-ups that the Application may need. Never raises."""
        task = asyncio.create_task(self._begin(environment))
        self._beginning.add(task)
        task.add_done_callback(self._beginning.discard)

    async def answer(
        self, path: str, environment: Mapping[str, str], manifests: bytes, arrived: float
    ) -> Reply:
        """What the request for *path* gets, that came at *arrived* by the clock. Never raises."""
        asked = _Asked(path, environment, manifests, arrived)
        try:
            await self._known(arrived + self._budget - self._clock())
            async with self._current.use() as configuration:
                generated = await self._resolve(asked, configuration)
                stdout = await self._shown(asked, generated, configuration.operator)
        except RetagError as error:
            return _refused(path, failed(error), error)
        except Exception as error:  # whatever it is, a tenant gets a line and never a traceback
            _logger.exception("a request ended in a bug")
            line = bug(error)
            return _refused(path, failed(line, BUG), line)
        warnings = map(warning_line, report.warnings(generated))
        return Reply(0, _stderr(warnings), stdout)

    async def aclose(self) -> None:
        """Start nothing more."""
        tasks = list(self._beginning)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _resolve(self, asked: _Asked, configuration: Configuration) -> Generated:
        request = without_source(asked.environment)
        raise_together(configuration.faults)
        lookups = configuration.lookups.until(asked.arrived + self._budget)
        operator = replace(configuration.operator, lookups=lookups)
        is_applied = asked.path == wire.GENERATE
        known = self._applications if is_applied else _Unrecognised(self._applications)
        return await resolve(request, asked.manifests, operator, known, self._store)

    async def _shown(self, asked: _Asked, generated: Generated, operator: Operator) -> bytes:
        if asked.path == wire.GENERATE:
            return generated.manifests
        if asked.path == wire.PARAMETERS:
            return announce(generated)
        closer = await self._closer(generated, operator, asked.arrived + self._budget)
        shown = report.as_json(closer) | {
            "manifests": generated.manifests.decode("utf-8", "replace"),
            "explain": report.explain(closer, now=self._wall()),
        }
        return await asyncio.to_thread(_json, shown)

    async def _closer(self, generated: Generated, operator: Operator, ends: float) -> Generated:
        """*generated*, with what more can be told of it until *ends*."""
        try:
            async with asyncio.timeout(max(ends - self._clock(), 0)):
                return await look_closer(generated, operator.tags)
        except TimeoutError:
            return generated

    async def _begin(self, environment: Mapping[str, str]) -> None:
        try:
            request = without_source(environment)
            if not request.options.freeze:
                await self._known(self._budget)
                async with self._current.use() as configuration:
                    await self._begin_for(request, configuration)
        except RetagError:
            pass  # the answer will say so
        except Exception:
            _logger.exception("look-ups could not be started")

    async def _begin_for(self, request: Request, configuration: Configuration) -> None:
        """Start what no pin or freeze makes needless. Raises `RetagError`."""
        application = self._applications.application(request)
        operator = configuration.operator
        # Together: a Secret that is waited for holds up the look-ups of its own rule alone.
        async with asyncio.TaskGroup() as group:
            for rule in operator.rules.matched(application).rules:
                policy = policy_of(rule, request.options)
                if policy.decided() is None:
                    since = application.refresh_asked_at
                    group.create_task(_begin_rule(rule, policy, configuration, since))


async def _begin_rule(
    rule: Rule, policy: Policy, configuration: Configuration, since: float
) -> None:
    """Start the look-up for *rule*, unless its keys cannot be had."""
    try:
        keys = await keys_of(rule, configuration.operator.secrets)
    except RetagError:
        return  # the answer will say so
    configuration.lookups.begin(rule, policy, keys, since=since)


async def from_the_start(_seconds: float) -> None:
    """Files are read before anybody asks."""


def failed(error: RetagError, exit_code: int | None = None) -> Reply:
    """The reply that says *error*; it exits as the command line would."""
    return Reply(error.exit_code if exit_code is None else exit_code, _stderr(error_lines(error)))


def _refused(path: str, reply: Reply, error: RetagError) -> Reply:
    """*reply*, which says *error*; in the Parameters tab, which would show nothing of it."""
    if path != wire.PARAMETERS:
        return reply
    return Reply(0, reply.stderr, announce_failure(error))


def _stderr(lines: Iterable[str]) -> bytes:
    return wire.cut_stderr("".join(f"{line}\n" for line in lines))


def _json(shown: Mapping[str, Any]) -> bytes:
    return json.dumps(shown).encode()
