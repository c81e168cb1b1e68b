"""The Zot of the tests answers as real ones did: all of `recorded/` is asked again.

Not compared are what `recordings` leaves out (dates, CORS, a client's port), and the digests of
images whose bytes were not recorded: they are translated into those of images made anew, of the
same sizes.
"""

from __future__ import annotations

import base64
import json
import re

import pytest

from tests.servers import images
from tests.servers.access import Access, Anonymous, Bearer, Htpasswd
from tests.servers.images import Blob, Document, Layer
from tests.servers.model import Model
from tests.servers.recordings import Answer, Recording, ask, recordings
from tests.servers.times import nanoseconds
from tests.servers.zot import ZotServer

# What the double does not do, and why; nothing else may be left out.
NOT_SERVED = {
    "errors/cluster_member_down_500.json": "there is no cluster; tests use fail_next for it",
    "manifests/put_docker_v2s2_415.json": "nothing is pushed over HTTP: tests fill the model",
}
_ALL = recordings(
    "blobs", "catalog", "errors", "ext", "graphql", "manifests", "ping", "referrers", "tags"
)
_SERVED = [each for each in _ALL if each.name not in NOT_SERVED]

_REALM = "http://127.0.0.1:29205/auth/token"
_DAY = "2026-11-22T11:46:11."
# Tags of demo/api as recorded: digest, build time, and the fractions of that second at which the
# tag was seen and the digest was pushed.
_TAGS = {
    "v1.0.0": ("73c54576", "2026-01-01T10:00:00Z", "334950864", "334951479"),
    "v1.0.1": ("dc683f47", "2026-01-02T10:00:00Z", "347348128", "347348632"),
    "v1.0.2": ("498c9bad", "2026-01-03T10:00:00Z", "354065241", "354065792"),
    "v1.0.3": ("a7cd7cad", "2026-01-04T10:00:00Z", "361309655", "361310047"),
    "v1.0.4": ("3dee05dd", "2026-01-05T10:00:00Z", "367129989", "367130342"),
    "v1.1.0": ("a60c543b", "2026-02-01T10:00:00Z", "398251159", "398251539"),
    "latest": ("12a66c84", "2026-02-01T11:00:00Z", "403511992", "403512273"),
}
_LAYER = Layer(
    "sha256:4f4fb700ef54461cfa02571ae0db9a0dc1e0cdb5577484a6d75e68dc38e8acc1",
    32,
    "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef",
)
_DIGEST = re.compile(r"[0-9a-f]{64}")


def _image(tag: str, created: str, platform: str = "linux/amd64") -> Document:
    """As the recorded images were made; that of v1.0.0 to the last byte."""
    architecture = platform.split("/")[1]
    return images.image(
        created,
        platform=platform,
        labels={"org.opencontainers.image.version": tag},
        history=[{"created": created, "created_by": f"seed {tag} {architecture}"}],
        layer=_LAYER,
    )


class _Again:
    """The recorded repositories in a model, and how recorded digests are called in it."""

    def __init__(self, mode: str) -> None:
        self.model = Model()
        self._digests: dict[str, str] = {}
        if mode.startswith(("htpasswd+acl", "htpasswd+access")):
            for name in ("public/z", "secret/x", "team-a/app"):
                self.model.push(name, "v1.0.0", images.image())
        else:
            self._demo(by="alice" if mode.startswith("htpasswd") else "")

    def translated(self, text: str) -> str:
        """*text* with the digests of recorded images replaced by those of images made anew."""
        return _DIGEST.sub(lambda found: self._digests.get(found[0], found[0]), text)

    def _demo(self, by: str) -> None:
        for tag, (digest, created, *_) in _TAGS.items():
            document = self._index(created) if tag == "v1.1.0" else _image(tag, created)
            self._rename(digest, document)
            self.model.push("demo/api", tag, document, by=by)
        self._times()
        self._attached()
        self.model.push("demo/empty", "v1", images.image())
        self.model.delete("demo/empty", "v1")
        for tag in ("-x", "a%22b", "v1.0.0+build", "x" * 129):
            self.model.push("demo/weird", tag, images.image())

    def _index(self, created: str) -> Document:
        """The recorded index, over children made anew."""
        platforms = ("linux/amd64", "linux/arm64/v8", "unknown/unknown")
        children = [_image("v1.1.0", created, platform) for platform in platforms]
        body = _recorded("manifests/get_index.json").answer.body
        recorded = [each["digest"] for each in json.loads(body)["manifests"]]
        for digest, child in zip(recorded, children, strict=True):
            self._rename(digest.removeprefix("sha256:"), child)
        translated = self.translated(body).encode()
        return Document(images.INDEX, translated, children=tuple(children))

    def _times(self) -> None:
        repository = self.model.repositories["demo/api"]
        known = repository.known
        for tag, (_, _, tagged, pushed) in _TAGS.items():
            known.tagged[tag] = nanoseconds(f"{_DAY}{tagged}Z")
            known.statistics[repository.tags[tag]].pushed = nanoseconds(f"{_DAY}{pushed}Z")
        statistics = known.statistics[repository.tags["v1.0.0"]]
        statistics.pulls = 3
        statistics.pulled = nanoseconds("2026-11-22T11:46:11.482669558Z")

    def _attached(self) -> None:
        subject = self.model.repositories["demo/api"].blobs[_digest("v1.0.0")]
        created = {"org.opencontainers.image.created": "2026-01-01T00:00:00Z"}
        kind = "application/vnd.example.sbom.v1"
        content = Blob("application/json", b'{"made": "up"}')
        sbom = images.artifact(kind, subject=subject, annotations=created, content=content)
        self._rename("8a48d732", sbom)
        self.model.push("demo/api", "", sbom)
        signature = images.cosign_signature(subject.digest)
        self.model.push("demo/api", images.cosign_tag(subject.digest), signature)

    def _rename(self, recorded: str, document: Document) -> None:
        """The recorded digest that begins with *recorded* is that of *document* from now on."""
        whole = {
            found
            for each in _ALL
            for found in _DIGEST.findall(each.answer.body)
            if found.startswith(recorded)
        }
        self._digests[whole.pop()] = document.digest.removeprefix("sha256:")


