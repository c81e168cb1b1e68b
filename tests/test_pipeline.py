"""Manifests in, manifests out: which rule an image is under, and what it gets."""

from __future__ import annotations

import asyncio
import textwrap
import threading
from collections.abc import Iterator, Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmp.decide import Asked, decide
from cmp.errors import (
    CombinedError,
    ManifestError,
    RegistryError,
    RetagError,
    RuleError,
    UnreachableError,
    UsageError,
)
from cmp.lookups import Direct
from cmp.manifests import Site, find_images
from cmp.options import parse_params
from cmp.pipeline import Generated, Operator, generate, look_closer
from cmp.policy import Chosen
from cmp.reference import Repository
from cmp.registry.secrets import NoSecrets
from cmp.render import Permissions
from cmp.request import Request
from cmp.rules import Application, rules_for, rules_in
from cmp.store import NothingStored, Store
from cmp.tags import Fault, Needs, Tag
from cmp.threads import MANY_IMAGES
from tests.memory import NOW, MemoryStore, MemoryTags, OneApplication, last_good

APP = "registry.example.com/app"
DB = "registry.example.com/db"
DIGEST = "sha256:" + "5a" * 32
TAGS = {APP: ["1.0.0", "1.1.0", "2.0.0-rc.1", "dev-1", "dev-2"], "registry.example.com/db": ["5"]}


def ruleset(images: str, *, name: str = "rules", pattern: str = "web") -> str:
    """An ImageUpdater resource with *images* (YAML items)."""
    head = f"""\
apiVersion: argocd-image-updater.argoproj.io/v1alpha1
kind: ImageUpdater
metadata: {{name: {name}, namespace: argocd}}
spec:
  applicationRefs:
    - namePattern: "{pattern}"
      images:
"""
    return head + textwrap.indent(textwrap.dedent(images), "        ")


def remembering(rules: str, tag: str, digest: str | None = None) -> MemoryStore:
    """A store that remembers *tag* of the first rule in *rules*."""
    matched = rules_for(rules_in(rules, "rules.yaml"), Application(name="web", namespace="argocd"))
    return MemoryStore([last_good(matched.rules[0], tag, digest)])


KEYED = "imagesVerification: {cosignKey: {secretName: cosign, key: pub}}"
SEMVER = ruleset(f"- {{alias: app, imageName: {APP}}}")


def pod(*images: str) -> bytes:
    """A Pod with a container for each of *images*."""
    containers = "".join(f"\n  - {{name: c, image: '{image}'}}" for image in images)
    head = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:"
    return f"{head}{containers}\n".encode()


def run(
    manifests: bytes,
    rules: str = SEMVER,
    *params: str,
    tags: MemoryTags | None = None,
    store: Store | None = None,
) -> Generated:
    """`generate` for the Application web."""
    operator = Operator(rules_in(rules, "rules.yaml"), tags or MemoryTags(TAGS), Permissions())
    request = Request("web", manifests=manifests, options=parse_params(params))
    application = Application(name="web", labels={}, annotations={})
    known = OneApplication(application)
    return asyncio.run(generate(request, operator, known, store or NothingStored()))


def images(generated: Generated) -> list[str]:
    """The images that the decisions lead to."""
    return [str(decision.after) for decision in generated.decisions]


def test_look_ups_that_the_operator_shares_are_the_ones_that_are_asked() -> None:
    tags = MemoryTags({})
    lookups = Direct(MemoryTags(TAGS))
    operator = Operator(rules_in(SEMVER, "rules.yaml"), tags, Permissions(), lookups=lookups)
    known = OneApplication(Application(name="web", labels={}, annotations={}))
    request = Request("web", manifests=pod(f"{APP}:1.0.0"))
    generated = asyncio.run(generate(request, operator, known, NothingStored()))

    assert images(generated) == [f"{APP}:1.1.0"]
    assert not tags.asked


