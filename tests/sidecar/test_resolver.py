"""Environment and manifests in, exit code and streams out, with the real pipeline behind."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import pytest

from cmp.cosign import PublicKey
from cmp.errors import ResolverError, RetagError, RuleError, UnreachableError
from cmp.lookups import Direct
from cmp.pipeline import Operator
from cmp.plugin import wire
from cmp.policy import Policy
from cmp.ports import ApplicationInfo, Lookups
from cmp.reference import Repository
from cmp.registry.port import TagSource
from cmp.render import Permissions
from cmp.request import Request
from cmp.rules import Application, Rule, rules_in
from cmp.tags import Listing, Needs, Tag
from sidecar.resolver import Reply, Resolver, Unwatched
from tests.memory import NOW, MemoryStore, MemoryTags, OneApplication

APP = "registry.example.com/app"
RULES = f"""\
apiVersion: argocd-image-updater.argoproj.io/v1alpha1
kind: ImageUpdater
metadata: {{name: rules, namespace: argocd}}
spec:
  applicationRefs:
    - namePattern: web
      images:
        - {{alias: app, imageName: {APP}}}
        - {{alias: db, imageName: registry.example.com/db}}
"""
ENVIRONMENT = {"ARGOCD_APP_NAME": "web", "ARGOCD_APP_PROJECT_NAME": "default"}
POD = f"""\
apiVersion: v1
kind: Pod
metadata: {{name: p}}
spec:
  containers:
  - {{name: c, image: '{APP}:1.0.0'}}
