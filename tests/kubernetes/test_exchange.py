"""Broken and hostile API servers: answers are bounded, and what goes wrong is a ClusterError."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from sidecar.kubernetes import CONFIG_MAPS, ClusterError, ForbiddenError, GoneError, RefusedError
from sidecar.kubernetes import client as client_module
from sidecar.kubernetes.client import LARGEST, TIMEOUT, WATCHED, Client
from sidecar.kubernetes.port import Change, Happened
from tests.servers.loopback import LoopbackServer, Request, Response

TOKEN = "made-up-token-of-a-reader"
PAGE = {"Content-Type": "application/json"}


def kubeconfig(folder: Path, server: str, **user: Any) -> Path:
    config = {
        "clusters": [{"name": "it", "cluster": {"server": server}}],
        "users": [{"name": "it", "user": user or {"token": TOKEN}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        "current-context": "it",
    }
    path = folder / "kubeconfig"
    path.write_text(json.dumps(config))
    return path


def client(folder: Path, server: str, **user: Any) -> Client:
    return Client.of_kubeconfig(kubeconfig(folder, server, **user), environment={})


def asked(subject: Client, ask: Callable[[Client], Awaitable[Any]]) -> Any:
    """What *ask* gets; all is closed afterwards."""

    async def run() -> Any:
        try:
            return await ask(subject)
        finally:
            await subject.aclose()

    return asyncio.run(run())


async def get(subject: Client) -> Any:
    return await subject.get(CONFIG_MAPS, "ns", "name")


async def watched(subject: Client) -> list[Change]:
    return [each async for each in subject.watch(CONFIG_MAPS, "ns", "1")]


async def listed(subject: Client) -> list[Any]:
    return [each async for page in subject.list_pages(CONFIG_MAPS, "ns") for each in page.objects]


def said(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(status, {**PAGE, **(headers or {})}, body)


@pytest.mark.parametrize("ask", [get, watched, listed])
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(said(b"<html>\n"), id="a page for people"),
        pytest.param(said(b"x" * (LARGEST + 1)), id="endless"),
        pytest.param(said(b'{"a":' * 60_000 + b"\n"), id="nested without an end"),
        pytest.param(said(b"[]\n"), id="a list"),
        pytest.param(
            said(gzip.compress(b"{}"), headers={"Content-Encoding": "gzip"}), id="compressed"
        ),
        pytest.param(said(b"", 302, {"Location": "/api/v1"}), id="a redirect"),
        pytest.param(said(b"x" * 100_000, 500), id="an endless refusal"),
        pytest.param(said(b"\xff", 503), id="a refusal that is no text"),
    ],
)
def test_a_broken_answer_is_a_cluster_error(
    tmp_path: Path, answer: Response, ask: Callable[[Client], Awaitable[Any]]
) -> None:
    with LoopbackServer(lambda _: answer) as server, pytest.raises(ClusterError) as caught:
        asked(client(tmp_path, server.url), ask)
    assert caught.value.code in ("RT650", "RT658")
    assert len(server.requests) == 1


@pytest.mark.parametrize("ask", [get, watched, listed])
def test_no_answer_at_all_is_a_cluster_error(
    tmp_path: Path, ask: Callable[[Client], Awaitable[Any]]
) -> None:
    with LoopbackServer(lambda _: said(b"")) as server:
        server.fail_next(None)
        with pytest.raises(ClusterError, match="RT650"):
            asked(client(tmp_path, server.url), ask)
    with pytest.raises(ClusterError, match=r"see that the API server runs.*RT650"):
        asked(client(tmp_path, server.url), ask)


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"200 OK\r\nContent-Length: 10000000\r\n\r\n", id="an answer"),
        pytest.param(b"500 Broken\r\nContent-Length: 10000000\r\n\r\n", id="a refusal"),
        pytest.param(b"200 OK\r\nX: ", id="its head"),
    ],
)
def test_an_answer_that_comes_byte_by_byte_is_given_up(tmp_path: Path, head: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 " + head)
        with suppress(ConnectionError):
            while not writer.is_closing():
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0)
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            path = kubeconfig(tmp_path, f"http://127.0.0.1:{port}")
            subject = Client.of_kubeconfig(path, timeout=0.1, environment={})
            async with asyncio.timeout(20):
                with pytest.raises(ClusterError, match=r"no answer in time.*RT650"):
                    await get(subject)
            await subject.aclose()

    asyncio.run(main())


def test_a_page_without_an_end_is_given_up(tmp_path: Path) -> None:
    with (
        LoopbackServer(lambda _: said(b" " * (client_module.LARGEST_PAGE + 1))) as server,
        pytest.raises(ClusterError, match=r"the answer has more than \d+ bytes.*RT658"),
    ):
        asked(client(tmp_path, server.url), listed)
    limits = [dict(each.request.query)["limit"] for each in server.requests]
    assert limits == ["50", "6", "1"]


def test_of_large_objects_fewer_are_asked_for_at_a_time(tmp_path: Path) -> None:
    count, large = 30, "x" * (LARGEST // 4)

    def answer(request: Request) -> Response:
        query = dict(request.query)
        first = int(query.get("continue", "0"))
        last = min(first + int(query["limit"]), count)
        items = [{"metadata": {"name": f"a{n}"}, "spec": large} for n in range(first, last)]
        metadata = {"resourceVersion": "1", "continue": str(last) if last < count else ""}
        return said(json.dumps({"metadata": metadata, "items": items}).encode())

    with LoopbackServer(answer) as server:
        found = asked(client(tmp_path, server.url), listed)

    assert [each["metadata"]["name"] for each in found] == [f"a{n}" for n in range(count)]
    limits = [dict(each.request.query)["limit"] for each in server.requests]
    assert limits == ["50", "6", "12", "24"]


def test_the_token_is_sent_and_an_error_that_repeats_it_is_masked(tmp_path: Path) -> None:
    def answer(request: Request) -> Response:
        token = request.header("authorization").removeprefix("Bearer ")
        return said(json.dumps({"message": f"not {token}"}).encode(), 403)

    with LoopbackServer(answer) as server, pytest.raises(ForbiddenError) as caught:
        asked(client(tmp_path, server.url), get)

    assert server.requests[0].request.header("authorization") == f"Bearer {TOKEN}"
    assert TOKEN not in str(caught.value)


def test_a_name_and_a_password_are_sent(tmp_path: Path) -> None:
    with LoopbackServer(lambda _: said(b'{"metadata": {"name": "x"}}')) as server:
        asked(client(tmp_path, server.url, username="alice", password="made-up"), get)
    assert server.requests[0].request.header("authorization") == "Basic YWxpY2U6bWFkZS11cA=="


def test_who_has_no_credential_sends_none(tmp_path: Path) -> None:
    with LoopbackServer(lambda _: said(b'{"metadata": {"name": "x"}}')) as server:
        asked(client(tmp_path, server.url, username="alice"), get)
    assert "authorization" not in server.requests[0].request.headers


def test_another_token_in_the_file_is_tried_after_a_refusal_and_the_same_is_not(
    tmp_path: Path,
) -> None:
    path = tmp_path / "token"
    path.write_text("first\n")

    def answer(request: Request) -> Response:
        if request.header("authorization") == "Bearer second":
            return said(b'{"metadata": {"name": "x"}}')
        path.write_text("second\n")
        return said(b"{}", 401)

    with LoopbackServer(answer) as server:
        asked(client(tmp_path, server.url, tokenFile="token"), get)
    assert [each.status for each in server.requests] == [401, 200]

    with LoopbackServer(lambda _: said(b"{}", 401)) as server, pytest.raises(ForbiddenError):
        asked(client(tmp_path, server.url, tokenFile="token"), get)
    assert len(server.requests) == 1


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../secrets/x", "a%2fb"])
def test_what_is_no_name_leads_to_no_other_path(tmp_path: Path, name: str) -> None:
    async def ask(subject: Client) -> None:
        await subject.get(CONFIG_MAPS, "ns", name)

    with (
        LoopbackServer(lambda _: said(b"{}")) as server,
        pytest.raises(RefusedError, match="is no name"),
    ):
        asked(client(tmp_path, server.url), ask)
    assert server.requests == []


def event(happened: str, name: str) -> bytes:
    return json.dumps({"type": happened, "object": {"metadata": {"name": name}}}).encode() + b"\n"


def test_lines_of_a_watch_come_whole_and_a_cut_one_does_not(tmp_path: Path) -> None:
    body = event("ADDED", "a") + b"\n" + event("DELETED", "b") + event("ADDED", "c")[:-9]
    with LoopbackServer(lambda _: said(body)) as server:
        changes = asked(client(tmp_path, server.url), watched)
    happened = [(each.happened, each.object["metadata"].get("name")) for each in changes]
    assert happened == [
        (Happened.BOOKMARK, None),
        (Happened.ADDED, "a"),
        (Happened.DELETED, "b"),
    ]


def test_a_watch_asks_for_bookmarks_and_for_an_end_and_for_labels(tmp_path: Path) -> None:
    async def ask(subject: Client) -> None:
        async for _ in subject.watch(CONFIG_MAPS, "ns", "1", labels="a=b"):
            pass

    with LoopbackServer(lambda _: said(b"")) as server:
        asked(client(tmp_path, server.url), ask)

    assert dict(server.requests[0].request.query) == {
        "watch": "true",
        "allowWatchBookmarks": "true",
        "resourceVersion": "1",
        "timeoutSeconds": str(WATCHED),
        "labelSelector": "a=b",
    }


GONE = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(said(json.dumps(GONE).encode(), 410), id="as a status"),
        pytest.param(
            said(json.dumps({"type": "ERROR", "object": GONE}).encode() + b"\n"), id="as an event"
        ),
    ],
)
def test_a_watch_that_lies_too_far_back_says_so(tmp_path: Path, answer: Response) -> None:
    with LoopbackServer(lambda _: answer) as server, pytest.raises(GoneError, match="too old"):
        asked(client(tmp_path, server.url), watched)


def test_a_listing_follows_its_pages(tmp_path: Path) -> None:
    def answer(request: Request) -> Response:
        following = "" if dict(request.query).get("continue") else "further"
        name = "b" if not following else "a"
        page = {"metadata": {"continue": following}, "items": [{"metadata": {"name": name}}]}
        return said(json.dumps(page).encode())

    with LoopbackServer(answer) as server:
        found = asked(client(tmp_path, server.url), listed)
    assert [each["metadata"]["name"] for each in found] == ["a", "b"]


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def talking(talk: Talk) -> AsyncIterator[str]:
    """A server that says what *talk* says to each connection, at that URL."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        try:
            await talk(reader, writer)
            await reader.read()
        except OSError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await server.wait_closed()


