"""A Zot describes its tags in one request; what search does not know is asked for itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cmp.errors import DeniedError, RegistryError, ThrottledError, UnreachableError
from cmp.registry.endpoint import Kind
from cmp.registry.instant import parse_instant
from cmp.registry.zot.detect import REMEMBERED_SECONDS
from cmp.registry.zot.metadata import MOST_ASKED
from cmp.registry.zot.search import OFF
from cmp.tags import Fault, Needs, Tag
from tests.registry.zot.fake import NO_METADATA, NOT_FOUND, Asking, FakeZot, answer
from tests.servers.images import Document, artifact, image

BUILT = Needs(created=True)
PUSHED = Needs(pushed=True)
DIGEST = Needs(digest=True)
CHART = artifact("application/vnd.cncf.helm.config.v1+json")
TIME = parse_instant("2026-06-01T00:00:00Z")


def images(count: int) -> dict[str, Document]:
    return {f"v{number}": image(f"2026-01-01T00:00:00.{number:09}Z") for number in range(count)}


def test_a_whole_repository_is_described_by_one_request_once_it_is_known() -> None:
    tags = images(50)
    zot = FakeZot(tags)
    asking = Asking(zot)

    first = asking.describe(list(tags), BUILT)

    assert zot.asked == {"discover": 1, "search": 1}
    assert first == asking.describe(list(tags), BUILT)
    assert zot.asked == {"discover": 1, "search": 2}
    start = parse_instant("2026-01-01T00:00:00Z")
    assert start is not None
    assert [tag.created for tag in first.values()] == [start + number for number in range(50)]
    assert [tag.digest for tag in first.values()] == [each.digest for each in tags.values()]


def test_a_registry_that_is_said_to_be_a_zot_is_not_asked_whether_it_is() -> None:
    tags = images(3)
    zot = FakeZot(tags)
    asking = Asking(zot, Kind.ZOT)

    assert asking.is_zot()
    asking.describe(list(tags), BUILT)

    assert zot.asked == {"search": 1}


def test_names_alone_and_no_names_ask_nothing() -> None:
    zot = FakeZot({})

    assert Asking(zot).describe(["v1"], Needs()) == {"v1": Tag("v1")}
    assert Asking(zot).describe([], PUSHED) == {}
    assert not zot.asked


def test_a_digest_alone_is_asked_by_head_for_search_may_be_behind() -> None:
    tags = {**images(2), "chart": CHART}
    zot = FakeZot(tags)

    found = dict(Asking(zot).describe([*tags, "gone"], DIGEST))

    assert zot.asked == {"HEAD": 4}
    assert found.pop("gone").fault is Fault.GONE
    assert found == {name: Tag(name, each.digest) for name, each in tags.items()}


def test_a_digest_for_a_platform_takes_the_documents() -> None:
    zot = FakeZot({"v1": image(None, platform="linux/arm64")})

    right = Asking(zot).describe(["v1"], Needs(digest=True, platforms=("linux/arm64",)))["v1"]
    wrong = Asking(zot).describe(["v1"], Needs(digest=True, platforms=("linux/amd64",)))["v1"]

    assert right.fault is None
    assert wrong.fault is Fault.MALFORMED
    assert zot.asked["search"] == 0


@pytest.mark.parametrize(
    ("missing", "opened"), [(1, True), (MOST_ASKED, True), (MOST_ASKED + 1, False)]
)
def test_names_that_search_lacks_are_asked_for_themselves_up_to_a_bound(
    missing: int, *, opened: bool
) -> None:
    tags = images(MOST_ASKED + 50)
    zot = FakeZot(tags, known=list(tags)[missing:])

    found = Asking(zot, Kind.ZOT).describe(list(tags), BUILT)

    assert list(found) == [*list(tags)[missing:], *list(tags)[:missing]]
    if opened:
        assert zot.asked == {"search": 1, "HEAD": missing, "blob": 2 * missing}
        assert found == Asking(FakeZot(tags), Kind.ZOT).describe(list(tags), BUILT)
    else:
        assert zot.asked == {"search": 1}
        faults = [tag.fault for tag in found.values()]
        assert faults == [None] * 49 + [Fault.UNREADABLE] * missing


def test_a_search_that_is_being_rebuilt_is_told() -> None:
    tags = dict.fromkeys((f"v{number}" for number in range(4000)), image())
    zot = FakeZot(tags, known=list(tags)[:1728])

    found = Asking(zot, Kind.ZOT).describe(list(tags), BUILT)

    detail = "Zot's search knows only 1,728 of 4,000 tags; is it being rebuilt?"
    assert detail == found["v3999"].detail
    assert found["v0"].fault is None


def test_what_search_says_of_its_trouble_is_told() -> None:
    tags = images(MOST_ASKED + 1)

    found = Asking(FakeZot(tags, known=()), Kind.ZOT).describe(list(tags), BUILT)

    assert f"0 of 201 tags (it says: {NO_METADATA})" in found["v0"].detail


def test_a_malformed_entry_is_asked_for_itself() -> None:
    tags = images(3)
    zot = FakeZot(tags)
    zot.fields["v1"] = {"LastUpdated": "today"}

    found = Asking(zot, Kind.ZOT).describe(list(tags), BUILT)

    assert found == Asking(FakeZot(tags), Kind.ZOT).describe(list(tags), BUILT)
    assert zot.asked == {"search": 1, "HEAD": 1, "blob": 2}


def test_search_never_says_what_exists() -> None:
    tags = images(2)
    zot = FakeZot({"v1": tags["v1"]})
    forbidden = FakeZot(tags)
    forbidden.instead["search"] = answer({"data": {"ExpandedRepoInfo": {"Images": None}}})

    gone = Asking(zot, Kind.ZOT).describe(["v0", "v1"], BUILT)
    there = Asking(forbidden, Kind.ZOT).describe(list(tags), BUILT)

    assert gone["v0"].fault is Fault.GONE
    assert [tag.fault for tag in there.values()] == [None, None]


GATES = {
    "pushed": (PUSHED, {"pushed": TIME}),
    "severity": (Needs(severity=True), {"severity": ""}),
    "trusted": (Needs(trusted=True), {"trusted": False}),
}


@pytest.mark.parametrize(("needs", "told"), GATES.values(), ids=GATES)
def test_gates_are_answered_by_search(needs: Needs, told: dict[str, object]) -> None:
    zot = FakeZot(images(2))

    found = Asking(zot, Kind.ZOT).describe(["v0", "v1"], needs)

    assert zot.asked == {"search": 1}
    for tag in found.values():
        assert tag.fault is None
        assert tag.created is None
        assert {field: getattr(tag, field) for field in told} == told


def test_a_tag_whose_gate_cannot_be_answered_now_is_unreadable() -> None:
    tags = {**images(2), "chart": CHART}
    zot = FakeZot(tags, known=["v1"])
    needs = Needs(pushed=True, platforms=("linux/amd64",))

    found = Asking(zot, Kind.ZOT).describe([*tags, "gone"], needs)

    assert {name: tag.fault for name, tag in found.items()} == {
        "v0": Fault.UNREADABLE,
        "v1": None,
        "chart": Fault.MALFORMED,
        "gone": Fault.GONE,
    }
    assert found["v0"].detail == "Zot's search does not know this tag yet"
    assert found["v0"].unanswered == found["v0"].detail


def test_a_gate_alone_asks_no_more_than_whether_the_tag_is_there() -> None:
    zot = FakeZot(images(2), known=["v1"])

    found = Asking(zot, Kind.ZOT).describe(["v0", "v1"], Needs(trusted=True))

    assert found["v0"].fault is Fault.UNREADABLE
    assert zot.asked == {"search": 1, "HEAD": 1}


def test_a_zot_without_push_times_holds_back_and_tells_the_rest() -> None:
    zot = FakeZot(images(2))
    zot.lacking = {"TaggedTimestamp", "PushTimestamp"}

    found = Asking(zot, Kind.ZOT).describe(["v0", "v1"], Needs(pushed=True, created=True))

    for tag in found.values():
        assert tag.pushed is None
        assert "v2.1.2" in tag.unanswered
        assert tag.created is not None
        assert tag.fault is None


def test_a_push_time_that_only_a_tag_has_is_no_push_time() -> None:
    zot = FakeZot(images(1))
    zot.lacking = {"PushTimestamp"}

    found = Asking(zot, Kind.ZOT).describe(["v0"], PUSHED)["v0"]

    assert found.pushed is None
    assert "v2.1.2" in found.unanswered


def test_that_the_time_at_which_a_tag_appeared_is_not_told_is_said_once() -> None:
    zot = FakeZot(images(2))
    zot.lacking = {"TaggedTimestamp"}
    asking = Asking(zot, Kind.ZOT)

    asking.describe(["v0", "v1"], BUILT)
    for _ in range(2):
        found = asking.describe(["v0", "v1"], PUSHED)

    assert found["v0"].pushed == TIME
    (remark,) = asking.zots.remarks
    assert remark == (
        "example: this Zot, before v2.1.15, does not tell when a tag appeared: for push times and "
        "minAge a tag that returns to an older digest counts as old"
    )


@pytest.mark.parametrize("needs", [PUSHED, replace(BUILT, pushed=True)], ids=["push", "both"])
def test_an_entry_without_manifests_is_asked_for_itself(needs: Needs) -> None:
    zot = FakeZot(images(1))
    zot.fields["v0"] = {"Manifests": None}

    found = Asking(zot, Kind.ZOT).describe(["v0"], needs)["v0"]

    assert (found.fault, found.pushed) == (Fault.UNREADABLE, None)
    assert zot.asked["HEAD"] == 1


def test_a_severity_alone_takes_no_manifests() -> None:
    zot = FakeZot(images(1))
    zot.fields["v0"] = {"Manifests": None}

    found = Asking(zot, Kind.ZOT).describe(["v0"], Needs(severity=True))["v0"]

    assert (found.fault, found.severity) == (None, "")


@pytest.mark.parametrize("kind", [Kind.UNKNOWN, Kind.ZOT])
@pytest.mark.parametrize("needs", [PUSHED, replace(PUSHED, created=True)], ids=["names", "times"])
def test_without_search_gates_are_unanswered_and_nothing_else_is_asked(
    kind: Kind, needs: Needs
) -> None:
    zot = FakeZot(images(2), search=False)
    asking = Asking(zot, kind)

    found = asking.describe(["v0", "v1"], needs)

    assert found == {name: Tag(name, unanswered=OFF) for name in ("v0", "v1")}
    assert "extensions.search.enable" in OFF
    assert zot.asked["HEAD"] == zot.asked["blob"] == 0
    assert asking.zots.remarks == ()


@pytest.mark.parametrize("kind", [Kind.UNKNOWN, Kind.ZOT])
def test_that_search_is_off_is_said_once(kind: Kind) -> None:
    asking = Asking(FakeZot(images(2), search=False), kind)

    for _ in range(3):
        asking.describe(["v0", "v1"], BUILT)

    assert asking.zots.remarks == (f"example: {OFF}; build times are read tag by tag",)


def test_search_that_is_switched_on_is_noticed() -> None:
    zot = FakeZot(images(2), search=False)
    asking = Asking(zot)
    asking.describe(["v0", "v1"], PUSHED)

    zot.search = True
    asking.now += REMEMBERED_SECONDS + 1

    assert asking.describe(["v0", "v1"], PUSHED)["v0"].pushed == TIME


def test_with_search_on_there_is_nothing_to_remark() -> None:
    asking = Asking(FakeZot(images(2)))

    asking.describe(["v0", "v1"], BUILT)

    assert asking.zots.remarks == ()


def test_a_search_that_refuses_the_login_is_done_without() -> None:
    tags = images(2)
    zot = FakeZot(tags)
    zot.instead["search"] = DeniedError("RT551", "no right")
    asking = Asking(zot, Kind.ZOT)

    built = asking.describe(list(tags), BUILT)
    gated = asking.describe(list(tags), Needs(trusted=True))

    assert built == Asking(FakeZot(tags), Kind.ZOT).describe(list(tags), BUILT)
    assert "refuses the login: no right" in gated["v0"].unanswered
    assert len(asking.zots.remarks) == 1


def test_a_login_that_is_refused_everywhere_is_not_tried_tag_by_tag() -> None:
    zot = FakeZot(images(50))
    zot.instead["search"] = zot.instead["HEAD"] = DeniedError("RT551", "no right")

    with pytest.raises(DeniedError, match="no right"):
        Asking(zot, Kind.ZOT).describe([f"v{number}" for number in range(50)], BUILT)

    assert zot.asked["HEAD"] == 1


def test_a_tag_that_is_gone_proves_nothing_about_the_login() -> None:
    zot = FakeZot({"v1": image()})
    zot.instead["search"] = DeniedError("RT551", "no right")

    found = Asking(zot, Kind.ZOT).describe(["v0", "v1"], BUILT)

    assert [tag.fault for tag in found.values()] == [Fault.GONE, None]


@pytest.mark.parametrize("error", [UnreachableError, ThrottledError])
@pytest.mark.parametrize("place", ["discover", "search"])
def test_what_passes_is_no_reason_to_choose_in_another_way(
    place: str, error: type[RegistryError]
) -> None:
    zot = FakeZot(images(2))
    zot.instead[place] = error("RT541", "later")

    with pytest.raises(error):
        Asking(zot).describe(["v0", "v1"], BUILT)

    assert zot.asked["HEAD"] == 0


def test_what_does_not_tell_whether_it_is_a_zot_is_remarked() -> None:
    zot = FakeZot({})
    asking = Asking(zot)
    zot.instead["discover"] = DeniedError("RT551", "no right")

    assert not asking.is_zot()
    assert asking.zots.remarks == (
        "example: refuses to tell whether it is a Zot: set kind to zot or oci",
    )


def test_another_registry_is_no_zot() -> None:
    zot = FakeZot({})
    zot.instead["discover"] = NOT_FOUND

    assert not Asking(zot).is_zot()
