"""Asking Zot's search: one GraphQL request for a repository, for the fields that are needed.

It is asked by GET, for which a token of pull scope suffices; a POST would want push scope. What
it answers never says whether something exists: a missing, a forbidden and an empty repository
look alike, and it may know only some of the tags.
"""

from __future__ import annotations

import json
import re
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
from cmp.registry.zot.summaries import looks_inside
from cmp.tags import Needs

# 10,000 tags of one platform are 4 MB, of ten platforms with their attestations 30 MB.
LARGEST_ANSWER = 64 * 1024 * 1024
# Values in it, each some 100 bytes once read: 10,000 tags of twenty children hold 1.3 million.
MOST_VALUES = 3_000_000
# Fields that not every Zot has, the newest first, and the version that brought each.
_NEWER = {"TaggedTimestamp": "v2.1.15", "PushTimestamp": "v2.1.2"}
# What GraphQL says of a field that is not in the schema (gqlparser's `FieldsOnCorrectType`).
_NO_FIELD = re.compile(r'Cannot query field "(\w+)"', re.ASCII)
_WORD = re.compile(r"\w+")
_LONGEST_MESSAGE = 200
_MOST_MESSAGES = 20
# What is remembered of logins and fields for which search answers nothing.
_MOST_REMEMBERED = 1000

OFF = "Zot's search is off: set extensions.search.enable"
_TOO_OLD = "this Zot's search lacks fields that Retag asks for: update Zot"
_NO_PUSH_TIMES = f"this Zot does not tell push times: {_NEWER['PushTimestamp']} does"
_NO_TAG_TIMES = (
    f"this Zot, before {_NEWER['TaggedTimestamp']}, does not tell when a tag appeared: for push "
    "times and minAge a tag that returns to an older digest counts as old"
)


@dataclass(frozen=True, slots=True)
class Answer:
    """*images* as search wrote them, unread; *message* is what it said is wrong.

    *no_push_times* is why push times that were asked for are not told; "": they are. *remark* is
    what else people should know of the answer.
    """

    images: Sequence[Any]
    no_push_times: str = ""
    remark: str = ""
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
                return _answer(response, needs, fields)
            elif newer := [field for field in _unknown(response, fields) if field in _NEWER]:
                self._lacking.update(dict.fromkeys(newer, True))
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


def _answer(response: HttpResponse, needs: Needs, fields: Sequence[str]) -> Answer:
    """What search answers to the question for *fields*."""
    if response.status != 200:
        raise _bad(f"has status {response.status}")
    data, messages = _read(response.body)
    message = next(iter(messages), "")
    images = _images(data)
    if needs.pushed and "PushTimestamp" not in fields:
        return Answer(images, no_push_times=_NO_PUSH_TIMES, message=message)
    untold = needs.pushed and "TaggedTimestamp" not in fields
    return Answer(images, remark=_NO_TAG_TIMES if untold else "", message=message)


def _unknown(response: HttpResponse, fields: Sequence[str]) -> list[str]:
    """Those of the asked *fields* that a 422 says this Zot does not have.

    Only by their names: what else a proxy or a fault makes a 422 tells nothing about a Zot, and to
    ask for less would be to choose by other times.
    """
    _, messages = _read(response.body)
    named = {name for message in messages for name in _NO_FIELD.findall(message)}
    found = [field for field in fields if named.intersection(_WORD.findall(field))]
    if not found:
        said = f": {messages[0]}" if messages else ""
        raise _bad(f"has status 422{said}")
    return found


def _fields(needs: Needs) -> list[str]:
    """The fields of an image that *needs* take, and those that find it."""
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
    if looks_inside(needs):
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


def _read(body: bytes) -> tuple[dict[str, Any], list[str]]:
    """The data of an answer, and what its first errors say: there may be both.

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
    return (data if isinstance(data, dict) else {}), _messages(answer.get("errors"))


def _images(data: dict[str, Any]) -> Sequence[Any]:
    """The images in *data*; none for null, which is what a forbidden repository gives."""
    if "Image" in data:
        return [data["Image"]]
    repository = data.get("ExpandedRepoInfo")
    images = repository.get("Images") if isinstance(repository, dict) else None
    return images if isinstance(images, list) else []


def _messages(errors: Any) -> list[str]:
    """As many as there are fields to be lacking, and more."""
    listed = errors[:_MOST_MESSAGES] if isinstance(errors, list) else []
    said = [each.get("message") for each in listed if isinstance(each, dict)]
    return [printable(each[:_LONGEST_MESSAGE]) for each in said if isinstance(each, str)]


def _bad(what: str) -> BadReplyError:
    return BadReplyError("RT580", f"the answer of Zot's search {what}")
