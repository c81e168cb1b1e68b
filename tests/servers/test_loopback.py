"""The HTTP server below those written for tests keeps connections, and shows its own faults."""

from __future__ import annotations

import http.client
import socket

import pytest

from tests.servers.loopback import LoopbackServer, Request, Response
from tests.servers.recordings import ask


def _echo(request: Request) -> Response:
    return Response(200, {"Content-Type": "text/plain"}, request.body or request.target.encode())


def test_a_body_comes_as_it_was_sent() -> None:
    with LoopbackServer(_echo) as server:
        assert ask(server.url, "POST", "/", body=b"abc").body == "abc"


def test_an_answer_may_be_awaited() -> None:
    async def answer(request: Request) -> Response:
        return _echo(request)

    with LoopbackServer(answer) as server:
        assert ask(server.url, "GET", "/x?y=%20").body == "/x?y=%20"


@pytest.mark.parametrize("body", [b"", b"a few bytes"], ids=["empty", "some"])
def test_a_body_may_come_in_chunks(body: bytes) -> None:
    with LoopbackServer(lambda _: Response(200, body=body, chunked=True)) as server:
        answer = ask(server.url, "GET", "/")

    assert (answer.body.encode(), answer.headers["transfer-encoding"]) == (body, "chunked")


def test_a_304_has_no_length() -> None:
    with LoopbackServer(lambda _: Response(304)) as server:
        assert "content-length" not in ask(server.url, "GET", "/").headers


def test_a_client_that_wants_to_close_is_let_go() -> None:
    with LoopbackServer(_echo) as server:
        connection = http.client.HTTPConnection(server.address)
        connection.request("GET", "/", headers={"Connection": "close"})
        assert connection.getresponse().read() == b"/"
        connection.close()


def test_half_a_request_is_no_request() -> None:
    with LoopbackServer(_echo) as server:
        host, _, port = server.address.partition(":")
        with socket.create_connection((host, int(port))) as half:
            half.sendall(b"GET / HTTP/1.1\r\nHo")
        assert ask(server.url, "GET", "/").status == 200

    assert server.targets() == ["/"]


def test_a_fault_of_the_server_fails_the_test() -> None:
    def answer(_: Request) -> Response:
        raise LookupError("a slip")

    server = LoopbackServer(answer)
    server.start()
    assert ask(server.url, "GET", "/").status == 500
    with pytest.raises(LookupError, match="a slip"):
        server.stop()


def test_what_is_not_running_cannot_be_held() -> None:
    server = LoopbackServer(_echo)
    server.stop()
    with pytest.raises(RuntimeError, match="not running"), server.held():
        pass
