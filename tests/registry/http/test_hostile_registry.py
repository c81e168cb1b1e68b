"""A hostile registry, asked by all that stands between a policy and the wire.

It is asked for the newest build and its digest with a login, so that it may lie in a listing, a
HEAD, a manifest, a config and a token. It must get nothing but what is asked of it, and nobody
else a login; nothing is chosen by its lies, and nothing that is told shows the login.
"""

from __future__ import annotations

import asyncio
import gzip
import re
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from cmp.judge import Verdict, judge
from cmp.policy import Chosen, Kept, Settings, compile_policy
from cmp.reference import Repository
from cmp.registry import Registries, RoutedSource
from cmp.registry.http.connections import Surroundings
from tests.registry.http.wire import BASIC, PASSWORD
from tests.servers.certificates import Authority
from tests.servers.images import INDEX, MANIFEST, Blob, compact, image
from tests.servers.loopback import LoopbackServer, Request, Response

APP = Repository("registry.example.com", "team/app")
NEWEST = compile_policy(Settings("newest-build", output="digest"))
IMAGE = image("2026-01-01T10:00:00Z")
CONFIG = IMAGE.blobs[0]
LIST, HEAD = "/v2/team/app/tags/list", "/v2/team/app/manifests/v1"
BODY, BLOB = f"/v2/team/app/manifests/{IMAGE.digest}", f"/v2/team/app/blobs/{CONFIG.digest}"
TOKEN = "made-up-token"
SECRETS = (PASSWORD, BASIC.removeprefix("Basic "), TOKEN)
DEEP = b"[" * 100_000

Answer = Callable[[Request], Response]