def test_an_image_under_a_rule_gets_the_newest_allowed_tag_and_others_stay() -> None:
    generated = run(pod(f"{APP}:1.0.0", "registry.example.com/other:1"))

    assert generated.manifests == pod(f"{APP}:1.1.0", "registry.example.com/other:1")
    assert [decision.changed for decision in generated.decisions] == [True]


def test_without_a_rule_for_it_an_application_is_not_touched() -> None:
    rules = ruleset(f"- {{alias: app, imageName: {APP}}}", pattern="other")
    generated = run(pod(f"{APP}:1.0.0"), rules)

    assert generated.manifests is generated.rendered
    assert generated.decisions == ()


def test_a_pin_whose_digest_is_due_beats_freezing_too() -> None:
    digest = f"sha256:{'1' * 64}"
    pinned = f"alias: app, imageName: {APP}, pin: dev-1, commonUpdateSettings: {{output: digest}}"
    tags = MemoryTags({APP: [Tag("dev-1", digest)]})

    generated = run(pod(f"{APP}:0.9"), ruleset(f"- {{{pinned}}}"), "freeze=true", tags=tags)

    assert images(generated) == [f"{APP}@{digest}"]


@pytest.mark.parametrize(
    ("settings", "params", "expected"),
    [
        ("", [], "1.1.0"),
        ("pin: dev-1", [], "dev-1"),
        ("", ["pins=app=dev-2"], "dev-2"),
        ("pin: dev-1", ["pins=app=dev-2"], "dev-1"),
        ("", ["freeze=true"], "0.9"),
        ("commonUpdateSettings: {suspend: true}", [], "0.9"),
        ("pin: dev-1", ["freeze=true"], "dev-1"),
        ("commonUpdateSettings: {denyTags: ['dev-*']}", ["pins=app=dev-2"], "0.9"),
        ("commonUpdateSettings: {minAge: 1h}", ["pins=app=dev-2"], "0.9"),
        (f"{KEYED}\n  commonUpdateSettings: {{suspend: true}}", [], "0.9"),
        ("commonUpdateSettings: {allowTags: 'regexp:^9'}", [], "0.9"),
    ],
    ids=[
        "the policy decides last",
        "a rule's pin",
        "an Application's pin",
        "the rule's pin beats the Application's",
        "frozen",
        "suspended",
        "a pin beats freezing",
        "a denied tag is refused to a pin",
        "a gate that is not answered holds a pin back",
        "a suspended rule needs no key",
        "nothing allowed",
    ],
)
def test_the_order_of_power(settings: str, params: list[str], expected: str) -> None:
    rules = ruleset(f"- alias: app\n  imageName: {APP}\n  {settings}")
    generated = run(pod(f"{APP}:0.9"), rules, *params)

    assert images(generated) == [f"{APP}:{expected}"]


def test_a_pin_asks_the_registry_nothing() -> None:
    tags = MemoryTags({}, error=UnreachableError("RT501", "down"))

    assert images(run(pod(f"{APP}:1"), SEMVER, "pins=app=7", tags=tags)) == [f"{APP}:7"]
    assert not tags.asked


def test_a_pin_must_be_a_tag() -> None:
    with pytest.raises(UsageError, match="gives app 'a b', which is no tag") as caught:
        run(pod(f"{APP}:1"), SEMVER, "pins=app=a b")
    assert caught.value.code == "RT242"


def test_a_pin_that_may_be_of_a_disabled_rule_is_not_called_unknown() -> None:
    rules = ruleset(f"- {{alias: app, imageName: {APP}, pin: 1.10}}")
    with pytest.raises(RuleError) as caught:
        run(pod(f"{APP}:1"), rules, "pins=app=2")
    assert caught.value.code == "RT351"


def test_what_the_application_decides_is_said_to_be_its_own() -> None:
    frozen = run(pod(f"{APP}:1"), SEMVER, "freeze=true").decisions[0]
    pinned = run(pod(f"{APP}:1"), SEMVER, "pins=app=2").decisions[0]

    assert frozen.warning == "the Application is frozen; the image stays as it is"
    assert pinned.verdict.choice.why == "pinned by the Application's parameter pins"


