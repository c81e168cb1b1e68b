"""A Zot without a network: an `Exchange` that answers from documents, and counts."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cmp.errors import RegistryError
from cmp.reference import Repository
from cmp.registry.endpoint import Endpoint, Kind
from cmp.registry.http.api import RegistryApi
from cmp.registry.http.content import HttpContent
from cmp.registry.http.exchange import HttpRequest, HttpResponse
from cmp.registry.logins import Logins
from cmp.registry.secrets import NoSecrets
from cmp.registry.zot.metadata import ZotDescriber
from cmp.tags import Needs, Tag
from tests.registry.zot.model import summary
from tests.registry.zot.repositories import all_of, dump
from tests.servers.images import Document

REPOSITORY = Repository("registry.example.com", "demo/app")
NOT_FOUND = HttpResponse(404, body=b"404 page not found\n")
NO_METADATA = "repo metadata not found for given repo name"
_SEARCHING = {"name": "_zot", "endpoints": ["/v2/_zot/ext/search", "/v2/_zot/ext/mgmt"]}

Reply = HttpResponse | RegistryError


def answer(document: Any, status: int = 200) -> HttpResponse:
    """A response of JSON."""
    return HttpResponse(status, body=document if isinstance(document, bytes) else dump(document))


class FakeZot:
    """Holds *tags*; its search knows *known* of them (all, if None) and no field of *lacking*.

    *instead* are replies by what is asked (`discover`, `search`, `HEAD`, `blob`), which come
    before all others; *fields* says more of a tag than its documents do.
    """

    def __init__(
        self,
        tags: Mapping[str, Document],
        *,
        search: bool = True,
        known: Sequence[str] | None = None,
    ) -> None:
        self.tags = dict(tags)
        self.search = search
        self.known = list(tags) if known is None else known
        self.lacking: set[str] = set()
        self.instead: dict[str, Reply] = {}
        self.fields: dict[str, dict[str, object]] = {}
        self.errors: list[dict[str, str]] = []
        self.asked: Counter[str] = Counter()
        self.queries: list[str] = []

    async def __call__(self, request: HttpRequest, /, *, seconds: float) -> HttpResponse:
        """What a Zot answers."""
        assert seconds > 0
        await asyncio.sleep(0)
        url = urlsplit(request.url)
        what = _what(request.method, url.path)
        self.asked[what] += 1
        if what == "search":
            self.queries.append(parse_qs(url.query)["query"][0])
        reply = self.instead.get(what) or self._reply(what, url.path)
        if isinstance(reply, RegistryError):
            raise reply
        return reply

    def _reply(self, what: str, path: str) -> HttpResponse:
        last = path.rpartition("/")[2]
        if what == "discover":
            return answer({"extensions": [_SEARCHING] if self.search else []})
        if what == "search":
            return self._found(self.queries[-1]) if self.search else NOT_FOUND
        if what == "HEAD":
            return self._head(last)
        blobs = {key: body for tag in self.tags.values() for key, body in all_of(tag).items()}
        return HttpResponse(200, body=blobs[last]) if last in blobs else NOT_FOUND

    def _head(self, name: str) -> HttpResponse:
        if name not in self.tags:
            return NOT_FOUND
        document = self.tags[name]
        headers = {"docker-content-digest": document.digest, "content-type": document.media_type}
        return HttpResponse(200, tuple(headers.items()))

    def _found(self, query: str) -> HttpResponse:
        asked = re.fullmatch(r'\{(\w+)\(\w+:"([^"]*)"\)(.*)\}', query)
        assert asked is not None, query
        words = iter(re.findall(r"\w+|[{}]", asked[3]))
        assert next(words) == "{"
        selection = _selection(words)
        if unknown := self.lacking & set(re.findall(r"\w+", query)):
            messages = [f'Cannot query field "{each}" on type "ImageSummary".' for each in unknown]
            errors = [{"message": message} for message in messages]
            return answer({"errors": errors, "data": None}, 422)
        if asked[1] == "Image":
            return self._image(asked[2], selection)
        assert asked[2] == REPOSITORY.path
        if not self.known:
            return answer({"errors": [{"message": NO_METADATA}], "data": None})
        images = [self._summary(name) for name in reversed(self.known)]
        found = _project({"Images": images}, selection)
        return answer({"data": {"ExpandedRepoInfo": found}, "errors": self.errors})

    def _image(self, image: str, selection: dict[str, Any]) -> HttpResponse:
        repository, _, name = image.partition(":")
        assert repository == REPOSITORY.path
        if name not in self.known:
            message = f"can't find image: {image}"
            return answer({"errors": [{"message": message}], "data": None})
        return answer({"data": {"Image": _project(self._summary(name), selection)}})

    def _summary(self, name: str) -> dict[str, Any]:
        return summary(name, self.tags[name], **self.fields.get(name, {}))


def _what(method: str, path: str) -> str:
    if path == "/v2/_oci/ext/discover":
        return "discover"
    if path == "/v2/_zot/ext/search":
        return "search"
    kind = path.removeprefix(f"/v2/{REPOSITORY.path}/").partition("/")[0]
    assert (method, kind) in {("HEAD", "manifests"), ("GET", "blobs")}, (method, path)
    return "HEAD" if method == "HEAD" else "blob"


def _selection(words: Iterator[str]) -> dict[str, Any]:
    """The fields up to the closing brace, and what is asked of each."""
    fields: dict[str, Any] = {}
    last = ""
    for word in words:
        if word == "}":
            break
        if word == "{":
            fields[last] = _selection(words)
        else:
            last = word
            fields[last] = {}
    return fields


def _project(found: Any, selection: dict[str, Any]) -> Any:
    """*found* with the fields of *selection* alone, as GraphQL gives it."""
    if isinstance(found, list):
        return [_project(each, selection) for each in found]
    if not isinstance(found, dict) or not selection:
        return found
    return {field: _project(found[field], below) for field, below in selection.items()}


def endpoint(kind: Kind = Kind.UNKNOWN) -> Endpoint:
    """The registry registry.example.com."""
    url = "https://registry.example.com"
    return Endpoint(name="example", prefix="registry.example.com", api_url=url, kind=kind)


def api_of(zot: FakeZot, kind: Kind = Kind.UNKNOWN) -> RegistryApi:
    """What asks *zot*, without waiting."""
    logins = Logins(NoSecrets(), environment={}, clock=lambda: 0.0)
    return RegistryApi(
        endpoint(kind), zot, logins, clock=lambda: 0.0, sleep=_no_time, jitter=lambda: 0.0
    )


class Asking:
    """A `ZotDescriber` of *zot*; *clock* can be set forward."""

    def __init__(self, zot: FakeZot, kind: Kind = Kind.UNKNOWN) -> None:
        self.now = 0.0
        self.api = api_of(zot, kind)
        self.zots = ZotDescriber(endpoint(kind), self.api, clock=lambda: self.now)

    def describe(
        self, names: Sequence[str], needs: Needs, pull_secret: str = ""
    ) -> Mapping[str, Tag]:
        """A tag for each of *names*."""
        content = HttpContent(
            self.api, "https://registry.example.com", REPOSITORY.path, as_blobs=True
        )
        return asyncio.run(
            self.zots.describe(REPOSITORY, content, names, needs, pull_secret=pull_secret)
        )

    def is_zot(self, pull_secret: str = "") -> bool:
        """Whether it is one."""
        return asyncio.run(self.zots.find(pull_secret)).known


async def _no_time(_seconds: float) -> None:
    await asyncio.sleep(0)
