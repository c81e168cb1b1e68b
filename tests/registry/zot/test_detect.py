"""Whether a registry is a Zot is asked once, and a guess is never made of a silence."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cmp.errors import BadReplyError, DeniedError, RegistryError, ThrottledError, UnreachableError
from cmp.registry.endpoint import Kind
from cmp.registry.http.exchange import HttpRequest, HttpResponse
from cmp.registry.zot.detect import REMEMBERED_SECONDS, Detector, Zot
from tests.registry.zot.fake import NOT_FOUND, FakeZot, Reply, answer, api_of, endpoint

SEARCHING = {"name": "_zot", "endpoints": ["/v2/_zot/ext/search"]}


A_MOMENT = 6.0  # seconds


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def detector(zot: FakeZot, kind: Kind = Kind.UNKNOWN, clock: Clock | None = None) -> Detector:
    return Detector(endpoint(kind), api_of(zot, kind), clock=clock or Clock())


def found(reply: Reply) -> Zot:
    zot = FakeZot({})
    zot.instead["discover"] = reply
    return asyncio.run(detector(zot).find())


ANSWERS: dict[str, tuple[Any, Zot]] = {
    "search": ({"extensions": [SEARCHING]}, Zot.SEARCHING),
    "search among others": (
        {"extensions": [None, {"name": "x"}, {"name": "_zot"}, SEARCHING]},
        Zot.SEARCHING,
    ),
    "no extensions": ({"extensions": []}, Zot.SEARCHLESS),
    "zot without search": (
        {"extensions": [{"name": "_zot", "endpoints": ["/v2/_zot/ext/mgmt"]}]},
        Zot.SEARCHLESS,
    ),
    "zot without endpoints": ({"extensions": [{"name": "_zot"}]}, Zot.SEARCHLESS),
    "another registry's extensions": ({"extensions": [{"name": "other"}]}, Zot.NONE),
    "no list": ({"extensions": None}, Zot.NONE),
    "another document": ([], Zot.NONE),
    "a web page": (b"<html>", Zot.NONE),
    "too deep": (b"[" * 10_000, Zot.NONE),
}


@pytest.mark.parametrize(("document", "what"), ANSWERS.values(), ids=ANSWERS)
def test_what_the_list_of_extensions_says(document: Any, what: Zot) -> None:
    assert what is found(answer(document))


@pytest.mark.parametrize(
    "reply",
    [
        NOT_FOUND,
        HttpResponse(400),
        HttpResponse(404, body=b'{"extensions":[]}'),
        BadReplyError("RT540", "large"),
    ],
    ids=["404", "400", "404 that has a list", "no answer of a registry"],
)
def test_other_answers_are_no_zots(reply: Reply) -> None:
    assert found(reply) is Zot.NONE


@pytest.mark.parametrize("error", [UnreachableError, ThrottledError])
def test_a_silence_is_told_and_remembered_for_a_moment(error: type[RegistryError]) -> None:
    zot = FakeZot({})
    zot.instead["discover"] = error("RT541", "later")
    clock = Clock()
    asked = detector(zot, clock=clock)
    with pytest.raises(error):
        asyncio.run(asked.find())
    tries = zot.asked["discover"]
    with pytest.raises(error):
        asyncio.run(asked.find())
    assert zot.asked["discover"] == tries
    zot.instead.clear()
    clock.now += A_MOMENT

    assert asyncio.run(asked.find()) is Zot.SEARCHING


@pytest.mark.parametrize(
    ("kind", "what"), [(Kind.ZOT, Zot.SEARCHING), (Kind.OCI, Zot.NONE), (Kind.LAYOUT, Zot.NONE)]
)
def test_where_the_kind_is_said_nothing_is_asked(kind: Kind, what: Zot) -> None:
    zot = FakeZot({}, search=False)

    assert asyncio.run(detector(zot, kind).find()) is what
    assert not zot.asked


def test_many_at_once_ask_once_for_each_login() -> None:
    zot = FakeZot({})
    asked = detector(zot)

    async def together() -> list[Zot]:
        return list(await asyncio.gather(*(asked.find() for _ in range(50))))

    assert asyncio.run(together()) == [Zot.SEARCHING] * 50
    assert zot.asked == {"discover": 1}


def test_a_refused_login_is_asked_for_again_after_a_moment() -> None:
    zot = FakeZot({})
    clock = Clock()
    asked = detector(zot, clock=clock)
    zot.instead["discover"] = DeniedError("RT550", "no")

    assert [asyncio.run(asked.find()) for _ in range(2)] == [Zot.DENIED] * 2
    assert zot.asked["discover"] == 1

    zot.instead.clear()
    clock.now += A_MOMENT

    assert asyncio.run(asked.find()) is Zot.SEARCHING


def test_no_login_waits_for_the_answer_to_another() -> None:
    class Hanging(FakeZot):
        async def __call__(self, request: HttpRequest, /, *, seconds: float) -> HttpResponse:
            await answering.wait()
            return await super().__call__(request, seconds=seconds)

    async def together() -> list[Zot]:
        asked = detector(Hanging({}))
        slow = asyncio.create_task(asked.find())
        fast = asyncio.create_task(asked.find("pullsecret:demo/missing"))
        for _ in range(20):
            await asyncio.sleep(0)
        assert (slow.done(), fast.done()) == (False, True)
        answering.set()
        return [await slow, await fast]

    answering = asyncio.Event()
    assert asyncio.run(together()) == [Zot.SEARCHING, Zot.DENIED]


def test_what_stood_before_a_zot_for_a_while_is_forgotten_in_a_minute() -> None:
    zot, clock = FakeZot({}), Clock()
    asked = detector(zot, clock=clock)
    zot.instead["discover"] = answer(b"<html>maintenance</html>")
    assert asyncio.run(asked.find()) is Zot.NONE

    zot.instead.clear()
    clock.now += 60

    assert asyncio.run(asked.find()) is Zot.SEARCHING


def test_each_login_sees_for_itself() -> None:
    zot = FakeZot({})
    asked = detector(zot)

    assert asyncio.run(asked.find()) is Zot.SEARCHING
    assert asyncio.run(asked.find("pullsecret:demo/missing")) is Zot.DENIED


@pytest.mark.parametrize(
    ("search", "seconds", "requests"),
    [(True, 1e9, 1), (False, REMEMBERED_SECONDS - 1, 1), (False, REMEMBERED_SECONDS + 1, 2)],
    ids=["a zot stays one", "no search, soon", "no search, later"],
)
def test_what_is_not_there_is_looked_for_again(
    seconds: float, requests: int, *, search: bool
) -> None:
    zot, clock = FakeZot({}, search=search), Clock()
    asked = detector(zot, clock=clock)
    asyncio.run(asked.find())

    clock.now += seconds
    asyncio.run(asked.find())

    assert zot.asked["discover"] == requests