def test_a_pin_of_no_rule_is_an_error_that_lists_the_aliases() -> None:
    with pytest.raises(UsageError, match="one of the aliases: app") as caught:
        run(pod(f"{APP}:1"), SEMVER, "pins=ap=1")
    assert caught.value.code == "RT240"


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("tag", f"{APP}:1.1.0"),
        ("tag@digest", f"{APP}:1.1.0@{DIGEST}"),
        ("digest", f"{APP}@{DIGEST}"),
    ],
)
def test_the_parameter_output_says_how_the_tag_is_written(output: str, expected: str) -> None:
    tags = MemoryTags({APP: ["1.0.0", Tag("1.1.0", digest=DIGEST)]})

    assert images(run(pod(f"{APP}:1.0.0"), SEMVER, f"output={output}", tags=tags)) == [expected]


@pytest.mark.parametrize("output", ["tag@digest", "digest"])
def test_a_bare_tag_never_stands_in_for_a_digest_that_is_due(output: str) -> None:
    with pytest.raises(RegistryError, match=r"gave no digest for 1\.1\.0") as caught:
        run(pod(f"{APP}:1.0.0"), SEMVER, f"output={output}")
    assert caught.value.code == "RT530"


def test_without_its_key_a_rule_is_disabled_with_the_place_of_the_key() -> None:
    with pytest.raises(
        RuleError, match=r"rules\.yaml:8:11, .*cosignKey: .*argocd/cosign"
    ) as caught:
        run(pod(f"{APP}:1.0.0"), ruleset(f"- alias: app\n  imageName: {APP}\n  {KEYED}"))
    assert caught.value.code == "RT353"


def test_a_pull_secret_is_the_login_for_its_rule_alone() -> None:
    secret = "pullsecret:argocd/team"
    rules = ruleset(f"""\
        - {{alias: app, imageName: {APP}, commonUpdateSettings: {{pullSecret: '{secret}'}}}}
        - {{alias: db, imageName: registry.example.com/db}}
        """)
    tags = MemoryTags(TAGS)
    run(pod(f"{APP}:1.0.0", "registry.example.com/db:4"), rules, tags=tags)

    assert tags.asked == {f"as {secret}": 1, f"list {APP}": 1, "list registry.example.com/db": 1}


GATED = ruleset(f"- {{alias: app, imageName: {APP}, commonUpdateSettings: {{minAge: 1h}}}}")
LATELY, LONG_AGO = (int((NOW - seconds) * 1e9) for seconds in (60, 86_400))


def test_with_a_gate_the_digest_that_passed_is_written_and_can_be_told() -> None:
    old = Tag("1.0.0", digest=DIGEST, pushed=LONG_AGO, severity="low")
    tags = MemoryTags({APP: [old, Tag("1.1.0", digest=DIGEST, pushed=LATELY)]})
    generated = run(pod(f"{APP}:0.9"), GATED, tags=tags)
    closer = asyncio.run(look_closer(generated, tags))

    assert images(generated) == [f"{APP}:1.0.0@{DIGEST}"]
    assert images(closer) == images(generated)
    choice = closer.decisions[0].verdict.choice
    assert isinstance(choice, Chosen)
    assert choice.tag == old


def test_two_images_of_a_rule_are_looked_at_once_more_as_one() -> None:
    secret = "pullsecret:argocd/team"
    settings = f"commonUpdateSettings: {{pullSecret: '{secret}'}}"
    tags = MemoryTags(TAGS)
    generated = run(
        pod(f"{APP}:1.0.0", f"{APP}:1.0.0"),
        ruleset(f"- {{alias: app, imageName: {APP}, {settings}}}"),
        tags=tags,
    )
    asyncio.run(look_closer(generated, tags))

    assert tags.asked == {f"as {secret}": 2, f"list {APP}": 1, f"describe {APP}": 2}


