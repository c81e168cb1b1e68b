"""A registry goes wrong under a running Argo CD: what people get, and that it mends by itself.

Whole way: the plugin's command, a `retag serve` of its own process, a registry on a real socket.
All faults happen at once, to a registry each, so that they need be waited for once.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.faults.faulty import FAULTS, FOR_EVER, FaultyRegistry
from tests.faults.place import Outcome, Plugin, pod, registries, rules
from tests.servers import images
from tests.servers.loopback import PATIENCE
from tests.servers.registry import Registry
from tests.servers.resolver import ResolverProcess

KILLED, NAMELESS = "killed", "no name in DNS"
CASES = (*FAULTS, KILLED, NAMELESS)


def _host(case: str) -> str:
    return f"r{CASES.index(case)}.example.com"


def _image(application: str, case: str) -> str:
    return f"{_host(case)}/{'cold' if application == 'cold' else 'app'}"


@dataclass
class Story:
    """What each Application got in each case: *before*, twice *while* it lasts, and *after*.

    `known` is an Application that was rendered before; `new` was not, but has the same image;
    nothing at all was seen of that of `cold`.
    """

    before: dict[str, Outcome]
    first: dict[tuple[str, str], Outcome]
    second: dict[tuple[str, str], Outcome]
    after: dict[tuple[str, str], Outcome]


APPLICATIONS = ("known", "new", "cold")
ALL = [(application, case) for case in CASES for application in APPLICATIONS]


@dataclass
class Stage:
    """The resolver, the plugin, and the registries, of which one is a real docker-registry."""

    folder: Path
    plugin: Plugin
    resolver: ResolverProcess
    faulty: dict[str, FaultyRegistry]
    real: Registry
    threads: ThreadPoolExecutor

    def ask(self, asked: list[tuple[str, str]]) -> dict[tuple[str, str], Outcome]:
        """All at once."""
        return dict(zip(asked, self.threads.map(self._ask, asked), strict=True))

    def _ask(self, asked: tuple[str, str]) -> Outcome:
        application, case = asked
        name = f"{application}-{CASES.index(case)}"
        return self.plugin.generate(name, f"{_image(application, case)}:1.0.0")

    def until_mended(self, asked: tuple[str, str]) -> Outcome:
        """What it gets once the newest tag is served, or in the end."""
        began = time.monotonic()
        while True:
            outcome = self._ask(asked)
            took = time.monotonic() - began
            if "1.2.0" in outcome.stdout or took > PATIENCE:
                return replace(outcome, seconds=took)
            time.sleep(0.5)

    def write_registries(self, nameless: str) -> None:
        """Where the registries are."""
        urls = {_host(case): each.url for case, each in self.faulty.items()}
        urls |= {_host(KILLED): self.real.url, _host(NAMELESS): nameless}
        (self.folder / "registries.conf").write_text(registries(urls))

    def tell(self) -> Story:
        """All of it."""
        with self.real:
            for tag in ("1.0.0", "1.1.0"):
                self.real.push("app", tag, images.image())
            names = self.faulty[NAMELESS].url
            self.write_registries(names)
            self.resolver.start()
            known = self.ask([("known", case) for case in CASES])
            before = {case: known["known", case] for case in CASES}
            self.resolver.kill()  # nothing is known any more but what the store holds
        for case in FAULTS:
            self.faulty[case].fail(case)
        self.write_registries("http://registry.invalid")
        self.resolver.start()
        first, second = self.ask(ALL), self.ask(ALL)
        for each in self.faulty.values():
            each.tags = ("1.0.0", "1.1.0", "1.2.0")
            each.fail("")
        with self.real:
            self.real.push("app", "1.2.0", images.image())
            self.real.push("cold", "1.2.0", images.image())
            after = self.mended([asked for asked in ALL if asked[1] != NAMELESS])
            self.write_registries(names)
            after |= self.mended([asked for asked in ALL if asked[1] == NAMELESS])
        return Story(before, first, second, after)

    def mended(self, asked: list[tuple[str, str]]) -> dict[tuple[str, str], Outcome]:
        """All at once."""
        return dict(zip(asked, self.threads.map(self.until_mended, asked), strict=True))


@pytest.fixture(scope="module")
def story() -> Iterator[Story]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for name in ("checkouts", "registry"):
            (folder / name).mkdir()
        ruled = {f"{a}-{CASES.index(case)}": [_image(a, case)] for a, case in ALL}
        (folder / "rules").write_text(rules(ruled))
        tags = ("1.0.0", "1.1.0")
        faulty = {case: stack.enter_context(FaultyRegistry(tags)) for case in (*FAULTS, NAMELESS)}
        resolver = ResolverProcess(folder, ["--store", str(folder / "store.db")])
        stack.callback(resolver.stop)
        threads = stack.enter_context(ThreadPoolExecutor(len(ALL)))
        plugin = Plugin(folder / "checkouts", resolver.socket)
        stage = Stage(folder, plugin, resolver, faulty, Registry(folder / "registry"), threads)
        yield stage.tell()


def served(case: str, tag: str) -> str:
    """The manifest of those that have the image of `known`."""
    return pod(f"{_image('known', case)}:{tag}")


_BROKE_OFF = (
    "{url}: the connection broke off; if again, check the port, http or https, and whether it "
    "wants a client certificate [RT540]"
)
_TOO_OFTEN = (
    "the registry {name} was asked too often for {path}; set limit in registries.conf to the "
    "requests that it allows in a second [RT551]"
)
# What is said of a repository of which nothing was seen, and of one that was.
SAID = {
    "half a page": _BROKE_OFF,
    "401": (
        "the registry {name} denies access to {path} without a login; name one with credentials "
        "in registries.conf, or with pullSecret in the rule [RT552]"
    ),
    "429": _TOO_OFTEN,
    "429 for two minutes": _TOO_OFTEN,
    "503": ("the registry {name} answered with status 503 for {path}; look into its log [RT550]"),
    KILLED: "{url}: the connection is refused; check the port, and that it runs [RT540]",
}
LATE = ("hangs after headers", FOR_EVER, "drips")
ANSWERED = ("401", NAMELESS)  # refused, and asked where nothing was seen


def said(application: str, case: str) -> str:
    """Why there is no listing."""
    host, path = _host(case), "cold" if application == "cold" else "app"
    if case in LATE and application == "cold":
        remedy = "nothing was chosen before that could stay; hard refresh the Application soon"
        return f"still asking {host}; {remedy} [RT532]"
    if case in LATE:
        return (
            f"the registry {host} gave no whole answer in 8 s; "
            "look at its load and at its limit here [RT560]"
        )
    name = host.partition(".")[0]
    text = SAID[case].format(name=name, path=path, url="http://127.0.0.1:0")
    return f"Failed to get tags for {host}/{path}: {text}"


def without_port(text: str) -> str:
    return re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:0", text)


@pytest.mark.parametrize("case", CASES)
def test_before_everything_is_served_without_a_word(story: Story, case: str) -> None:
    outcome = story.before[case]
    assert (outcome.code, outcome.stderr, outcome.stdout) == (0, "", served(case, "1.1.0"))


@pytest.mark.parametrize("case", [case for case in CASES if case not in ANSWERED])
@pytest.mark.parametrize("application", ["known", "new"])
def test_what_was_seen_serves_those_who_had_it_and_those_who_are_new(
    story: Story, case: str, application: str
) -> None:
    outcome = story.first[application, case]
    assert (outcome.code, outcome.stdout) == (0, served(case, "1.1.0"))
    line = f"warning: a0: {said(application, case)}; the tags it listed last decide\n"
    assert without_port(outcome.stderr) == line


def test_who_is_refused_keeps_the_last_choice_and_chooses_nothing_new(story: Story) -> None:
    known, new = story.first["known", "401"], story.first["new", "401"]
    assert (known.code, known.stdout) == (0, served("401", "1.1.0"))
    why = said("known", "401")
    assert known.stderr == f"warning: a0: {why}; 1.1.0, which was chosen last, stays\n"
    assert (new.code, new.stdout, new.stderr) == (5, "", line_of("new", "401", why))


def line_of(application: str, case: str, why: str) -> str:
    name = f"{application}-{CASES.index(case)}"
    image = _image(application, case)
    return f"error: ImageUpdater argocd/rules, ref {name}, image a0, {image}: {why}\n"


def test_without_a_name_the_last_choice_stays(story: Story) -> None:
    """Another api_url is another registry, of which nothing was seen."""
    known, new = story.first["known", NAMELESS], story.first["new", NAMELESS]
    assert (known.code, known.stdout) == (0, served(NAMELESS, "1.1.0"))
    assert known.stderr.endswith("[RT541]; 1.1.0, which was chosen last, stays\n")
    assert (new.code, new.stdout) == (5, "")
    assert new.stderr.endswith("; check the name, and DNS [RT541]\n")


@pytest.mark.parametrize("case", [case for case in CASES if case != NAMELESS])
def test_where_nothing_was_seen_one_line_says_why(story: Story, case: str) -> None:
    outcome = story.first["cold", case]
    assert (outcome.code, outcome.stdout) == (5, "")
    line = line_of("cold", case, said("cold", case))
    assert without_port(outcome.stderr) == without_port(line)


@pytest.mark.parametrize(("application", "case"), ALL)
def test_the_second_time_it_is_the_same(story: Story, application: str, case: str) -> None:
    assert story.second[application, case] == story.first[application, case]


@pytest.mark.parametrize(("application", "case"), ALL)
def test_it_mends_by_itself(story: Story, application: str, case: str) -> None:
    outcome = story.after[application, case]
    newest = pod(f"{_image(application, case)}:1.2.0")
    assert (outcome.code, outcome.stderr, outcome.stdout) == (0, "", newest)
