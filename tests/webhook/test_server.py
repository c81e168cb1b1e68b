"""The webhook on a real socket."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Router

from cmp.errors import ResolverError, UsageError
from sidecar.listener import Listener
from sidecar.protocol import Gate, Limits
from sidecar.settings import Address
from sidecar.webhook.access import Access
from sidecar.webhook.server import LIMITS, receiving
from sidecar.webhook.settings import TlsFiles, WebhookSettings
from tests.metering import Metered
from tests.servers.certificates import Authority
from tests.servers.resolver import until
from tests.webhook.zot import (
    RECORDED,
    SECRET,
    Event,
    bearer,
    event,
    exchange,
    recorded,
    request_of,
    status,
)

_LOCAL = Address("127.0.0.1", 0)


@dataclass
class Received:
    """A webhook that listens at *port*, and what came of what was sent to it."""

    port: int
    meter: Metered
    hints: list[tuple[str, str]] = field(default_factory=list)

    async def send(self, sent: Event, *extra: tuple[str, str]) -> int:
        """Send it with the secret; the status of the answer."""
        return await status(self.port, request_of(sent, [*bearer(), *extra]))

    def count(self, outcome: str) -> float:
        """How many events came to that."""
        return self.meter.value("retag_webhook_events_total", outcome=outcome)


@asynccontextmanager
async def webhook(
    *, allowed: int = 3600, tls: TlsFiles | None = None, limits: Limits = LIMITS
) -> AsyncIterator[Received]:
    """A webhook for the time of the context."""
    received = Received(0, Metered())
    settings = WebhookSettings(
        address=_LOCAL, access=Access(text=SECRET), tls=tls, allowed=allowed
    )

    def take(registry: str, repository: str) -> None:
        received.hints.append((registry, repository))

    async with receiving(settings, take, received.meter, limits=limits) as received.port:
        yield received


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


@pytest.mark.parametrize("name", sorted(path.stem for path in RECORDED.glob("image_*.json")))
def test_what_zot_sends_is_a_hint_before_it_is_answered(name: str) -> None:
    async def main() -> None:
        async with webhook() as received:
            answer = await exchange(received.port, request_of(recorded(name), bearer()))
            assert answer.startswith(b"HTTP/1.1 202 Accepted\r\n")
            assert answer.endswith(b"\r\n\r\ntaken\n")
            assert received.hints == [("", "demo/api")]
            assert received.count("taken") == 1

    run(main())


def test_a_created_repository_is_taken_without_effect() -> None:
    async def main() -> None:
        async with webhook() as received:
            assert await received.send(recorded("repository_created")) == 200
            assert (received.hints, received.count("ignored")) == ([], 1)

    run(main())


def test_a_push_of_many_platforms_is_two_looks_at_most() -> None:
    async def main() -> None:
        async with webhook() as received:
            names = ["image_updated_index", *(f"image_updated_index_{n}" for n in (2, 3, 4))]
            answers = [await received.send(recorded(name)) for name in names]
            assert answers == [202] * 4
            assert received.hints == [("", "demo/api")]
            assert (received.count("taken"), received.count("merged")) == (1, 3)

    run(main())


@pytest.mark.parametrize(
    "extra",
    [
        pytest.param([], id="nothing"),
        pytest.param(bearer("made-up-secret-of-the-webhooK"), id="almost"),
        pytest.param([("X-Webhook-Secret", "")], id="empty"),
    ],
)
def test_without_the_secret_nothing_is_taken_and_nothing_told(
    extra: list[tuple[str, str]], caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with webhook() as received:
            answers = {
                await exchange(received.port, request_of(sent, extra))
                for sent in (event(), event(name=""), Event([], b""))
            }
            assert len(answers) == 1  # whatever else is wrong
            answer = answers.pop()
            assert answer.startswith(b"HTTP/1.1 401 Unauthorized\r\n")
            assert b'www-authenticate: Basic realm="webhook"' in answer
            assert (received.hints, received.count("unauthorized")) == ([], 3)

    with caplog.at_level(logging.WARNING, "retag.webhook"):
        run(main())
    assert len(caplog.records) == 1


def test_the_secret_in_the_url_is_not_looked_at() -> None:
    async def main() -> None:
        async with webhook() as received:
            request = request_of(event(), [], line=f"POST /webhook?secret={SECRET}")
            assert await status(received.port, request) == 401

    run(main())


def test_a_forger_is_answered_before_the_body_is_sent() -> None:
    async def main() -> None:
        async with webhook() as received:
            head = request_of(event(), []).replace(
                b"Content-Length: 20", b"Content-Length: 8000000"
            )
            head = head.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
            assert b": 8000000" in head
            assert await status(received.port, head) == 401

    run(main())


def test_a_flood_of_forgeries_is_no_hint() -> None:
    async def main() -> None:
        async with webhook() as received:
            request = request_of(event(), bearer("made-up-guess-of-a-forger"))
            for _ in range(10):
                batch = (status(received.port, request) for _ in range(30))
                assert set(await asyncio.gather(*batch)) == {401}
            assert await received.send(event()) == 202
            assert (received.hints, received.count("unauthorized")) == ([("", "team/app")], 300)

    run(main())


def test_a_flood_with_the_secret_ends_at_the_limit() -> None:
    async def main() -> None:
        async with webhook(allowed=3) as received:
            answers = [await received.send(event(name=f"team/app-{n}")) for n in range(6)]
            assert answers == [202] * 3 + [429] * 3
            assert len(received.hints) == received.count("taken") == 3
            assert received.count("limited") == 3

    run(main())


@pytest.mark.parametrize(
    ("sent", "extra", "expected"),
    [
        pytest.param(event(name="Demo"), [], 400, id="no repository"),
        pytest.param(Event(event().headers, b"["), [], 400, id="no JSON"),
        pytest.param(event(), [("ce-type", "other")], 400, id="two types"),
        pytest.param(Event([("Content-Type", "text/plain")], b""), [], 415, id="text"),
        pytest.param(
            Event([("Content-Type", "application/cloudevents-batch+json")], b"[]"),
            [],
            415,
            id="a batch",
        ),
        pytest.param(event(), [("Content-Encoding", "gzip")], 415, id="compressed"),
    ],
)
def test_what_cannot_be_read_is_said(
    sent: Event, extra: list[tuple[str, str]], expected: int
) -> None:
    async def main() -> None:
        async with webhook() as received:
            assert await received.send(sent, *extra) == expected
            assert (received.hints, received.count("malformed")) == ([], 1)

    run(main())


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (b"", 411),
        (b"Transfer-Encoding: chunked\r\n", 411),
        # HTTP has the chunks count then, however many they are.
        (b"Content-Length: 10\r\nTransfer-Encoding: chunked\r\n", 411),
        (b"Content-Length: 8388609\r\n", 413),
        (b"Content-Length: 99999999999999999999\r\n", 413),
    ],
)
def test_a_body_states_its_size_and_has_no_more_than_zot_ever_sends(
    length: bytes, expected: int
) -> None:
    async def main() -> None:
        async with webhook() as received:
            head = request_of(event(), bearer()).partition(b"Content-Length")[0]
            assert await status(received.port, head + length + b"\r\n") == expected

    run(main())


def test_the_largest_manifest_that_zot_takes_fits() -> None:
    async def main() -> None:
        async with webhook() as received:
            manifest = '"' * 4_190_000
            assert await received.send(event(name="team/app", manifest=manifest)) == 202

    run(main())


def test_bodies_that_would_take_too_much_memory_together_are_not_read() -> None:
    async def main() -> None:
        async with webhook() as received:
            head = request_of(event(), bearer()).partition(b"Content-Length")[0]
            large = head + b"Content-Length: 8388608\r\n\r\n" + bytes(1000)
            four = [await asyncio.open_connection("127.0.0.1", received.port) for _ in range(4)]
            for _, writer in four:
                writer.write(large)
            while True:  # until the last of them is begun with
                answer = await exchange(received.port, request_of(event(), bearer()))
                if answer.startswith(b"HTTP/1.1 503 "):
                    break
            for _, writer in four:
                writer.close()
                await writer.wait_closed()
            await until(lambda: received.count("malformed") == 4)
            assert await received.send(event()) == 202

    run(main())


def test_who_does_not_end_a_request_is_cut_off() -> None:
    async def main() -> None:
        async with webhook(limits=Limits(head=0.05, answer=1)) as received:
            for part in (b"", b"POST /webhook", request_of(event(), bearer())[:-1]):
                assert await exchange(received.port, part) == b""
            assert received.hints == []

    run(main())


def test_the_one_that_is_silent_for_longest_makes_room() -> None:
    async def main() -> None:
        async with webhook(limits=Limits(connections=2)) as received:
            silent = [await asyncio.open_connection("127.0.0.1", received.port) for _ in range(2)]
            assert await received.send(event()) == 202
            assert await silent[0][0].read() == b""
            for _, writer in silent:
                writer.close()
                await writer.wait_closed()

    run(main())


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("GET /healthz", 200),
        ("GET /webhook", 405),
        ("PUT /webhook", 405),
        ("POST /", 404),
        ("POST /webhook/", 404),
        ("GET /metrics", 404),
    ],
)
def test_there_is_nothing_but_the_webhook_and_a_probe(line: str, expected: int) -> None:
    async def main() -> None:
        async with webhook() as received:
            request = request_of(Event([], b""), bearer(), line=line)
            assert await status(received.port, request) == expected

    run(main())


def test_a_hint_that_waits_ends_with_the_webhook() -> None:
    async def main() -> None:
        async with webhook() as received:
            await received.send(event())
            await received.send(event())
        assert received.hints == [("", "team/app")]

    run(main())


def test_an_address_that_is_taken_is_said() -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = Address("127.0.0.1", taken.getsockname()[1])
            settings = WebhookSettings(address=address, access=Access(text=SECRET), tls=None)
            with pytest.raises(ResolverError, match=r"already in use.*\[RT685\]"):
                async with receiving(settings, lambda *_: None, Metered()):
                    pass

    run(main())


def files_of(
    folder: Path, name: str = "server", lowest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
) -> tuple[TlsFiles, Authority]:
    """A certificate for 127.0.0.1, and its authority."""
    folder.mkdir(exist_ok=True)
    authority = Authority(folder)
    issued = authority.server(name=name)
    return TlsFiles(issued.certificate_file, issued.key_file, lowest), authority


def trusting(authority: Authority) -> ssl.SSLContext:
    """What a client needs for TLS."""
    return ssl.create_default_context(cafile=str(authority.file))


def test_over_tls_it_is_the_same(tmp_path: Path) -> None:
    async def main() -> None:
        files, authority = files_of(tmp_path)
        async with webhook(tls=files) as received:
            request = request_of(event(), bearer())
            assert await status(received.port, request, trusting(authority)) == 202
            assert await exchange(received.port, request) == b""  # plain HTTP
            assert received.hints == [("", "team/app")]
            refused = "retag_connections_refused_total"
            assert received.meter.value(refused, reason="handshake") == 1

    run(main())


def test_a_version_of_tls_that_is_too_low_is_refused(tmp_path: Path) -> None:
    async def main() -> None:
        files, authority = files_of(tmp_path, lowest=ssl.TLSVersion.TLSv1_3)
        client = trusting(authority)
        client.maximum_version = ssl.TLSVersion.TLSv1_2
        async with webhook(tls=files) as received:
            with pytest.raises((ssl.SSLError, ConnectionResetError)):
                await status(received.port, request_of(event(), bearer()), client)

    run(main())


def test_a_new_certificate_serves_from_the_next_connection_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        files, authority = files_of(tmp_path / "old")
        newer, other = files_of(tmp_path / "new")
        request = request_of(event(), bearer())
        async with webhook(tls=files) as received:
            assert await status(received.port, request, trusting(authority)) == 202
            newer.certificate.replace(files.certificate)  # the key is still the old one
            assert await status(received.port, request, trusting(authority)) == 202
            newer.key.replace(files.key)
            assert await status(received.port, request, trusting(other)) == 202
            with pytest.raises(ssl.SSLCertVerificationError):
                await status(received.port, request, trusting(authority))

    with caplog.at_level(logging.WARNING, "retag.webhook"):
        run(main())
    assert "the certificate of the webhook stays as it was" in caplog.text


@pytest.mark.parametrize(
    ("certificate", "key", "what"),
    [
        pytest.param(None, None, "No such file", id="absent"),
        pytest.param("no PEM", "no PEM", "cannot be used", id="no PEM"),
    ],
)
def test_a_certificate_that_cannot_be_used_is_said_at_the_start(
    tmp_path: Path, certificate: str | None, key: str | None, what: str
) -> None:
    files = TlsFiles(tmp_path / "a.crt", tmp_path / "a.key", ssl.TLSVersion.TLSv1_2)
    for file, text in ((files.certificate, certificate), (files.key, key)):
        if text is not None:
            file.write_text(text)

    async def main() -> None:
        with pytest.raises(UsageError, match=rf"{what}.*\[RT272\]"):
            async with webhook(tls=files):
                pass

    run(main())


def test_a_key_with_a_password_is_refused_and_nobody_is_asked(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415  # of this test alone
        BestAvailableEncryption,
        Encoding,
        PrivateFormat,
    )

    issued = Authority(tmp_path).server()
    issued.key_file.write_bytes(
        issued.key.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"made-up")
        )
    )
    files = TlsFiles(issued.certificate_file, issued.key_file, ssl.TLSVersion.TLSv1_2)

    async def main() -> None:
        with pytest.raises(UsageError, match=r"\[RT272\]"):
            async with webhook(tls=files):
                pass

    run(main())


def test_silent_handshakes_hold_up_nobody_for_ever(tmp_path: Path) -> None:
    async def main() -> None:
        files, authority = files_of(tmp_path)
        async with webhook(tls=files) as received:
            silent = [await asyncio.open_connection("127.0.0.1", received.port) for _ in range(31)]
            request = request_of(event(), bearer())
            assert await status(received.port, request, trusting(authority)) == 202
            for _, writer in silent:
                writer.close()
            await until(
                lambda: (
                    received.meter.value("retag_connections_refused_total", reason="handshake")
                    == 31
                )
            )
            # Who is in a handshake when the end comes does not hold it up.
            _, last = await asyncio.open_connection("127.0.0.1", received.port)
            await until(lambda: any("._shake()" in repr(task) for task in asyncio.all_tasks()))
        last.close()

    run(main())


def test_when_no_connection_can_be_accepted_it_is_tried_again(tmp_path: Path) -> None:
    async def main() -> None:
        files, _ = files_of(tmp_path)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(files.certificate, files.key)
        waited: list[float] = []
        tried = asyncio.Event()

        async def sleep(seconds: float) -> None:
            waited.append(seconds)
            tried.set()
            await asyncio.Event().wait()

        with socket.socket() as bound:  # which does not listen
            gate = Gate(None, Limits(), Metered())
            async with Listener(Router([]), bound, gate, tls=context, sleep=sleep):
                await tried.wait()
        assert waited == [1.0]

    run(main())
