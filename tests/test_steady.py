"""What an image keeps where nothing is chosen, and what is no step back."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from cmp import report
from cmp.errors import RegistryError, RetagError, RuleError, UnreachableError
from cmp.options import parse_environment, parse_params
from cmp.pipeline import Generated, Operator, generate
from cmp.reference import Repository
from cmp.render import Permissions
from cmp.request import Request
from cmp.rules import Application, Rule, rules_for, rules_in
from cmp.shared import SharedLookups
from cmp.store import LastGood, Store
from cmp.tags import Fault, Listing, Needs, Tag
from tests.memory import NOW, MemoryStore, MemoryTags, OneApplication, last_good
from tests.metering import Metered
from tests.test_pipeline import APP, DB, SEMVER, pod, ruleset

DIGEST, OTHER = ("sha256:" + pair * 32 for pair in ("5a", "7b"))
DOWN = UnreachableError("RT501", "the registry is down")


def down() -> MemoryTags:
    """A registry that gives no answer."""
    return MemoryTags({}, error=DOWN)


def rules_with(settings: str, constraint: str = "") -> str:
    """One rule, app, with *settings*."""
    return ruleset(
        f"- alias: app\n  imageName: '{APP}{constraint}'\n  commonUpdateSettings: {{{settings}}}"
    )


def first_rule(rules: str) -> Rule:
    """The first rule of *rules*."""
    known = Application(name="web", namespace="argocd")
    return rules_for(rules_in(rules, "rules.yaml"), known).rules[0]


def render(
    rules: str,
    *params: str,
    tags: MemoryTags | None = None,
    store: Store | None = None,
    meter: Metered | None = None,
    manifests: bytes = pod(f"{APP}:0.9"),
    variables: Mapping[str, str] | None = None,
    **known: Any,
) -> Generated:
    """`generate` for the Application web, of which *known* is known besides."""
    operator = Operator(
        rules_in(rules, "rules.yaml"), tags or down(), Permissions(), meter=meter or Metered()
    )
    options = parse_environment(variables or {}) | parse_params(params)
    request = Request("web", manifests=manifests, options=options)
    application = Application(name="web", labels={}, annotations={}, **known)
    applications = OneApplication(application)
    return asyncio.run(generate(request, operator, applications, store or MemoryStore()))


def served(generated: Generated) -> list[str]:
    """The images, without the repository's name where it is the app's."""
    images = [each.after for each in generated.decisions]
    images += [each.after for each in generated.held]
    return [str(image).removeprefix(APP) for image in images]


class TestWhatRuns:
    """Nothing is stored, and the registry is down."""

    @pytest.mark.parametrize(
        ("settings", "images", "expected"),
        [
            ("", ["1.2.0"], ":1.2.0"),
            ("", ["1.9.0", "1.10.0", "latest"], ":1.10.0"),
            ("updateStrategy: name", ["1.9.0", "1.10.0"], ":1.9.0"),
            ("updateStrategy: newest-build", ["1.9.0", "1.10.0", "dev"], ":1.10.0"),
            ("updateStrategy: newest-build", ["a", "b"], ":b"),
            ("denyTags: ['1.10.0']", ["1.9.0", "1.10.0"], ":1.9.0"),
            ("allowTags: 'regexp:('", ["main"], ":main"),
        ],
        ids=[
            "one tag",
            "the greatest that the rule allows",
            "the greatest by the order of the rule",
            "by version where names do not rank",
            "by name where they are no versions either",
            "none that is denied",
            "a filter that is broken refuses nothing",
        ],
    )
    def test_the_tag_that_runs_stays(
        self, settings: str, images: list[str], expected: str
    ) -> None:
        running = tuple(f"{APP}:{tag}" for tag in images)

        assert served(render(rules_with(settings), images=running)) == [expected]

    def test_the_warning_says_what_is_kept_and_why(self) -> None:
        one = render(SEMVER, images=(f"{APP}:1.2.0",))
        two = render(SEMVER, images=(f"{APP}:1.2.0", f"{APP}:1.1.0", "not a reference", f"{DB}:9"))

        assert report.warnings(one) == [
            "app: the registry is down [RT501]; 1.2.0, which runs, stays"
        ]
        assert report.warnings(two) == [
            "app: the registry is down [RT501]; 1.2.0, which is the greatest of 2 that run, stays"
        ]

    @pytest.mark.parametrize(
        ("settings", "images"),
        [
            ("", ()),
            ("", None),
            ("denyTags: ['1.2.0']", (f"{APP}:1.2.0",)),
            ("", (f"{DB}:1.2.0",)),
            ("output: digest", (f"{APP}:1.2.0",)),
            ("output: digest, denyTags: ['9']", (f"{APP}@{DIGEST}",)),
            ("output: digest", (f"{APP}@{DIGEST}", f"{APP}@{OTHER}")),
            ("", (f"{APP}@{DIGEST}",)),
        ],
        ids=[
            "nothing runs",
            "nobody knows",
            "it is denied",
            "another repository",
            "no digest is known and one is due",
            "the digest may be that of a denied tag",
            "two digests",
            "a digest where a tag is due",
        ],
    )
    def test_without_one_that_may_stay_the_render_fails_with_the_registrys_error(
        self, settings: str, images: tuple[str, ...] | None
    ) -> None:
        with pytest.raises(RegistryError, match="the registry is down"):
            render(rules_with(settings), images=images)

    @pytest.mark.parametrize(
        ("output", "image"),
        [("tag@digest", f":1.2.0@{DIGEST}"), ("digest", f"@{DIGEST}")],
    )
    def test_a_digest_that_runs_stays_where_digests_are_written(
        self, output: str, image: str
    ) -> None:
        generated = render(rules_with(f"output: {output}"), images=(f"{APP}{image}",))

        assert served(generated) == [image]

    @pytest.mark.parametrize("why", ["suspend: true", "allowTags: 'regexp:^9'"])
    def test_what_needs_no_registry_falls_back_to_the_manifest_with_a_warning(
        self, why: str
    ) -> None:
        generated = render(rules_with(why), tags=MemoryTags({APP: ["1.0.0"]}))

        assert served(generated) == [":0.9"]
        assert "the image stays as it is" in report.warnings(generated)[0]

    def test_where_it_is_needed_and_not_known_explain_says_so(self) -> None:
        frozen = render(SEMVER, "freeze=true")
        moved = render(SEMVER, tags=MemoryTags({APP: ["1.0.0"]}))
        note = "which images run is not known, as no cluster is watched"

        assert note in report.notes_of(frozen)
        assert report.notes_of(moved) == []


def edited(rules: str, *tags: str) -> MemoryStore:
    """A store of *tags* that the rule chose, the last first, each before it was edited."""
    records = [last_good(first_rule(rules), tag, DIGEST) for tag in tags]
    return MemoryStore(
        replace(record, fingerprint=f"before {index}") for index, record in enumerate(records)
    )


class TestAnEditedRule:
    """What it chose before it was edited."""

    @pytest.mark.parametrize(
        ("settings", "expected"),
        [("", ":2.0.0"), ("allowTags: 'regexp:^1'", ":1.0.0"), ("denyTags: ['2*']", ":1.0.0")],
    )
    def test_keeps_the_last_that_it_allows_now(self, settings: str, expected: str) -> None:
        rules = rules_with(settings)

        assert served(render(rules, store=edited(rules, "2.0.0", "1.0.0"))) == [expected]

    def test_vouches_for_nothing_of_that_with_a_gate(self) -> None:
        rules = rules_with("maxSeverity: low")
        store = edited(rules, "2.0.0")

        with pytest.raises(RegistryError):
            render(rules, store=store)
        running = render(rules, store=store, images=(f"{APP}:1.0.0@{OTHER}",))
        assert served(running) == [f":1.0.0@{OTHER}"]

    def test_goes_where_the_new_rule_says_though_that_is_lower(self) -> None:
        tags = MemoryTags({APP: ["1.0.0"]})
        generated = render(SEMVER, tags=tags, store=edited(SEMVER, "2.0.0"))

        assert served(generated) == [":1.0.0"]
        assert tags.asked == {f"list {APP}": 1}

    def test_goes_there_though_what_runs_is_higher_too(self) -> None:
        tags = Short({APP: ["1.0.0", "2.0.0"]}, hidden=["2.0.0"])
        store, running = edited(SEMVER, "2.0.0"), (f"{APP}:2.0.0",)

        assert served(render(SEMVER, tags=tags, store=store, images=running)) == [":1.0.0"]

    def test_is_not_told_by_records_of_another_repository(self) -> None:
        elsewhere = replace(last_good(first_rule(SEMVER), "9.0.0"), repository=DB)

        with pytest.raises(RegistryError):
            render(SEMVER, store=MemoryStore([elsewhere]))


class TestAPin:
    """Power over freeze and policy, but not over what is denied."""

    def test_whose_digest_cannot_be_read_leaves_no_other_tag_in_its_place(self) -> None:
        rules = rules_with("output: digest")
        store = MemoryStore([last_good(first_rule(rules), "2.0.0", DIGEST)])
        pinned = MemoryStore([last_good(first_rule(rules), "1.0.0", DIGEST)])

        with pytest.raises(RegistryError):
            render(rules, "pins=app=1.0.0", store=store)
        assert served(render(rules, "pins=app=1.0.0", store=pinned)) == [f"@{DIGEST}"]

    def test_that_runs_stays_before_the_policys_choice(self) -> None:
        rules = rules_with("output: tag@digest")
        store = MemoryStore([last_good(first_rule(rules), "2.0.0", DIGEST)])
        running = (f"{APP}:dev@{OTHER}", f"{APP}:2.0.0@{DIGEST}")

        assert served(render(rules, "pins=app=dev", store=store, images=running)) == [
            f":dev@{OTHER}"
        ]

    def test_that_is_denied_leaves_the_policys_last_choice(self) -> None:
        rules = rules_with("denyTags: ['dev']")
        store = MemoryStore([last_good(first_rule(rules), "2.0.0")])

        assert served(render(rules, "pins=app=dev", store=store)) == [":2.0.0"]

    def test_that_is_denied_leaves_what_runs(self) -> None:
        rules = rules_with("denyTags: ['dev']")
        running = (f"{APP}:2.0.0",)

        assert served(render(rules, "pins=app=dev", images=running)) == [":2.0.0"]

    @pytest.mark.parametrize(
        ("variables", "params", "expected"),
        [
            ({"PINS": "app=7"}, [], ":7"),
            ({"PINS": "app=7"}, ["pins=app=8"], ":8"),
            ({"FREEZE": "true"}, [], ":1.0.0"),
            ({"FREEZE": "true", "PINS": "app=7"}, [], ":7"),
            ({"FREEZE": "true"}, ["freeze=false", "pins=app=9"], ":9"),
        ],
    )
    def test_works_as_variable_too_while_the_registry_is_down(
        self, variables: Mapping[str, str], params: Sequence[str], expected: str
    ) -> None:
        tags = down()
        store = MemoryStore([last_good(first_rule(SEMVER), "1.0.0")])
        named = {f"ARGOCD_ENV_RETAG_{name}": value for name, value in variables.items()}
        generated = render(SEMVER, *params, tags=tags, store=store, variables=named)

        assert served(generated) == [expected]
        assert not tags.asked


@dataclass
class Short(MemoryTags):
    """Listings are *stale*, if that says why, and lack the tags that are *hidden*."""

    hidden: Sequence[str] = ()
    stale: str = ""
    age: float = 0.0
    unread: RegistryError | None = None

    async def list_tags(self, repository: Repository) -> Listing:
        """What is shown."""
        listing = await super().list_tags(repository)
        names = tuple(name for name in listing.names if name not in self.hidden)
        return replace(listing, names=names, observed_at=NOW - self.age, stale=self.stale)

    async def describe(
        self, repository: Repository, names: Sequence[str], needs: Needs, /
    ) -> Mapping[str, Tag]:
        """What is there, hidden or not."""
        if self.unread is not None and set(names) & set(self.hidden):
            raise self.unread
        return await super().describe(repository, names, needs)


def chosen_before(rules: str, tag: str, digest: str | None = None) -> MemoryStore:
    """A store of the choice *tag*."""
    return MemoryStore([last_good(first_rule(rules), tag, digest)])


BY_BUILD = rules_with("updateStrategy: newest-build")
GATED = rules_with("maxSeverity: low")


def good(name: str, created: int = 1, severity: str = "none") -> Tag:
    """A tag of which all is known."""
    return Tag(name, DIGEST, created=created, severity=severity)


STEPS = {
    "still there": (SEMVER, Short({APP: ["1.0.0", "2.0.0"]}, hidden=["2.0.0"]), "2.0.0"),
    "gone": (SEMVER, Short({APP: ["1.0.0"]}), "1.0.0"),
    "not to be read": (
        SEMVER,
        Short({APP: ["1.0.0", "2.0.0"]}, hidden=["2.0.0"], unread=DOWN),
        "2.0.0",
    ),
    "outranked": (SEMVER, Short({APP: ["3.0.0"]}, unread=DOWN, hidden=["2.0.0"]), "3.0.0"),
    "there, and built before": (
        BY_BUILD,
        Short({APP: [good("a", 5), good("2.0.0", 4)]}, hidden=["2.0.0"]),
        "a",
    ),
    "there, and built later": (
        BY_BUILD,
        Short({APP: [good("a", 5), good("2.0.0", 6)]}, hidden=["2.0.0"]),
        "2.0.0",
    ),
    "there, and nobody can tell when it was built": (
        BY_BUILD,
        Short(
            {APP: [good("a", 5), Tag("2.0.0", DIGEST, fault=Fault.UNREADABLE)]}, hidden=["2.0.0"]
        ),
        "2.0.0",
    ),
    "listed by age, where places tell nothing of what is not listed": (
        BY_BUILD,
        Short({APP: ["a", Tag("2.0.0", DIGEST)]}, hidden=["2.0.0"], newest_first=True),
        "2.0.0",
    ),
    "no image by now": (
        BY_BUILD,
        Short(
            {APP: [good("a", 5), Tag("2.0.0", DIGEST, fault=Fault.MALFORMED)]}, hidden=["2.0.0"]
        ),
        "2.0.0",
    ),
    "lacking in an old listing": (
        SEMVER,
        Short({APP: ["1.0.0", "2.0.0"]}, hidden=["2.0.0"], stale="down"),
        "2.0.0",
    ),
    "outranked in an old listing": (
        SEMVER,
        Short({APP: ["3.0.0"]}, hidden=["2.0.0"], stale="down"),
        "3.0.0",
    ),
    "chosen from something newer than an old listing": (
        SEMVER,
        Short({APP: ["3.0.0", "2.0.0"]}, stale="down", age=10),
        "2.0.0",
    ),
    "refused by a gate now": (
        GATED,
        Short({APP: [good("1.0.0"), good("2.0.0", severity="high")]}, hidden=["2.0.0"]),
        "1.0.0",
    ),
    "good by a gate, too": (
        GATED,
        Short({APP: [good("1.0.0"), good("2.0.0")]}, hidden=["2.0.0"]),
        "2.0.0",
    ),
}


class TestAStepBack:
    """From 2.0.0, which was chosen last."""

    @pytest.mark.parametrize(("rules", "tags", "expected"), STEPS.values(), ids=STEPS.keys())
    def test_is_taken_only_where_the_tag_before_is(
        self, rules: str, tags: Short, expected: str
    ) -> None:
        digest = DIGEST if rules == GATED else None
        meter = Metered()
        store = chosen_before(rules, "2.0.0", digest)
        generated = render(rules, tags=replace(tags), store=store, meter=meter)

        assert [image.partition("@")[0] for image in served(generated)] == [f":{expected}"]
        kept = expected == "2.0.0"
        assert meter.value("retag_backwards_prevented_total") == kept
        assert bool(generated.decisions[0].warning) is (kept or bool(tags.stale))
        assert [record.tag for record in store.kept[:-1]] == ([] if kept else [expected])

    def test_from_what_runs_is_none_either(self) -> None:
        tags = Short({APP: ["1.0.0", "2.0.0"]}, hidden=["2.0.0"])
        generated = render(SEMVER, tags=tags, images=(f"{APP}:2.0.0",))

        assert report.warnings(generated) == [
            "app: the listing lacks 2.0.0, which the registry still has; 2.0.0, which runs, stays"
        ]

    def test_costs_one_question_and_a_step_forward_none(self) -> None:
        back, forward = (Short({APP: [name]}) for name in ("1.0.0", "3.0.0"))
        for tags in (back, forward):
            render(SEMVER, tags=tags, store=chosen_before(SEMVER, "2.0.0"))

        assert back.asked == {f"list {APP}": 1, f"describe {APP}": 1}
        assert forward.asked == {f"list {APP}": 1}

    def test_is_no_matter_where_the_tag_is_listed_and_refused(self) -> None:
        tags = Short({APP: [good("1.0.0"), good("2.0.0", severity="high")]})
        generated = render(GATED, tags=tags, store=chosen_before(GATED, "2.0.0", DIGEST))

        assert served(generated) == [f":1.0.0@{DIGEST}"]

    def test_what_another_replica_saw_later_is_looked_at_before_anything_is_done(self) -> None:
        tags = Short({APP: ["1.0.0", "2.0.0"]}, age=10)
        generated = render(SEMVER, tags=tags, store=chosen_before(SEMVER, "1.0.0"))

        assert served(generated) == [":2.0.0"]
        assert tags.asked == {f"list {APP}": 2}

    def test_descriptions_may_be_older_than_the_listing_that_goes_with_them(self) -> None:
        class Moved(Short):
            """Tells of a tag that moved only who asks for nothing older."""

            def since(self, instant: float, /) -> Moved:
                newer = [Tag("a", created=1), Tag("b", created=2 if instant else 0)]
                return Moved({APP: newer})

        rules = rules_with("updateStrategy: newest-build")
        generated = render(rules, tags=Moved({APP: []}), store=chosen_before(rules, "b"))

        assert served(generated) == [":b"]

    def test_and_where_it_cannot_be_looked_at_the_last_choice_stays(self) -> None:
        class Once(Short):
            """Answers one time."""

            async def list_tags(self, repository: Repository) -> Listing:
                listing = await super().list_tags(repository)
                self.error = DOWN
                return listing

        tags = Once({APP: ["2.0.0"]}, age=10)
        generated = render(SEMVER, tags=tags, store=chosen_before(SEMVER, "1.0.0"))

        assert served(generated) == [":1.0.0"]

    def test_a_tag_that_is_chosen_from_an_old_listing_says_so(self) -> None:
        tags = Short({APP: ["2.0.0"]}, stale="the registry is down [RT501]", age=10_800)
        generated = render(SEMVER, tags=tags)

        assert report.warnings(generated) == [
            "app: the registry is down [RT501]; the tags it listed last decide"
        ]
        explained = report.explain(generated, now=NOW)
        assert "  listed   3 h ago; the registry is down [RT501]" in explained
        assert report.as_json(generated)["images"][0]["stale"] == tags.stale


class TestWhatIsRecorded:
    """The policy's own choices, as they are written."""

    @pytest.mark.parametrize(
        ("output", "digest"), [("tag", None), ("tag@digest", DIGEST), ("digest", DIGEST)]
    )
    def test_are_tag_and_digest_as_written_and_the_age_of_the_listing(
        self, output: str, digest: str | None
    ) -> None:
        rules, store = rules_with(f"output: {output}"), MemoryStore()
        render(rules, tags=Short({APP: [good("1.0.0")]}, age=7), store=store)

        identity = first_rule(rules).identity
        expected = LastGood(identity.rule, identity.fingerprint, APP, "1.0.0", digest, NOW - 7)
        assert store.kept == [expected]

    @pytest.mark.parametrize(
        ("rules", "params", "known"),
        [
            (SEMVER, ["pins=app=1.0.0"], {}),
            (SEMVER, ["pins=app=1.0.0", "output=digest"], {}),
            (ruleset(f"- {{alias: app, imageName: {APP}, pin: 1.0.0}}"), [], {}),
            (SEMVER, ["freeze=true"], {}),
            (SEMVER, [], {"recognised": False}),
            (rules_with("suspend: true"), [], {}),
            (rules_with("allowTags: 'regexp:^9'"), [], {}),
        ],
        ids=[
            "the Application's pin",
            "a pin whose digest was asked for",
            "the rule's pin",
            "frozen",
            "a request that may be somebody else's",
            "suspended",
            "nothing chosen",
        ],
    )
    def test_are_not_what_parameters_or_pins_chose(
        self, rules: str, params: list[str], known: dict[str, Any]
    ) -> None:
        store = MemoryStore()
        render(rules, *params, tags=MemoryTags({APP: [good("1.0.0")]}), store=store, **known)

        assert store.kept == []

    def test_are_written_once(self) -> None:
        store, tags = MemoryStore(), MemoryTags({APP: ["1.0.0"]})
        render(SEMVER, tags=tags, store=store)
        first = list(store.kept)
        render(SEMVER, tags=tags, store=store)

        assert store.kept == first

    def test_are_the_last_again_once_an_edit_is_taken_back(self) -> None:
        store, tags = MemoryStore(), MemoryTags({APP: ["1.0.0", "2.0.0"]})
        for rules in (SEMVER, rules_with("", ":1.x"), SEMVER):
            render(rules, tags=tags, store=store)

        assert [record.tag for record in store.kept] == ["2.0.0", "1.0.0", "2.0.0"]

    def test_are_none_of_a_render_that_fails(self) -> None:
        rules = ruleset(
            f"- {{alias: app, imageName: {APP}}}\n- {{alias: db, imageName: {DB}, pin: 1.0}}\n"
        )
        store = MemoryStore()
        with pytest.raises(RuleError):
            render(
                rules,
                tags=MemoryTags({APP: ["1.0.0"]}),
                store=store,
                manifests=pod(f"{APP}:0.9", f"{DB}:1"),
            )
        assert store.kept == []

    def test_count_where_they_are_served(self) -> None:
        meter = Metered()
        render(SEMVER, store=chosen_before(SEMVER, "1.0.0"), meter=meter)

        assert meter.value("retag_last_good_served_total", reason="unreachable") == 1


def test_every_error_here_is_one_line() -> None:
    with pytest.raises(RetagError) as caught:
        render(SEMVER)
    assert "\n" not in str(caught.value)


class Silent(MemoryTags):
    """Never answers what is asked of a tag."""

    async def describe(
        self, _repository: Repository, _names: Sequence[str], _needs: Needs, /
    ) -> Mapping[str, Tag]:
        """Waits for what does not come."""
        await asyncio.Event().wait()
        raise AssertionError


def test_a_request_that_may_wait_no_longer_takes_no_step_back() -> None:
    async def ask() -> Mapping[str, Tag]:
        shared = SharedLookups(Silent({}), clock=lambda: 1.0)
        needs = Needs(digest=True)
        return await shared.until(1.0).describe(first_rule(SEMVER), ["2.0.0"], needs)

    found = asyncio.run(ask())["2.0.0"]
    assert (found.fault, found.detail) == (
        Fault.UNREADABLE,
        "still asking registry.example.com",
    )
