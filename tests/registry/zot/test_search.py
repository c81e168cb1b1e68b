"""Zot's search is asked for what is needed and no more, and its answers are bounded."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from cmp.errors import BadReplyError, DeniedError
from cmp.registry.http.exchange import HttpResponse
from cmp.registry.zot import search as module
from cmp.registry.zot.detect import REMEMBERED_SECONDS
from cmp.registry.zot.search import MOST_VALUES, OFF, Answer, Search, Unusable
from cmp.tags import Needs
from tests.registry.zot.fake import REPOSITORY, FakeZot, answer, api_of
from tests.servers.images import image
from tests.servers.recordings import recordings

IMAGE = image()
NAMES = ("v1", "v2")


class Searching:
    def __init__(self, zot: FakeZot) -> None:
        self.now = 0.0
        self.search = Search(api_of(zot), clock=lambda: self.now)

    def ask(
        self, needs: Needs, names: Sequence[str] = NAMES, pull_secret: str = ""
    ) -> Answer | Unusable:
        asking = self.search.ask(REPOSITORY.path, names, needs, pull_secret=pull_secret)
        return asyncio.run(asking)

    def answer(self, needs: Needs, names: Sequence[str] = NAMES) -> Answer:
        found = self.ask(needs, names)
        assert isinstance(found, Answer)
        return found


def zot() -> FakeZot:
    return FakeZot(dict.fromkeys(NAMES, IMAGE))


CHILDREN = "Manifests{ArtifactType Platform{Os Arch}}"
FIELDS = {
    "build time": (
        Needs(created=True),
        "LastUpdated Manifests{ArtifactType Platform{Os Arch} LastUpdated}",
    ),
    "push time": (Needs(pushed=True), f"PushTimestamp TaggedTimestamp {CHILDREN}"),
    "severity": (Needs(severity=True), "Vulnerabilities{MaxSeverity}"),
    "trust": (Needs(trusted=True), "SignatureInfo{Tool IsTrusted Author}"),
    "severity for a platform": (
        Needs(severity=True, platforms=("linux/amd64",)),
        f"Vulnerabilities{{MaxSeverity}} {CHILDREN}",
    ),
}


@pytest.mark.parametrize(("needs", "fields"), FIELDS.values(), ids=FIELDS)
def test_only_what_is_needed_is_asked_for(needs: Needs, fields: str) -> None:
    asked = zot()

    found = Searching(asked).answer(needs)

    query = f'{{ExpandedRepoInfo(repo:"demo/app"){{Images{{Tag Digest {fields}}}}}}}'
    assert [query] == asked.queries
    assert [each["Tag"] for each in found.images] == ["v2", "v1"]


def test_one_tag_is_asked_for_alone() -> None:
    asked = zot()

    found = Searching(asked).answer(Needs(trusted=True), ["v1"])

    assert asked.queries == [
        '{Image(image:"demo/app:v1"){Tag Digest SignatureInfo{Tool IsTrusted Author}}}'
    ]
    assert [each["Tag"] for each in found.images] == ["v1"]


def test_names_are_quoted() -> None:
    asked = zot()
    asked.instead["search"] = answer({"data": None})

    Searching(asked).ask(Needs(trusted=True), ['v"1\\'])

    assert r'"demo/app:v\"1\\"' in asked.queries[0]


def test_it_is_asked_by_get_with_the_query_in_the_address() -> None:
    asked = zot()

    Searching(asked).ask(Needs(created=True))

    assert asked.asked == {"search": 1}  # which only knows GET


def test_an_older_zot_is_asked_for_less_and_that_is_remembered() -> None:
    asked = zot()
    asked.lacking = {"TaggedTimestamp"}
    searching = Searching(asked)

    first = searching.answer(Needs(pushed=True))
    again = searching.answer(Needs(pushed=True))

    assert first == again
    assert first.no_push_times == ""
    assert "v2.1.15" in first.remark
    assert asked.asked["search"] == 3


def test_a_zot_without_push_times_says_so_and_tells_the_rest() -> None:
    asked = zot()
    asked.lacking = {"TaggedTimestamp", "PushTimestamp"}
    searching = Searching(asked)

    found = searching.answer(Needs(pushed=True, created=True))

    assert "v2.1.2" in found.no_push_times
    assert "LastUpdated" in found.images[0]
    assert found.remark == ""
    assert searching.answer(Needs(created=True)).no_push_times == ""
    assert asked.asked["search"] == 3


def refused(*messages: str) -> HttpResponse:
    """A 422 as GraphQL has it, which says *messages*."""
    return answer({"errors": [{"message": each} for each in messages], "data": None}, 422)


FOREIGN = {
    "a page": HttpResponse(422, body=b"<html>"),
    "no errors": answer({}, 422),
    "another error": refused("Expected Name, found <EOF>"),
    "a field that was not asked for": refused('Cannot query field "NotAField" on type "X".'),
    "a value that is named": refused('Field "TaggedTimestamp" argument "x" is required.'),
}


@pytest.mark.parametrize("reply", FOREIGN.values(), ids=FOREIGN)
def test_a_422_that_names_no_asked_field_is_an_error_and_drops_none(reply: HttpResponse) -> None:
    asked = zot()
    searching = Searching(asked)
    asked.instead["search"] = reply

    with pytest.raises(BadReplyError, match="RT580"):
        searching.ask(Needs(pushed=True))
    asked.instead.clear()
    found = searching.answer(Needs(pushed=True))

    assert "TaggedTimestamp" in found.images[0]
    assert asked.asked["search"] == 2


def test_the_422_of_a_real_zot_names_the_field() -> None:
    (recorded,) = (each for each in recordings("graphql") if "unknown_field" in each.name)
    body = recorded.answer.body.replace("NotAField", "TaggedTimestamp").encode()
    asked = zot()
    asked.instead["search"] = HttpResponse(recorded.answer.status, body=body)

    # It says so again of the question without that field, which no Zot does.
    with pytest.raises(BadReplyError, match="TaggedTimestamp"):
        Searching(asked).ask(Needs(pushed=True))
    assert ["TaggedTimestamp" in query for query in asked.queries] == [True, False]


def test_a_zot_that_lacks_a_field_of_manifests_is_too_old() -> None:
    asked = zot()
    asked.lacking = {"ArtifactType"}

    assert isinstance(Searching(asked).ask(Needs(pushed=True)), Unusable)


def test_what_was_lacking_is_tried_again_later() -> None:
    asked = zot()
    asked.lacking = {"TaggedTimestamp", "PushTimestamp"}
    searching = Searching(asked)
    searching.ask(Needs(pushed=True))

    asked.lacking = set()
    searching.now += REMEMBERED_SECONDS + 1

    assert searching.answer(Needs(pushed=True)).no_push_times == ""


def test_a_zot_that_lacks_more_is_too_old() -> None:
    asked = zot()
    asked.lacking = {"SignatureInfo"}
    searching = Searching(asked)

    found = [searching.ask(Needs(trusted=True)) for _ in range(2)]

    assert (
        found == [Unusable("this Zot's search lacks fields that Retag asks for: update Zot")] * 2
    )
    assert asked.asked["search"] == 1
    assert isinstance(searching.ask(Needs(created=True)), Answer)


def test_that_search_is_off_is_remembered_for_a_while() -> None:
    asked = zot()
    asked.search = False
    searching = Searching(asked)

    assert [searching.ask(Needs(created=True)) for _ in range(2)] == [Unusable(OFF)] * 2
    assert asked.asked["search"] == 1

    asked.search = True
    searching.now += REMEMBERED_SECONDS + 1

    assert isinstance(searching.ask(Needs(created=True)), Answer)


def test_a_refused_login_is_told_and_not_remembered() -> None:
    asked = zot()
    refused = DeniedError("RT551", "the registry wants another right")
    asked.instead["search"] = refused
    searching = Searching(asked)

    found = searching.ask(Needs(created=True))

    assert found == Unusable(f"Zot's search refuses the login: {refused.what}", refused)
    asked.instead.clear()
    assert isinstance(searching.ask(Needs(created=True)), Answer)


def test_each_login_asks_for_itself() -> None:
    asked = zot()
    asked.search = False
    searching = Searching(asked)

    assert searching.ask(Needs(created=True)) == Unusable(OFF)
    found = searching.ask(Needs(created=True), pull_secret="pullsecret:demo/missing")

    assert isinstance(found, Unusable)
    assert found.denied is not None
    assert asked.asked["search"] == 1


SILENT: dict[str, tuple[Any, str]] = {
    "forbidden": ({"data": {"ExpandedRepoInfo": {"Images": None}}}, ""),
    "forbidden, as a whole": ({"data": {"ExpandedRepoInfo": None}}, ""),
    "empty": ({"data": {"ExpandedRepoInfo": {"Images": []}}}, ""),
    "missing": ({"errors": [{"message": "repo metadata not found"}], "data": None}, "not found"),
    "errors that are none": ({"errors": "x", "data": {}}, ""),
    "an error without a message": ({"errors": [{}, None]}, ""),
    "an error that is none": ({"errors": [None]}, ""),
    "a long message": ({"errors": [{"message": "x\u202e\n" * 500}]}, "x"),
}


@pytest.mark.parametrize(("document", "says"), SILENT.values(), ids=SILENT)
def test_a_search_that_knows_nothing_is_no_error(document: Any, says: str) -> None:
    asked = zot()
    asked.instead["search"] = answer(document)

    found = Searching(asked).answer(Needs(created=True))

    assert not found.images
    assert says in found.message
    assert len(found.message) <= 200
    assert found.message.isprintable()


def test_data_counts_even_beside_errors() -> None:
    asked = zot()
    asked.errors = [{"message": "unable to run vulnerability scan"}]

    found = Searching(asked).answer(Needs(severity=True))

    assert len(found.images) == 2
    assert found.message == "unable to run vulnerability scan"


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (HttpResponse(400, body=b"transport not supported"), "has status 400"),
        (HttpResponse(204), "has status 204"),
        (answer(b"<html>"), "is no JSON"),
        (answer(b"[" * 10_000), "is no JSON"),
        (answer([]), "is no GraphQL"),
    ],
    ids=["bad request", "nothing", "page", "depth", "list"],
)
def test_what_is_no_answer_of_a_zot_is_refused(reply: HttpResponse, says: str) -> None:
    asked = zot()
    asked.instead["search"] = reply

    with pytest.raises(BadReplyError, match=says):
        Searching(asked).ask(Needs(created=True))


@pytest.mark.parametrize("value", [b"[]", b"{}", b"1"], ids=["lists", "objects", "numbers"])
def test_an_answer_of_too_many_values_is_not_read(value: bytes) -> None:
    asked = zot()
    asked.instead["search"] = answer(b"[" + b",".join([value] * (MOST_VALUES + 1)) + b"]")

    with pytest.raises(BadReplyError, match="more than 3,000,000 values"):
        Searching(asked).ask(Needs(created=True))


def test_the_body_is_bounded_where_it_is_read() -> None:
    limits = []

    class Noting(FakeZot):
        async def __call__(self, request: Any, /, *, seconds: float) -> HttpResponse:
            limits.append(request.limit)
            return await super().__call__(request, seconds=seconds)

    Searching(Noting({"v1": IMAGE})).ask(Needs(created=True))

    assert limits == [module.LARGEST_ANSWER]