def ok(body: bytes, media_type: str = "application/json", **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(200, {"Content-Type": media_type, **named}, body)


def named(digest: str) -> Response:
    return ok(IMAGE.body, MANIFEST, Docker_Content_Digest=digest)


HONEST: Mapping[str, Response] = {
    LIST: ok(compact({"name": "team/app", "tags": ["v1"]})),
    HEAD: named(IMAGE.digest),
    BODY: named(IMAGE.digest),
    BLOB: ok(CONFIG.body, "application/octet-stream"),
}


def lying(**lies: Response) -> Answer:
    """An honest registry, save for what it answers to LIST, HEAD, BODY or BLOB."""
    answers = {**HONEST, **{globals()[place]: lie for place, lie in lies.items()}}
    return lambda request: answers.get(request.path, Response(404))


@dataclass(frozen=True)
class Asked:
    """What was made of a registry, and all that people may get to see of it."""

    verdict: Verdict
    shown: str

    @property
    def why(self) -> str:
        assert isinstance(self.verdict.choice, Kept), self.verdict.choice
        return self.verdict.choice.why


def asked(folder: Path, url: str, proxy: str = "") -> Asked:
    """The choice of NEWEST at *url*, as alice, by *proxy* if there is one."""
    conf = folder / "registries.conf"
    conf.write_text(
        f"registries:\n- name: evil\n  prefix: {APP.registry}\n  api_url: {url}\n"
        f"  credentials: env:LOGIN\n  kind: oci\n"
    )
    environment = {"LOGIN": f"alice:{PASSWORD}", "HTTP_PROXY": proxy, "HTTPS_PROXY": proxy}
    surroundings = Surroundings(environment=environment)
    registries, findings = Registries.load(conf, clock=lambda: 7.0, surroundings=surroundings)
    assert {each.code for each in findings} <= {"RT340"}  # plain http

    async def run() -> Verdict:
        async with registries:
            return await judge(APP, NEWEST, RoutedSource(registries))

    verdict = asyncio.run(run())
    error = verdict.error
    trace = "".join(traceback.format_exception(error)) if error else ""
    return Asked(verdict, f"{verdict!r}\n{error}\n{error!r}\n{trace}")


# Its own answers


def test_the_registry_is_honest_where_it_does_not_lie(tmp_path: Path) -> None:
    with LoopbackServer(lying()) as server:
        choice = asked(tmp_path, server.url).verdict.choice

    assert isinstance(choice, Chosen)
    assert (choice.tag.name, choice.tag.digest) == ("v1", IMAGE.digest)


def _page(link: str) -> Response:
    return ok(compact({"tags": ["v1"]}), Link=link)


OTHER = Blob(MANIFEST, compact({"config": {"digest": CONFIG.digest}, "layers": [1]}))


@pytest.mark.parametrize(
    ("lies", "said"),
    [
        pytest.param({"LIST": ok(DEEP)}, "not JSON", id="a list without a bottom"),
        pytest.param({"LIST": ok(b'{"tags":[1]}')}, "list of strings", id="numbers as tags"),
        pytest.param({"LIST": ok(b'{"tags":["\\ud800"]}')}, "not JSON", id="half a surrogate"),
        pytest.param(
            {"LIST": ok(b'{"tags":["v1"],"x":' + b"9" * 1_000_000 + b"}")},
            "not JSON",
            id="a number of a million digits",
        ),
        pytest.param(
            {"LIST": ok(b'{"x":[' + b"[]," * 500_000 + b"[]]}")}, "500000", id="empty lists"
        ),
        pytest.param(
            {"LIST": ok(gzip.compress(bytes(40_000_000)), Content_Encoding="gzip")},
            "compressed",
            id="a compressed bomb",
        ),
        pytest.param(
            {"LIST": ok(bytes(33 * 1024 * 1024))}, "larger than the", id="a list without an end"
        ),
        pytest.param(
            {"LIST": _page("<http://evil.example.net/?last=v1>; rel=next")},
            "another host",
            id="a next page elsewhere",
        ),
        pytest.param(
            {"LIST": _page("<//evil.example.net/?last=v1>; rel=next")},
            "another host",
            id="a next page elsewhere, without a scheme",
        ),
        pytest.param(
            {"LIST": _page(f"<?last={'a' * 60_000}>; rel=next")}, "characters", id="a long page"
        ),
        pytest.param(
            {"LIST": _page("<?last=v1>; rel=next")}, "leads back", id="the same page for ever"
        ),
        pytest.param({"HEAD": named("sha256:../../x")}, "not a digest", id="a path as a digest"),
        pytest.param({"HEAD": named("md5:" + "a" * 32)}, "not a digest", id="a weak algorithm"),
        pytest.param(
            {"HEAD": named(IMAGE.digest.upper())}, "not a digest", id="a digest in capitals"
        ),
        pytest.param({"HEAD": named("x" * 60_000)}, "not a digest", id="a long digest"),
        pytest.param(
            {"BODY": ok(OTHER.body, MANIFEST)}, "not what its digest", id="another manifest"
        ),
        pytest.param({"BODY": ok(DEEP, MANIFEST)}, "not what its digest", id="a deep manifest"),
        pytest.param(
            {"BODY": ok(IMAGE.body + b" ", MANIFEST)}, "not what its digest", id="a byte more"
        ),
        pytest.param(
            {"BODY": ok(bytes(5 * 1024 * 1024), MANIFEST)}, "larger than", id="a large manifest"
        ),
        pytest.param(
            {"BODY": ok(IMAGE.body, INDEX)}, "the document", id="a manifest served as an index"
        ),
        pytest.param({"BLOB": ok(b"{}")}, "not what its digest", id="another config"),
        pytest.param({"BLOB": Response(302)}, "redirects to what is no URL", id="to nowhere"),
    ],
)
def test_a_lie_chooses_nothing_and_is_told(
    tmp_path: Path, lies: Mapping[str, Response], said: str
) -> None:
    with LoopbackServer(lying(**lies)) as server:
        found = asked(tmp_path, server.url)

        assert len(server.requests) <= 5
    assert said in found.why
    assert not any(secret in found.shown for secret in SECRETS)


def test_names_that_steer_a_terminal_are_no_tags(tmp_path: Path) -> None:
    names = ["\x1b]0;pwned\x07", "v1\r\nx: y", "v1\u202e", "../../other", "v1?x=y", "v1#", "é"]
    lie = ok(compact({"tags": names}))

    with LoopbackServer(lying(LIST=lie)) as server:
        found = asked(tmp_path, server.url)

        assert server.targets() == [LIST]
    assert found.why.isprintable()


# Where it sends us


@pytest.mark.parametrize(
    ("location", "said"),
    [
        pytest.param("http://169.254.169.254/latest/meta-data/", "link-local", id="metadata"),
        pytest.param("http://2852039166/latest/meta-data/", "is link-local", id="as a number"),
        pytest.param("http://[::ffff:169.254.169.254]/", "link-local", id="mapped into IPv6"),
        pytest.param("http://[fd00:ec2::254%251]/", "metadata service", id="with an interface"),
        pytest.param("http://localhost:{port}/", "loopback", id="the machine by its name"),
        pytest.param("http://127.0.0.2:{port}/", "loopback", id="the machine by an address"),
        pytest.param("http://127.1:{port}/v2/", "is loopback", id="in two parts"),
        pytest.param("http://0.0.0.0:{port}/", "unspecified", id="the unspecified address"),
        pytest.param("file:///etc/passwd", "no URL", id="a file"),
        pytest.param("ftp://127.0.0.1:{port}/", "no URL", id="another protocol"),
        pytest.param("http://a:b@127.0.0.1:{port}/", "no URL", id="a login of its own"),
        pytest.param("http://127.0.0.1:{port}\\@registry/", "no URL", id="a backslash"),
        pytest.param("http://[::1].example.net/", "no URL", id="more than brackets"),
        pytest.param("/x y", "no URL", id="a space"),
        pytest.param(LIST, "redirects more than 3 times", id="a circle"),
    ],
)
def test_nobody_follows_it_to(tmp_path: Path, location: str, said: str) -> None:
    with LoopbackServer(lying()) as other:
        lie = location.format(port=other.address.partition(":")[2])
        with LoopbackServer(lying(LIST=Response(302, {"Location": lie}))) as server:
            found = asked(tmp_path, server.url)

            assert len(server.requests) <= 4
    assert other.requests == []
    assert re.search(said, found.why)
    assert not any(secret in found.shown for secret in SECRETS)


def test_another_origin_gets_neither_login_nor_cookie(tmp_path: Path) -> None:
    """Its answer counts, as that of object storage does, for digests say what is right."""
    with LoopbackServer(lying()) as other:
        cookie = {"Set-Cookie": "id=1; Path=/; Domain=127.0.0.1"}

        def answer(request: Request) -> Response:
            return Response(307, {"Location": other.url + request.target, **cookie})

        with LoopbackServer(answer) as server:
            choice = asked(tmp_path, server.url).verdict.choice

            assert isinstance(choice, Chosen)
            assert all(each.request.header("authorization") for each in server.requests)
    assert len(other.requests) == len(server.requests)
    assert not any("authorization" in each.request.headers for each in other.requests)
    both = [*server.requests, *other.requests]
    assert not any("cookie" in each.request.headers for each in both)


@pytest.mark.parametrize(
    "location", ["http://2130706433/", "http://0x7f.1/", "http://[::ffff:127.0.0.1]/"]
)
def test_a_proxy_is_not_sent_into_itself(tmp_path: Path, location: str) -> None:
    with LoopbackServer(lambda _: Response(302, {"Location": location})) as proxy:
        found = asked(tmp_path, "http://registry.example.com", proxy.url)

        assert proxy.targets() == [f"http://registry.example.com{LIST}"]
    assert "is loopback" in found.why


def test_a_proxy_that_refuses_a_tunnel_saw_no_login(tmp_path: Path) -> None:
    with LoopbackServer(lambda _: Response(403, {}, PASSWORD.encode())) as proxy:
        found = asked(tmp_path, "https://registry.example.com", proxy.url)

        assert proxy.targets() == ["registry.example.com:443"]
        assert set(proxy.requests[0].request.headers) == {"host"}
    assert "it refuses to connect: status 403" in found.why
    assert not any(secret in found.shown for secret in SECRETS)


def test_a_certificate_that_is_not_trusted_is_looked_at_once(tmp_path: Path) -> None:
    context = Authority(tmp_path).server_context()
    greetings = []
    context.sni_callback = lambda *greeting: greetings.append(greeting)
    with LoopbackServer(lying(), tls=context) as server:
        found = asked(tmp_path, server.url)

        assert server.requests == []
    assert len(greetings) == 1
    assert "not from a known authority" in found.why


# Whom it names for tokens


def challenging(realm: str, more: str = "") -> Answer:
    """A registry that wants TOKEN, from *realm*; *more* stands in the challenge besides."""

    def answer(request: Request) -> Response:
        if request.header("authorization") == f"Bearer {TOKEN}":
            return lying()(request)
        challenge = f'Bearer realm="{realm}",service="r"{more}'
        return Response(401, {"WWW-Authenticate": challenge})

    return answer


@pytest.mark.parametrize(
    "realm",
    [
        "http://localhost:{port}/token",
        "http://127.0.0.2:{port}/token",
        "http://a:b@127.0.0.1:{port}/token",
        "http://127.0.0.1:{port}@evil.example.net/token",
        "http://127.0.0.1:{port}\\\\@evil.example.net/token",
        "http://127.0.0.1%00.evil.example.net:{port}/token",
        "http://127.0.0.1.:{port}/token",
        "http://127.0.0.1#@evil.example.net:{port}/token x",
        "http://2130706433:{port}/token",
        "http://[::ffff:127.0.0.1]:{port}/token",
        "http://169.254.169.254/token",
        "//127.0.0.1:{port}/token",
        "file:///etc/passwd",
        "ftp://127.0.0.1:{port}/token",
        "",
    ],
)
def test_no_realm_elsewhere_gets_the_login(tmp_path: Path, realm: str) -> None:
    with LoopbackServer(lambda _: Response(200)) as other:
        port = other.address.partition(":")[2]
        with LoopbackServer(challenging(realm.format(port=port))) as server:
            found = asked(tmp_path, server.url)

            assert len(server.requests) == 1
    assert other.requests == []
    assert re.search(r"RT55[45]", found.why)
    assert not any(secret in found.shown for secret in SECRETS)


def test_no_more_than_pulling_is_asked_for(tmp_path: Path) -> None:
    def gives(request: Request) -> Response:
        assert ("scope", "repository:team/app:pull") in request.query
        return ok(compact({"token": TOKEN}))

    greedy = ',scope="repository:team/app:pull,push,delete registry:catalog:* repository:x:push"'
    with LoopbackServer(gives) as tokens:
        with LoopbackServer(challenging(f"{tokens.url}/token", greedy)) as server:
            choice = asked(tmp_path, server.url).verdict.choice

        assert isinstance(choice, Chosen)
        assert [v for each in tokens.requests for k, v in each.request.query if k == "scope"] == [
            "repository:team/app:pull"
        ]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(ok(DEEP), id="a list without a bottom"),
        pytest.param(ok(bytes(300_000)), id="too much"),
        pytest.param(ok(gzip.compress(bytes(10_000_000)), Content_Encoding="gzip"), id="gzip"),
        pytest.param(ok(b'{"token":"a\\r\\nx: y"}'), id="a header in the token"),
        pytest.param(ok(b'{"token":"a b"}'), id="a space in the token"),
        pytest.param(ok(compact({"token": "a" * 70_000})), id="a long token"),
        pytest.param(ok(b'{"token":{"a":1}}'), id="an object as the token"),
        pytest.param(ok(b'{"token":"\\ud800"}'), id="half a surrogate"),
        pytest.param(Response(302, {"Location": "/other"}), id="a redirect"),
        pytest.param(Response(401, {}, PASSWORD.encode()), id="the password in its refusal"),
        pytest.param(Response(403, {}, BASIC.encode()), id="the login in its refusal"),
        pytest.param(
            Response(400, {}, compact({"errors": [{"message": f"x {BASIC}"}]})),
            id="the login in its error",
        ),
    ],
)
def test_what_is_no_token_is_an_error_without_the_login(tmp_path: Path, answer: Response) -> None:
    with LoopbackServer(lambda _: answer) as tokens:
        with LoopbackServer(challenging(f"{tokens.url}/token")) as server:
            found = asked(tmp_path, server.url)

            assert len(server.requests) <= 2
        assert [each.target for each in tokens.requests if "/other" in each.target] == []
        assert len(tokens.requests) <= 2
    assert re.search(r"RT5(45|56|57)", found.why)
    assert not any(secret in found.shown for secret in SECRETS)


# What it says


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 422])
@pytest.mark.parametrize("place", ["LIST", "HEAD", "BODY", "BLOB"])
def test_nothing_that_it_says_shows_the_login(tmp_path: Path, place: str, status: int) -> None:
    words = f"\x1b[31m{PASSWORD} {BASIC} http://alice:{PASSWORD}@registry.example.com/"
    body = compact({"errors": [{"code": "DENIED", "message": words, "detail": words}]})
    lie = Response(status, {"WWW-Authenticate": f'Basic realm="{PASSWORD}"'}, body)

    with LoopbackServer(lying(**{place: lie})) as server:
        found = asked(tmp_path, server.url)

    assert found.why.isprintable()
    assert not any(secret in found.shown for secret in SECRETS)
