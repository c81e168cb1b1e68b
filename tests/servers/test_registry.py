"""The real CNCF distribution starts in each of its settings, and still answers as recorded."""

from __future__ import annotations

import base64
import re
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import images
from tests.servers.certificates import Authority
from tests.servers.recordings import Answer, Recording, ask, recordings
from tests.servers.registry import PASSWORD, SERVICE, USER, Registry
from tests.servers.tokens import Signer, TokenServer

_TAGS = "/v2/team/app/tags/list"


def _basic(user: str, password: str) -> dict[str, str]:
    encoded = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {encoded}"}


def test_an_image_that_was_pushed_is_listed(tmp_path: Path) -> None:
    with Registry(tmp_path) as registry:
        digest = registry.push("team/app", "v1.0.0", images.image())
        listed = ask(registry.url, "GET", _TAGS)
        accept = {"Accept": images.MANIFEST}
        head = ask(registry.url, "HEAD", "/v2/team/app/manifests/v1.0.0", accept)

    assert listed.json == {"name": "team/app", "tags": ["v1.0.0"]}
    assert head.headers["docker-content-digest"] == digest


def test_an_index_is_pushed_with_its_children(tmp_path: Path) -> None:
    children = [images.image(platform="linux/amd64"), images.image(platform="linux/arm64/v8")]
    with Registry(tmp_path) as registry:
        registry.push("team/app", "v1.0.0", images.index(children))
        registry.delete("team/app", children[0].digest)
        accept = {"Accept": images.MANIFEST}
        found = [
            ask(registry.url, "HEAD", f"/v2/team/app/manifests/{child.digest}", accept).status
            for child in children
        ]

    assert found == [404, 200]


def test_a_login_is_wanted(tmp_path: Path) -> None:
    with Registry(tmp_path, login=True) as registry:
        registry.push("team/app", "v1.0.0", images.image())
        refused = ask(registry.url, "GET", _TAGS)
        wrong = ask(registry.url, "GET", _TAGS, _basic(USER, "wrong"))
        admitted = ask(registry.url, "GET", _TAGS, _basic(USER, PASSWORD))

    assert (refused.status, wrong.status, admitted.status) == (401, 401, 200)
    assert refused.headers["www-authenticate"] == 'Basic realm="tests"'


def test_tokens_are_believed(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    signer = Signer(authority.server(name="tokens"), authority.file)
    with (
        TokenServer({"alice": "made-up"}, signer=signer) as tokens,
        Registry(tmp_path, tokens=tokens, signer=signer) as registry,
    ):
        registry.push("team/app", "v1.0.0", images.image())
        refused = ask(registry.url, "GET", _TAGS)
        wanted = f"/auth/token?service={SERVICE}&scope=repository:team/app:pull"
        given = ask(tokens.url, "GET", wanted, _basic("alice", "made-up"))
        header = {"Authorization": f"Bearer {given.json['token']}"}
        admitted = ask(registry.url, "GET", _TAGS, header)

    challenge = refused.headers["www-authenticate"]
    assert challenge.startswith(f'Bearer realm="{tokens.realm}",service="{SERVICE}"')
    assert (refused.status, admitted.status) == (401, 200)


def test_tls_is_spoken(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    context = ssl.create_default_context(cafile=str(authority.file))
    with Registry(tmp_path, authority=authority) as registry:
        registry.push("team/app", "v1.0.0", images.image())
        listed = ask(registry.url, "GET", _TAGS, tls=context)
        with pytest.raises(ssl.SSLCertVerificationError):
            ask(registry.url, "GET", _TAGS, tls=ssl.create_default_context())

    assert listed.json == {"name": "team/app", "tags": ["v1.0.0"]}


def test_a_client_certificate_is_wanted(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    context = ssl.create_default_context(cafile=str(authority.file))
    with Registry(tmp_path, authority=authority, clients=True) as registry:
        registry.push("team/app", "v1.0.0", images.image())
        with pytest.raises((ssl.SSLError, ConnectionError)):
            ask(registry.url, "GET", _TAGS, tls=context)
        client = authority.client()
        context.load_cert_chain(client.certificate_file, client.key_file)
        listed = ask(registry.url, "GET", _TAGS, tls=context)

    assert listed.status == 200


@pytest.fixture(scope="module")
def again(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Registry]]:
    """The recorded registries, by their mode, with the repositories that were in them."""
    folders = {mode: tmp_path_factory.mktemp(mode) for mode in ("anon", "htpasswd", "token")}
    authority = Authority(folders["token"])
    signer = Signer(authority.server(name="tokens"), authority.file)
    with (
        TokenServer(signer=signer) as tokens,
        Registry(folders["anon"]) as anonymous,
        Registry(folders["htpasswd"], login=True) as htpasswd,
        Registry(folders["token"], tokens=tokens, signer=signer) as token,
    ):
        for number in range(5):
            anonymous.push("demo/api", f"v1.0.{number}", _image(number))
        anonymous.delete("demo/empty", anonymous.push("demo/empty", "v1", _image(9)))
        yield {"anon": anonymous, "htpasswd": htpasswd, "token": token}


def _image(number: int) -> images.Document:
    """As the recorded ones were made, of the same length."""
    created = f"2026-01-0{number + 1}T10:00:00Z"
    return images.image(
        created,
        labels={"org.opencontainers.image.version": f"v1.0.{number}"},
        history=[{"created": created, "created_by": f"seed v1.0.{number} amd64"}],
    )


def _translated(text: str) -> str:
    """Recorded *text*, with the digest and names of the registry that is asked here.

    Realms are left out, because ports differ.
    """
    digest = _image(0).digest.removeprefix("sha256:")
    replaced = re.sub("73c5[0-9a-f]{60}", digest, text.replace("zotlab", SERVICE))
    return re.sub('realm="[^"]*"', "", replaced)


def _comparable(answer: Answer) -> Answer:
    """Tags come in any order, and a body may end in a new line or not."""
    headers = {name: _translated(text) for name, text in answer.headers.items()}
    tags = re.sub(r"\[(\"v1.*)\]", lambda found: str(sorted(found[1].split(","))), answer.body)
    return Answer(answer.status, headers, tags)


@pytest.mark.parametrize(
    "recording", recordings("distribution"), ids=lambda each: each.name.removesuffix(".json")
)
def test_it_answers_as_recorded(recording: Recording, again: dict[str, Registry]) -> None:
    headers = {name: _translated(text) for name, text in recording.headers.items()}

    answer = ask(again[recording.mode].url, recording.method, recording.target, headers)

    assert _comparable(answer) == _comparable(recording.answer)


def test_without_the_program_one_is_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(FileNotFoundError, match="run make tools"):
        Registry(tmp_path).__enter__()


def test_a_program_that_ends_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "docker-registry"
    program.write_text("#!/bin/sh\necho no such setting\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(RuntimeError, match="no such setting"):
        Registry(tmp_path).__enter__()