def test_what_is_known_of_the_images_of_several_rules_is_asked_at_once() -> None:
    class Meeting(MemoryTags):
        """Answers nobody before both have asked."""

        async def describe(
            self, repository: Repository, names: Sequence[str], needs: Needs, /
        ) -> Mapping[str, Tag]:
            found = await super().describe(repository, names, needs)
            both = [f"describe {APP}", f"describe {DB}"]
            for _ in range(20):
                if all(self.asked[each] for each in both):
                    return found
                await asyncio.sleep(0)
            raise AssertionError

    items = f"- {{alias: app, imageName: {APP}}}\n- {{alias: db, imageName: {DB}}}\n"
    tags = {APP: [Tag("1.0.0", digest=DIGEST)], DB: [Tag("5", digest=DIGEST)]}
    generated = run(pod(f"{APP}:1.0.0", f"{DB}:4"), ruleset(items), tags=MemoryTags(tags))
    closer = asyncio.run(look_closer(generated, Meeting(tags)))

    chosen = [decision.verdict.choice for decision in closer.decisions]
    assert [each.tag.digest for each in chosen if isinstance(each, Chosen)] == [DIGEST] * 2


def test_where_a_digest_is_due_the_last_good_choice_stays_with_its_own() -> None:
    tags = MemoryTags({APP: [Tag("1.1.0", digest=DIGEST, pushed=LATELY)]})
    good, bare = remembering(GATED, "1.0.0", DIGEST), remembering(GATED, "1.0.0")

    assert images(run(pod(f"{APP}:0.9"), GATED, tags=tags, store=good)) == [
        f"{APP}:1.0.0@{DIGEST}"
    ]
    assert images(run(pod(f"{APP}:0.9"), GATED, tags=tags, store=bare)) == [f"{APP}:0.9"]


TWO = ruleset(f"""\
    - {{alias: prod, imageName: {APP}}}
    - alias: dev
      imageName: {APP}
      commonUpdateSettings: {{updateStrategy: alphabetical, allowTags: 'regexp:^dev-'}}
    """)


def test_two_rules_for_one_repository_are_told_apart_by_the_tag_in_the_manifest() -> None:
    generated = run(pod(f"{APP}:1.0.0", f"{APP}:dev-1"), TWO)

    assert images(generated) == [f"{APP}:1.1.0", f"{APP}:dev-2"]


@pytest.mark.parametrize("image", [APP, f"{APP}:other"], ids=["no tag", "neither allows it"])
def test_two_rules_that_the_tag_does_not_tell_apart_are_an_error_naming_both(image: str) -> None:
    message = r"image prod and .* image dev are for .*, and none .* allowTags"
    with pytest.raises(RuleError, match=message) as caught:
        run(pod(image), TWO)
    assert caught.value.code == "RT350"
    assert "line 6" in caught.value.where


def test_two_rules_that_both_allow_the_tag_are_an_error_that_counts_them() -> None:
    with pytest.raises(RuleError, match=r"2 of them allow tag 1\.0\.0"):
        run(pod(f"{APP}:1.0.0"), TWO.replace("'regexp:^dev-'", "any"))


BROKEN_NEIGHBOURS = {
    "an unknown field that narrows": "commonUpdateSettings: {denyTag: ['9']}",
    "a glob of denied tags": "commonUpdateSettings: {denyTags: ['[9']}",
    "a filter that does not compile": "commonUpdateSettings: {allowTags: 'regexp:('}",
    "a pin that is a number": "pin: 1.10",
}


@pytest.mark.parametrize("broken", BROKEN_NEIGHBOURS.values(), ids=BROKEN_NEIGHBOURS.keys())
def test_a_broken_rule_does_not_hand_its_image_to_its_neighbour(broken: str) -> None:
    by_name = "commonUpdateSettings: {updateStrategy: name}"
    rules = ruleset(
        f"- alias: stable\n  imageName: {APP}\n  {broken}\n"
        f"- {{alias: edge, imageName: {APP}, {by_name}}}"
    )
    with pytest.raises(RuleError) as caught:
        run(pod(f"{APP}:1.0.0"), rules)
    assert caught.value.code == "RT351"