async def _silent(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Say nothing."""


async def _begins(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")


async def _drips(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while not writer.is_closing():
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("talk", [_silent, _begins, _drips])
def test_an_api_server_that_hangs_or_drips_is_given_up(tmp_path: Path, talk: Talk) -> None:
    async def run() -> None:
        async with talking(talk) as url:
            path = kubeconfig(tmp_path, url)
            subject = Client.of_kubeconfig(path, timeout=0.05, environment={})
            try:
                with pytest.raises(ClusterError, match="RT650"):
                    await get(subject)
            finally:
                await subject.aclose()

    asyncio.run(run())


def test_a_watch_that_says_nothing_for_too_long_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "SILENCE", 0.05)

    async def begins(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")

    async def run() -> None:
        async with talking(begins) as url:
            subject = Client.of_kubeconfig(kubeconfig(tmp_path, url), environment={})
            try:
                async with asyncio.timeout(0.8 * TIMEOUT):
                    with pytest.raises(ClusterError, match="RT650"):
                        await watched(subject)
            finally:
                await subject.aclose()

    asyncio.run(run())


def test_a_proxy_of_the_environment_is_used_unless_it_is_excepted(tmp_path: Path) -> None:
    answer = said(b'{"metadata": {"name": "x"}}')
    path = kubeconfig(tmp_path, "http://api.example.com:6443")
    with LoopbackServer(lambda _: answer) as proxy:
        environment = {"HTTP_PROXY": proxy.url.replace("//", "//alice:made-up@")}
        asked(Client.of_kubeconfig(path, environment=environment), get)
        request = proxy.requests[0].request
        assert request.target.startswith("http://api.example.com:6443/api/v1/")
        assert request.header("proxy-authorization") == "Basic YWxpY2U6bWFkZS11cA=="

        except_it = {**environment, "NO_PROXY": "example.com"}
        subject = Client.of_kubeconfig(path, timeout=2, environment=except_it)
        with pytest.raises(ClusterError, match="RT650"):
            asked(subject, get)
        assert len(proxy.requests) == 1