def _recorded(name: str) -> Recording:
    return next(each for each in _ALL if each.name == name)


def _digest(tag: str) -> str:
    return _image(tag, _TAGS[tag][1]).digest


def _access(mode: str) -> Access:
    users = dict.fromkeys(("alice", "bob", "carol"), "made-up")
    if mode.startswith("htpasswd+apikey"):
        return Htpasswd(users, keys={"made-up-key": "alice"})
    if mode.startswith("htpasswd+access"):
        return Htpasswd(users, rights={"team-a/*": ["bob"], "secret/*": ["alice"]})
    if mode.startswith("htpasswd+aclanon"):
        return Htpasswd(users, rights={"public/*": ["", "bob"], "secret/*": ["alice"]})
    if mode.startswith("bearer"):
        return Bearer(_REALM, {"good": _SCOPES}.get, "zotlab")
    return Anonymous()


_SCOPES = ("repository:demo/api:pull", "repository::pull")


def _headers(recording: Recording) -> dict[str, str]:
    """The recorded request's, with credentials in the places of those that were taken out."""
    headers = dict(recording.headers)
    if "Authorization" in headers:
        scheme, _, who = headers["Authorization"].partition(" ")
        bad = re.search("invalid|expired", recording.name)
        who = who.strip("<>")
        user, _, key = who.partition(":")
        login = f"{user}:{'made-up-key' if key else 'wrong' if user == 'bad' else 'made-up'}"
        basic = base64.b64encode(login.encode()).decode()
        token = "bad" if bad else "good"
        headers["Authorization"] = f"{scheme} {basic if scheme == 'Basic' else token}"
    return headers


def _asked_again(recording: Recording) -> tuple[Answer, _Again]:
    again = _Again(recording.mode)
    again.model.create("demo/empty").broken = "storage_error" in recording.name
    limited = recording.mode == "ratelimit"
    server = ZotServer(
        again.model,
        access=_access(recording.mode),
        search=recording.mode != "anon",
        cve="unscanned" if recording.mode == "anon+cve" else "off",
        rate=3 if limited else 0,
        clock=lambda: 0.0,
    )
    body = None if recording.body is None else recording.body.encode()
    with server:
        for _ in range(3 if limited else 0):
            ask(server.url, recording.method, recording.target)
        target = again.translated(recording.target)
        answer = ask(server.url, recording.method, target, _headers(recording), body)
    return answer, again


@pytest.mark.parametrize("recording", _SERVED, ids=lambda each: each.name.removesuffix(".json"))
def test_the_double_answers_as_recorded(recording: Recording) -> None:
    answer, again = _asked_again(recording)

    expected = recording.answer
    headers = {name: again.translated(value) for name, value in expected.headers.items()}
    if "content-length" not in headers:
        answer = Answer(answer.status, _without_length(answer), answer.body)
    body = again.translated(expected.body)
    assert answer.status == expected.status
    assert answer.headers == headers
    assert answer.json == Answer(expected.status, headers, body).json


def _without_length(answer: Answer) -> dict[str, str]:
    """Go leaves the length out of some answers without a body; an HTTP client cannot tell."""
    return {name: text for name, text in answer.headers.items() if name != "content-length"}


def test_only_what_is_said_is_left_out() -> None:
    names = {each.name for each in _ALL}

    assert names.issuperset(NOT_SERVED)
    assert len(_SERVED) == len(names) - len(NOT_SERVED)
    assert len(_SERVED) > 100


def test_an_image_is_rebuilt_to_the_last_byte() -> None:
    recorded = _recorded("manifests/get_tag.json").answer

    assert _image("v1.0.0", "2026-01-01T10:00:00Z").body.decode() == recorded.body