def test_denying_a_tag_does_not_hand_the_image_to_a_neighbour() -> None:
    denying = f"imageName: {APP}, commonUpdateSettings: {{denyTags: ['1.1.0']}}}}"
    rules = TWO.replace(f"imageName: {APP}}}", denying)

    assert images(run(pod(f"{APP}:1.1.0"), rules)) == [f"{APP}:1.0.0"]


def test_two_rules_for_one_repository_cost_one_reading_each() -> None:
    tags = MemoryTags(TAGS)
    run(pod(f"{APP}:1.0.0", f"{APP}:1.0.0", f"{APP}:dev-1"), TWO, tags=tags)

    assert tags.asked == {f"list {APP}": 2}


def test_the_name_in_the_manifest_is_replaced_by_the_rules_image() -> None:
    rules = ruleset(f"""\
        - alias: app
          imageName: {APP}
          manifestTargets: {{kustomize: {{name: placeholder}}}}
        """)
    first = run(pod("placeholder:latest"), rules)

    assert images(first) == [f"{APP}:1.1.0"]
    assert run(first.manifests, rules).manifests == first.manifests


def test_where_every_name_is_refused_no_tag_is_looked_into() -> None:
    settings = "commonUpdateSettings: {updateStrategy: newest-build, allowTags: 'regexp:^9'}"
    rules = ruleset(f"- {{alias: app, imageName: {APP}, {settings}}}")
    tags = MemoryTags(TAGS)
    run(pod(f"{APP}:1"), rules, tags=tags)

    assert tags.asked == {f"list {APP}": 1}


def test_a_silent_registry_never_means_the_tag_in_the_manifest() -> None:
    tags = MemoryTags({}, error=UnreachableError("RT501", "registry is down"))

    with pytest.raises(UnreachableError, match="registry is down"):
        run(pod(f"{APP}:1.0.0"), tags=tags)


def test_an_incomplete_choice_without_a_last_good_one_fails() -> None:
    by_date = "commonUpdateSettings: {updateStrategy: newest-build}"
    rules = ruleset(f"- {{alias: app, imageName: {APP}, {by_date}}}")
    unread = Tag("1", fault=Fault.UNREADABLE, detail="timed out")
    with pytest.raises(
        RegistryError,
        match=r"1: it could not be read: timed out; nothing .* hard refresh the Appl",
    ) as caught:
        run(pod(f"{APP}:1"), rules, tags=MemoryTags({APP: [unread]}))
    assert caught.value.code == "RT530"


BROKEN = {
    "unreachable": (SEMVER, MemoryTags({}, error=UnreachableError("RT501", "down"))),
    "nothing allowed": (SEMVER, MemoryTags({APP: ["latest"]})),
    "suspended": (
        ruleset(f"- {{alias: app, imageName: {APP}, commonUpdateSettings: {{suspend: true}}}}"),
        MemoryTags(TAGS),
    ),
    "broken constraint": (
        ruleset(f"- {{alias: app, imageName: '{APP}:~~1'}}"),
        MemoryTags(TAGS),
    ),
}


@pytest.mark.parametrize("case", BROKEN.values(), ids=BROKEN.keys())
def test_the_last_good_choice_stays_where_nothing_is_chosen(case: tuple[str, MemoryTags]) -> None:
    rules, tags = case
    generated = run(pod(f"{APP}:1.0.0"), rules, tags=tags, store=remembering(rules, "1.0.5"))

    assert images(generated) == [f"{APP}:1.0.5"]
    assert "1.0.5, which was chosen last, stays" in generated.decisions[0].warning


def test_a_broken_constraint_without_a_last_good_choice_fails_with_the_rule() -> None:
    rules, tags = BROKEN["broken constraint"]
    with pytest.raises(RuleError, match="the rule is disabled") as caught:
        run(pod(f"{APP}:1.0.0"), rules, tags=tags)
    assert caught.value.code == "RT351"


