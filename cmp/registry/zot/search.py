"""Asking Zot's search: one GraphQL request for a repository, for the fields that are needed.

It is asked by GET, for which a token of pull scope suffices; a POST would want push scope. What
it answers never says whether something exists: a missing, a forbidden and an empty repository
look alike, and it may know only some of the tags.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from cachetools import TTLCache
from pydantic_core import from_json

from cmp.errors import BadReplyError, DeniedError, printable
from cmp.registry.http.api import Call, RegistryApi
from cmp.registry.http.exchange import HttpResponse
from cmp.registry.jsonsize import count_values
from cmp.registry.zot.detect import REMEMBERED_SECONDS, SEARCH
from cmp.tags import Needs

# 10,000 tags of one platform are 4 MB, of ten platforms with their attestations 30 MB.
LARGEST_ANSWER = 64 * 1024 * 1024
# Values in it, each some 100 bytes once read: 10,000 tags of twenty children hold 1.3 million.
MOST_VALUES = 3_000_000
# Fields that not every Zot has, the newest first, and the version that brought each.
_NEWER = {"TaggedTimestamp": "v2.1.15", "PushTimestamp": "v2.1.2"}
_LONGEST_MESSAGE = 200
# What is remembered of logins and fields for which search answers nothing.
_MOST_REMEMBERED = 1000

OFF = "Zot's search is off: set extensions.search.enable"
_TOO_OLD = "this Zot's search lacks fields that Retag asks for: update Zot"
_NO_PUSH_TIMES = f"this Zot does not tell push times: {_NEWER['PushTimestamp']} does"


@dataclass(frozen=True, slots=True)
class Answer:
    """*images* as search wrote them, unread; *message* is what it said is wrong.

    *no_push_times* is why push times that were asked for are not told; "": they are.
    """

    images: Sequence[Any]
    no_push_times: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Unusable:
    """Search answers nothing for now: *why*, and which setting would let it.

    *denied* is the refusal, where it is the login that search refuses.
    """

    why: str
    denied: DeniedError | None = None


class Search:
    """Zot's search behind *api*. *clock* gives monotonic seconds."""

    def __init__(self, api: RegistryApi, *, clock: Callable[[], float]) -> None:
        self._api = api
        self._lacking: TTLCache[str, bool] = TTLCache(len(_NEWER), REMEMBERED_SECONDS, timer=clock)
        self._unusable: TTLCache[tuple[str, str], Unusable] = TTLCache(
            _MOST_REMEMBERED, REMEMBERED_SECONDS, timer=clock
        )

    async def ask(
        self, repository: str, names: Sequence[str], needs: Needs, *, pull_secret: str = ""
    ) -> Answer | Unusable:
        """What search knows of the tags *names* of *repository*, and perhaps of others.

        Asks for less where this Zot lacks a field, and remembers that. Raises `RegistryError` for
        what passes, and `BadReplyError` for what no Zot answers.
        """
        while True:
            fields = [field for field in _fields(needs) if field not in self._lacking]
            key = pull_secret, " ".join(fields)
            if key in self._unusable:
                return self._unusable[key]
            try:
                response = await self._get(_query(repository, names, fields), pull_secret)
            except DeniedError as error:
                return Unusable(f"Zot's search refuses the login: {error.what}", error)
            if response.status == 404:
                self._unusable[key] = Unusable(OFF)
            elif response.status != 422:
                return self._answer(response, needs)
            elif newest := next((field for field in _NEWER if field in fields), ""):
                self._lacking[newest] = True
            else:
                self._unusable[key] = Unusable(_TOO_OLD)

    async def _get(self, query: str, pull_secret: str) -> HttpResponse:
        return await self._api.call(
            Call(
                "GET",
                SEARCH,
                query=f"query={quote(query, safe='')}",
                accept=("application/json",),
                limit=LARGEST_ANSWER,
                pull_secret=pull_secret,
            )
        )

    def _answer(self, response: HttpResponse, needs: Needs) -> Answer:
        if response.status != 200:
            raise _bad(f"has status {response.status}")
        data, message = _read(response.body)
        untold = needs.pushed and "PushTimestamp" in self._lacking
        return Answer(_images(data), _NO_PUSH_TIMES if untold else "", message)


def _fields(needs: Needs) -> list[str]:
    """The fields of an image that *needs* take, and those that find it.

    Where order by time, or a platform, is asked for, what is no image must be told from images.
    """
    fields = ["Tag", "Digest"]
    built = " LastUpdated" if needs.created else ""
    if needs.created:
        fields.append("LastUpdated")
    if needs.pushed:
        fields += ["PushTimestamp", "TaggedTimestamp"]
    if needs.severity:
        fields.append("Vulnerabilities{MaxSeverity}")
    if needs.trusted:
        fields.append("SignatureInfo{Tool IsTrusted Author}")
    if needs.created or needs.pushed or needs.platforms:
        fields.append(f"Manifests{{ArtifactType Platform{{Os Arch}}{built}}}")
    return fields


def _query(repository: str, names: Sequence[str], fields: Sequence[str]) -> str:
    """The GraphQL query. `ImageList` would cost the whole registry, these the repository alone.

    GraphQL reads strings as JSON does (GraphQL specification, "String Value").
    """
    wanted = " ".join(fields)
    if len(names) == 1:
        return f"{{Image(image:{json.dumps(f'{repository}:{names[0]}')}){{{wanted}}}}}"
    return f"{{ExpandedRepoInfo(repo:{json.dumps(repository)}){{Images{{{wanted}}}}}}}"


def _read(body: bytes) -> tuple[dict[str, Any], str]:
    """The data of an answer, and the first of its errors: there may be both.

    A scan that fails, or an image with a long history, is an error beside whole data.
    """
    if count_values(body) > MOST_VALUES:
        raise _bad(f"holds more than {MOST_VALUES:,} values")
    try:
        answer = from_json(body)
    except ValueError as error:
        raise _bad("is no JSON") from error
    if not isinstance(answer, dict):
        raise _bad("is no GraphQL")
    data = answer.get("data")
    return (data if isinstance(data, dict) else {}), _message(answer.get("errors"))


def _images(data: dict[str, Any]) -> Sequence[Any]:
    """The images in *data*; none for null, which is what a forbidden repository gives."""
    if "Image" in data:
        return [data["Image"]]
    repository = data.get("ExpandedRepoInfo")
    images = repository.get("Images") if isinstance(repository, dict) else None
    return images if isinstance(images, list) else []


def _message(errors: Any) -> str:
    first = errors[0] if isinstance(errors, list) and errors else None
    message = first.get("message") if isinstance(first, dict) else None
    return printable(message[:_LONGEST_MESSAGE]) if isinstance(message, str) else ""


def _bad(what: str) -> BadReplyError:
    return BadReplyError("RT580", f"the answer of Zot's search {what}")