""".encode()
MOVED = POD.replace(b"1.0.0", b"1.1.0")
ARRIVED = 1000.0
BUDGET = 10.0

Answer = TypeVar("Answer")


@dataclass
class Choices:
    """`SharedChoices` that shares nothing, and notes what it was asked."""

    tags: TagSource
    ends: list[float] = field(default_factory=list)
    begun: list[tuple[str, float]] = field(default_factory=list)
    fault: Exception | None = None

    def until(self, ends: float, /) -> Lookups:
        """Look-ups that do not end."""
        self.ends.append(ends)
        return Direct(self.tags)

    def begin(
        self, rule: Rule, _policy: Policy, _keys: Sequence[PublicKey], /, *, since: float = 0
    ) -> None:
        """Note it."""
        if self.fault is not None:
            raise self.fault
        self.begun.append((rule.alias, since))


@dataclass
class Fixed:
    """A `Configuration`, and the `Current` whose only version it is."""

    operator: Operator
    lookups: Choices
    faults: tuple[RetagError, ...] = ()
    used: int = 0

    @asynccontextmanager
    async def use(self) -> AsyncIterator[Fixed]:
        """Itself."""
        self.used += 1
        try:
            yield self
        finally:
            self.used -= 1


def fixed(
    tags: TagSource | None = None, rules: str = RULES, faults: Sequence[RetagError] = ()
) -> Fixed:
    """A configuration of *rules* and *tags*."""
    source = tags or MemoryTags({APP: ["1.0.0", "1.1.0"], "registry.example.com/db": ["5"]})
    operator = Operator(rules_in(rules, "rules.yaml"), source, Permissions())
    return Fixed(operator, Choices(source), tuple(faults))


def resolver(
    configuration: Fixed,
    applications: ApplicationInfo | None = None,
    clock: float = ARRIVED,
    store: MemoryStore | None = None,
) -> Resolver:
    """A resolver for it."""
    return Resolver(
        configuration,
        applications or Unwatched(),
        store or MemoryStore(),
        clock=lambda: clock,
        wall=lambda: NOW,
        budget=BUDGET,
    )


def answer(
    configuration: Fixed,
    manifests: bytes = POD,
    path: str = wire.GENERATE,
    environment: Mapping[str, str] = ENVIRONMENT,
    clock: float = ARRIVED,
    store: MemoryStore | None = None,
) -> Reply:
    """The reply; the configuration is let go of."""

    async def run() -> Reply:
        answering = resolver(configuration, clock=clock, store=store)
        return await answering.answer(path, environment, manifests, ARRIVED)

    reply = asyncio.run(run())
    assert configuration.used == 0
    return reply


def test_the_newest_tags_are_written() -> None:
    assert answer(fixed()) == Reply(0, b"", MOVED)


def test_waiting_for_look_ups_ends_with_the_budget() -> None:
    configuration = fixed()
    answer(configuration)
    assert configuration.lookups.ends == [ARRIVED + BUDGET]


@pytest.mark.parametrize(
    ("name", "namespace"), [("web", ""), ("team_web", "team"), ("t-1_web", "t-1")]
)
def test_without_a_cluster_only_the_request_tells_of_the_application(
    name: str, namespace: str
) -> None:
    application = Unwatched().application(Request(name, project="default"))
    assert application == Application(name="web", namespace=namespace, project="default")
    assert (application.labels, application.annotations, application.images) == (None, None, None)


@pytest.mark.parametrize(
    ("name", "known", "rewritten"),
    [
        pytest.param("web", "argocd", True, id="a rule of Argo CD's own namespace"),
        pytest.param("web", "gitops", False, id="a rule of another namespace"),
        pytest.param("web", "", True, id="any rule where the namespace is not known"),
        pytest.param("team_web", "argocd", False, id="an Application of another namespace"),
    ],
)
def test_a_bare_name_is_in_argo_cds_own_namespace(
    name: str,
    known: str,
    rewritten: bool,  # noqa: FBT001
) -> None:
    environment = {**ENVIRONMENT, "ARGOCD_APP_NAME": name}
    asked = resolver(fixed(), Unwatched(known)).answer(wire.GENERATE, environment, POD, ARRIVED)
    assert (asyncio.run(asked).stdout != POD) is rewritten


def test_a_warning_is_a_line_beside_the_manifests() -> None:
    tags = MemoryTags({APP: ["none-of-them"]})
    reply = answer(fixed(tags))
    assert (reply.exit_code, reply.stdout) == (0, POD)
    assert reply.stderr.startswith(b"warning: app: ")
    assert reply.stderr.count(b"\n") == 1


def test_an_error_is_a_line_and_the_exit_code_of_its_kind() -> None:
    error = UnreachableError("RT502", "the registry does not answer", remedy="try again")
    reply = answer(fixed(MemoryTags({}, error=error)))
    assert (reply.exit_code, reply.stdout) == (5, b"")
    assert reply.stderr.startswith(b"error: ImageUpdater argocd/rules, ref web, image app, ")
    assert reply.stderr.endswith(b"the registry does not answer; try again [RT502]\n")


def test_several_errors_are_a_line_each() -> None:
    environment = {
        **ENVIRONMENT,
        "ARGOCD_ENV_RETAG_FREEZE": "perhaps",
        "ARGOCD_ENV_RETAG_OUTPUT": "x",
    }
    reply = answer(fixed(), environment=environment)
    assert reply.exit_code == 2
    assert [line[:7] for line in reply.stderr.splitlines()] == [b"error: "] * 2


@pytest.mark.parametrize("environment", [{}, {"ARGOCD_APP_NAME": ""}])
def test_a_request_of_nobody_is_refused(environment: dict[str, str]) -> None:
    reply = answer(fixed(), environment=environment)
    assert reply.exit_code == 2
    assert b"[RT229]" in reply.stderr


def test_no_path_that_a_tenant_names_is_touched() -> None:
    environment = {**ENVIRONMENT, "ARGOCD_APP_SOURCE_PATH": "/proc/self/environ"}
    assert answer(fixed(), environment=environment) == Reply(0, b"", MOVED)


def test_while_the_rules_are_unknown_nothing_is_rendered() -> None:
    faults = [RuleError("RT301", "no YAML", where="rules.yaml:1:1"), RuleError("RT302", "other")]
    reply = answer(fixed(faults=faults))
    assert reply == Reply(
        3, b"error: rules.yaml:1:1: no YAML [RT301]\nerror: other [RT302]\n", b""
    )


def test_long_errors_are_cut() -> None:
    faults = [RuleError("RT301", f"{number} {'ä' * 500}") for number in range(20)]
    stderr = answer(fixed(faults=faults)).stderr
    assert len(stderr) <= wire.LONGEST_STDERR
    assert stderr.decode().endswith("…\n")


class Bug(MemoryTags):
    """Tags that nobody foresaw."""

    async def list_tags(self, repository: Repository) -> Listing:
        """Raises."""
        raise ZeroDivisionError(f"a secret of {repository}")


def test_a_bug_is_a_line_for_the_tenant_and_a_traceback_for_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    reply = answer(fixed(Bug({})))
    assert (reply.exit_code, reply.stdout) == (70, b"")
    assert b"unexpected ZeroDivisionError; this is a bug in Retag" in reply.stderr
    assert b"secret" not in reply.stderr
    [record] = [each for each in caplog.records if each.name == "retag.resolver"]
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None


def test_explain_tells_the_manifests_and_why() -> None:
    reply = answer(fixed(), path=wire.EXPLAIN)
    shown = json.loads(reply.stdout)
    assert shown["manifests"] == MOVED.decode()
    assert shown["explain"][0] == "web: 1 image under a rule, 1 moved"
    assert shown["images"][0]["places"][0]["after"] == f"{APP}:1.1.0"


class Slow(MemoryTags):
    """Tags that are listed at once, and never described."""

    async def describe(
        self, _repository: Repository, _names: Sequence[str], _needs: Needs, /
    ) -> Mapping[str, Tag]:
        """Waits for ever."""
        await asyncio.Event().wait()
        return {}


def test_explain_does_without_what_cannot_be_told_in_time() -> None:
    late = ARRIVED + BUDGET + 1
    reply = answer(fixed(Slow({APP: ["1.1.0"]})), path=wire.EXPLAIN, clock=late)
    assert json.loads(reply.stdout)["manifests"] == MOVED.decode()


@pytest.mark.parametrize(
    ("path", "kept"), [(wire.GENERATE, ["1.1.0"]), (wire.EXPLAIN, []), (wire.PARAMETERS, [])]
)
def test_only_what_is_applied_is_remembered(path: str, kept: list[str]) -> None:
    store = MemoryStore()
    answer(fixed(), path=path, store=store)
    assert [choice.tag for choice in store.kept] == kept


def test_the_announcement_is_a_json_list() -> None:
    [announced] = json.loads(answer(fixed(), path=wire.PARAMETERS).stdout)
    assert "1.1.0" in json.dumps(announced)


ERROR = UnreachableError("RT540", "the connection is refused", remedy="check the port")


@pytest.mark.parametrize(
    ("configuration", "environment", "line"),
    [
        pytest.param(
            fixed(MemoryTags({}, error=ERROR)), ENVIRONMENT, str(ERROR), id="a silent registry"
        ),
        pytest.param(
            fixed(faults=[RuleError("RT301", "no YAML"), RuleError("RT302", "other")]),
            ENVIRONMENT,
            "no YAML [RT301]",
            id="several faults",
        ),
        pytest.param(
            fixed(), {**ENVIRONMENT, "ARGOCD_ENV_RETAG_FREEZE": "x"}, "RT2", id="a parameter"
        ),
    ],
)
def test_the_parameters_tab_says_why_nothing_could_be_chosen(
    configuration: Fixed, environment: dict[str, str], line: str
) -> None:
    plain = answer(configuration, environment=environment)
    shown = answer(configuration, path=wire.PARAMETERS, environment=environment)

    [announced] = json.loads(shown.stdout)
    text = announced["map"]["error"]
    assert (shown.exit_code, announced["name"], len(announced["map"])) == (0, "images", 1)
    assert line in text
    assert shown.stderr == plain.stderr
    assert plain.stderr.decode().splitlines()[0] == f"error: {text}"
    assert plain.exit_code


def test_the_line_in_the_parameters_tab_is_bounded() -> None:
    faults = [RuleError("RT301", "long\n" * 5000)]
    [announced] = json.loads(answer(fixed(faults=faults), path=wire.PARAMETERS).stdout)
    text = announced["map"]["error"]
    assert len(text) == 2000
    assert "\n" not in text
    assert text.endswith(" [RT301]")


def begun(
    configuration: Fixed,
    environment: Mapping[str, str] = ENVIRONMENT,
    applications: ApplicationInfo | None = None,
) -> list[tuple[str, float]]:
    """The look-ups that the beginning of a request starts, by alias."""

    async def run() -> None:
        answering = resolver(configuration, applications)
        answering.begin(environment)
        await asyncio.sleep(0)
        await answering.aclose()

    asyncio.run(run())
    assert configuration.used == 0
    return configuration.lookups.begun


def test_a_request_begins_the_look_ups_of_its_rules() -> None:
    assert begun(fixed()) == [("app", 0), ("db", 0)]


def test_they_see_nothing_older_than_the_refresh_that_was_asked_for() -> None:
    application = Application(name="web", refresh_asked_at=NOW)
    assert begun(fixed(), applications=OneApplication(application)) == [("app", NOW), ("db", NOW)]


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        pytest.param({"ARGOCD_APP_NAME": "other"}, [], id="no rule"),
        pytest.param({**ENVIRONMENT, "ARGOCD_ENV_RETAG_FREEZE": "true"}, [], id="frozen"),
        pytest.param(
            {**ENVIRONMENT, "ARGOCD_ENV_RETAG_PINS": "app=1.0.0"}, [("db", 0)], id="pinned"
        ),
        pytest.param({}, [], id="no name"),
        pytest.param({**ENVIRONMENT, "ARGOCD_APP_PARAMETERS": "{"}, [], id="wrong parameters"),
    ],
)
def test_what_needs_no_look_up_begins_none(
    environment: dict[str, str], expected: list[tuple[str, float]]
) -> None:
    assert begun(fixed(), environment) == expected


def test_a_bug_at_the_beginning_is_logged_and_no_more(caplog: pytest.LogCaptureFixture) -> None:
    configuration = fixed()
    configuration.lookups.fault = ZeroDivisionError("a bug")
    assert begun(configuration) == []
    assert [record.name for record in caplog.records] == ["retag.resolver"]


def test_what_begins_when_the_resolver_ends_is_cancelled() -> None:
    configuration = fixed()

    async def run() -> int:
        answering = resolver(configuration)
        answering.begin(ENVIRONMENT)
        await answering.aclose()
        return len(asyncio.all_tasks())

    assert asyncio.run(run()) == 1
    assert configuration.lookups.begun == []


def test_who_is_cancelled_lets_go_of_the_configuration() -> None:
    waiting = asyncio.Event()

    class Hanging(MemoryTags):
        async def list_tags(self, repository: Repository) -> Listing:
            waiting.set()
            await asyncio.Event().wait()
            return await super().list_tags(repository)

    configuration = fixed(Hanging({}))

    async def run() -> None:
        answering = resolver(configuration).answer(wire.GENERATE, ENVIRONMENT, POD, ARRIVED)
        task = asyncio.create_task(answering)
        await waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert configuration.used == 0


class Unsure:
    """Rules that are known once *listed*; it notes for how long requests would wait."""

    def __init__(self) -> None:
        self.listed = asyncio.Event()
        self.waited: list[float] = []

    async def known(self, seconds: float) -> None:
        self.waited.append(seconds)
        try:
            async with asyncio.timeout(0):
                await self.listed.wait()
        except TimeoutError:
            raise ResolverError("RT662", "unknown", remedy="wait") from None


def unsure(configuration: Fixed, known: Unsure) -> Resolver:
    """A resolver that may have to wait for rules, 3 seconds after a request arrived."""
    return Resolver(
        configuration,
        Unwatched(),
        MemoryStore(),
        clock=lambda: ARRIVED + 3,
        wall=lambda: NOW,
        budget=10,
        known=known.known,
    )


@pytest.mark.parametrize("path", [wire.GENERATE, wire.EXPLAIN])
def test_nothing_is_rendered_while_rules_are_unknown(path: str) -> None:
    known, configuration = Unsure(), fixed()

    async def run() -> Reply:
        answering = unsure(configuration, known)
        answering.begin(ENVIRONMENT)
        await asyncio.sleep(0)
        reply = await answering.answer(path, ENVIRONMENT, POD, ARRIVED)
        await answering.aclose()
        return reply

    assert asyncio.run(run()) == Reply(6, b"error: unknown; wait [RT662]\n")
    assert known.waited == [10, 7]
    assert configuration.lookups.begun == []


def test_a_parameters_tab_says_that_rules_are_unknown() -> None:
    reply = asyncio.run(
        unsure(fixed(), Unsure()).answer(wire.PARAMETERS, ENVIRONMENT, POD, ARRIVED)
    )

    assert (reply.exit_code, b"RT662" in reply.stdout) == (0, True)


def test_once_rules_are_known_requests_are_answered() -> None:
    async def run() -> Reply:
        known = Unsure()
        known.listed.set()
        return await unsure(fixed(), known).answer(wire.GENERATE, ENVIRONMENT, POD, ARRIVED)

    assert asyncio.run(run()) == Reply(0, b"", MOVED)