def test_a_disabled_image_fails_the_application_and_spares_its_neighbours() -> None:
    rules = ruleset(f"""\
        - {{alias: app, imageName: {APP}, pin: 1.10}}
        - {{alias: db, imageName: registry.example.com/db}}
        """)
    neighbour = run(pod("registry.example.com/db:4"), rules)

    assert images(neighbour) == ["registry.example.com/db:5"]
    with pytest.raises(RuleError, match=r"quote it.*; mend the rule") as caught:
        run(pod(f"{APP}:1.0.0"), rules)
    assert caught.value.code == "RT351"


def test_a_rule_whose_image_cannot_be_told_fails_the_application() -> None:
    with pytest.raises(RuleError, match="which may be for any image, is disabled"):
        run(pod(f"{APP}:1.0.0"), ruleset("- {alias: app, imageName: [1]}"))


def test_all_images_that_fail_are_told_at_once() -> None:
    rules = ruleset(f"""\
        - {{alias: app, imageName: '{APP}:~~1'}}
        - {{alias: db, imageName: registry.example.com/none}}
        """)
    with pytest.raises(CombinedError) as caught:
        run(pod(f"{APP}:1.0.0", "registry.example.com/none:1"), rules)
    assert [error.code for error in caught.value.errors] == ["RT351", "RT505"]
    assert caught.value.exit_code == RuleError.exit_code


@pytest.mark.parametrize("manifests", [b"", b"# nothing\n---\n", b"null\n"])
def test_an_empty_render_is_an_error_unless_it_is_meant(manifests: bytes) -> None:
    with pytest.raises(ManifestError, match=r"no objects, .*allow-empty \[RT470\]"):
        run(manifests)
    assert run(manifests, SEMVER, "allow-empty=true").manifests == manifests


names = st.lists(st.sampled_from(["1.0.0", "1.2.0", "v1.2.0", "1.10.0", "x", "3-rc"]), unique=True)


@given(names=names, data=st.data())
def test_the_order_in_which_tags_are_listed_changes_nothing(
    names: list[str], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(names))
    manifests = pod(f"{APP}:0.1")

    one = run(manifests, tags=MemoryTags({APP: names})).manifests
    other = run(manifests, tags=MemoryTags({APP: shuffled})).manifests

    assert one == other


@given(names=names)
def test_rewriting_what_was_rewritten_changes_nothing(names: list[str]) -> None:
    tags = MemoryTags({APP: names})
    once = run(pod(f"{APP}:0.1"), tags=tags).manifests

    assert run(once, tags=tags).manifests == once


def test_every_error_of_the_pipeline_is_one_of_ours() -> None:
    with pytest.raises(RetagError):
        run(pod("registry.example.com/db:1"), "not: [yaml")


def test_many_images_are_decided_like_few() -> None:
    generated = run(pod(*[f"{APP}:1.0.0", f"{DB}:4"] * MANY_IMAGES))

    assert generated.manifests == pod(*[f"{APP}:1.1.0", f"{DB}:4"] * MANY_IMAGES)
    assert len(generated.decisions) == MANY_IMAGES


class WatchedSites(list[Site]):
    """Sites that note the threads in which they are gone through."""

    def __init__(self, sites: Sequence[Site]) -> None:
        super().__init__(sites)
        self.threads: list[str] = []

    def __iter__(self) -> Iterator[Site]:
        self.threads.append(threading.current_thread().name)
        return super().__iter__()


@pytest.mark.parametrize(("more", "thread"), [(0, "MainThread"), (1, "long_")])
def test_many_images_are_decided_in_a_thread(more: int, thread: str) -> None:
    found = find_images(
        pod(*[f"{APP}:1.0.0"] * (MANY_IMAGES + more)), {Repository("registry.example.com", "app")}
    )
    sites = WatchedSites(found)
    application = Application(name="web", labels={}, annotations={})
    matched = rules_for(rules_in(SEMVER, "rules.yaml"), application)
    asked = Asked(Direct(MemoryTags(TAGS)), NoSecrets(), (), parse_params([]))

    decided = asyncio.run(decide(sites, matched, application, asked))

    assert len(decided.decisions) == MANY_IMAGES + more
    assert [name[: len(thread)] for name in sites.threads] == [thread]
