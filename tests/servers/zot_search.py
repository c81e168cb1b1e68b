"""Zot's search extension: GraphQL over what search knows, which is not what exists."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from tests.servers import graphql
from tests.servers.access import Reader
from tests.servers.graphql import FieldError, GraphQLError, Selection
from tests.servers.images import compact
from tests.servers.loopback import Request, Response
from tests.servers.model import Model, Repository
from tests.servers.summaries import Summary, summarise
from tests.servers.times import timestamp
from tests.servers.zot_errors import JSON, NO_SNIFF, TEXT

# Fields of ImageSummary that Zots before v2.1.2, v2.1.15 and v2.1.16 do not have yet.
BEFORE_2_1_2 = frozenset({"PushTimestamp", "LastPullTimestamp", "TaggedTimestamp", "PushedBy"})
BEFORE_2_1_15 = frozenset({"TaggedTimestamp", "PushedBy"})
BEFORE_2_1_16 = frozenset({"PushedBy"})

# Go's HTTP server sends what is longer than its buffer in chunks.
_LONGEST_IN_ONE = 2048
_SUMMARY = "ImageSummary"


def _leaves(*names: str) -> dict[str, str]:
    return dict.fromkeys(names, "")


_SCHEMA: dict[str, dict[str, str]] = {
    "Query": {
        "ExpandedRepoInfo": "RepoInfo",
        "Image": _SUMMARY,
        "ImageList": "PaginatedImagesResult",
        "GlobalSearch": "GlobalSearchResult",
        "CVEListForImage": "CVEResultForImage",
    },
    "RepoInfo": {"Images": _SUMMARY, "Summary": "RepoSummary"},
    "PaginatedImagesResult": {"Page": "PageInfo", "Results": _SUMMARY},
    "GlobalSearchResult": {"Page": "PageInfo", "Images": _SUMMARY},
    "CVEResultForImage": {"CVEList": "CVE", **_leaves("Tag")},
    "CVE": _leaves("Id", "Severity"),
    "PageInfo": _leaves("TotalCount", "ItemCount"),
    "Platform": _leaves("Os", "Arch"),
    "RepoSummary": {
        "Platforms": "Platform",
        "NewestImage": _SUMMARY,
        **_leaves("Name", "LastUpdated"),
    },
    _SUMMARY: {
        "Manifests": "ManifestSummary",
        "SignatureInfo": "SignatureSummary",
        "Vulnerabilities": "ImageVulnerabilitySummary",
        "Referrers": "Referrer",
        **_leaves("RepoName", "Tag", "Digest", "MediaType", "Size", "DownloadCount", "IsSigned"),
        **_leaves("LastUpdated", "ArtifactType", *BEFORE_2_1_2),
    },
    "ManifestSummary": {
        "Platform": "Platform",
        "SignatureInfo": "SignatureSummary",
        "Vulnerabilities": "ImageVulnerabilitySummary",
        "Referrers": "Referrer",
        **_leaves("Digest", "ConfigDigest", "LastUpdated", "Size", "IsSigned", "DownloadCount"),
        **_leaves("ArtifactType"),
    },
    "SignatureSummary": _leaves("Tool", "IsTrusted", "Author"),
    "ImageVulnerabilitySummary": _leaves(
        "MaxSeverity",
        "Count",
        "UnknownCount",
        "LowCount",
        "MediumCount",
        "HighCount",
        "CriticalCount",
    ),
    "Referrer": {
        "Annotations": "Annotation",
        **_leaves("MediaType", "ArtifactType", "Size", "Digest"),
    },
    "Annotation": _leaves("Key", "Value"),
}
_ARGUMENTS = {
    "ExpandedRepoInfo": {"repo": "String!"},
    "Image": {"image": "String!"},
    "ImageList": {"repo": "String!", "requestedPage": "PageInput"},
    "GlobalSearch": {"query": "String!", "requestedPage": "PageInput"},
    "CVEListForImage": {"image": "String!", "requestedPage": "PageInput"},
}
_SORTS: dict[str, Callable[[Summary], Any]] = {
    "RELEVANCE": lambda each: each.fields["Tag"],
    "ALPHABETIC_ASC": lambda each: each.fields["Tag"],
    "ALPHABETIC_DSC": lambda each: [-ord(sign) for sign in each.fields["Tag"]],
    "UPDATE_TIME": lambda each: (each.built is None, -(each.built or 0)),
    "DOWNLOADS": lambda each: -each.fields["DownloadCount"],
}


class Search:
    """Answers questions of readers about *model*.

    *lacks* are fields that an older Zot does not know. *cve* is `off`, `unscanned` (on, without a
    database of vulnerabilities) or `data`.
    """

    def __init__(self, model: Model, *, lacks: Collection[str] = (), cve: str = "off") -> None:
        self._model = model
        self._cve = cve
        self._schema: dict[str, dict[str, str]] = dict(_SCHEMA)
        self._schema[_SUMMARY] = {
            name: held for name, held in _SCHEMA[_SUMMARY].items() if name not in lacks
        }
        self._generation = -1
        self._summaries: dict[str, list[Summary]] = {}
        self._answers: dict[tuple[str, str, str], bytes] = {}

    def answer(self, request: Request, reader: Reader) -> Response:
        """The answer to the question in a GET's query or a POST's body."""
        if request.method == "GET":
            return self._asked(dict(request.query), reader)
        if request.header("content-type").partition(";")[0] != "application/json":
            return _refused(HTTPStatus.BAD_REQUEST, TEXT, {"message": "transport not supported"})
        try:
            asked = dict(json.loads(request.body))
        except (TypeError, ValueError):
            text = request.body.decode(errors="replace")
            message = f"json request body could not be decoded: unexpected EOF body:{text}"
            return _refused(HTTPStatus.BAD_REQUEST, JSON, {"message": message})
        return self._asked(asked, reader)

    def _asked(self, asked: Mapping[str, Any], reader: Reader) -> Response:
        if self._generation != self._model.generation:
            self._generation = self._model.generation
            self._summaries.clear()
            self._answers.clear()
        query = asked.get("query", "")
        variables = asked.get("variables") or {}
        key = query, json.dumps(variables), reader.user
        try:
            body = self._answers.get(key) or self._answered(query, variables, reader)
        except GraphQLError as error:
            return _refused(HTTPStatus.UNPROCESSABLE_ENTITY, JSON, *error.errors)
        self._answers[key] = body
        long = len(body) > _LONGEST_IN_ONE
        return Response(HTTPStatus.OK, {**JSON, **NO_SNIFF}, body, chunked=long)

    def _answered(self, query: str, variables: Mapping[str, Any], reader: Reader) -> bytes:
        selections = graphql.parse(query)
        graphql.check(selections, self._schema, _ARGUMENTS)

        def resolve(
            selection: Selection, arguments: Mapping[str, Any]
        ) -> tuple[Any, Sequence[str]]:
            resolver = getattr(self, f"_{selection.name.lower()}")
            found: tuple[Any, Sequence[str]] = resolver(arguments, reader)
            return found

        return _escaped(graphql.answer(selections, variables, resolve))

    def _expandedrepoinfo(
        self, arguments: Mapping[str, Any], reader: Reader
    ) -> tuple[Any, Sequence[str]]:
        """Sorted by build time, newest first; nulls for what may not be read."""
        name = arguments["repo"]
        if not reader.may_read(name):
            return {"Summary": None, "Images": None}, ()
        repository = self._known(name)
        found = sorted(self._all(repository), key=_SORTS["UPDATE_TIME"])
        images = [each.fields for each in found]
        return {"Summary": _repository_summary(repository, found), "Images": images}, _texts(found)

    def _image(self, arguments: Mapping[str, Any], reader: Reader) -> tuple[Any, Sequence[str]]:
        name, separator, tag = arguments["image"].rpartition(":")
        if not separator:
            raise FieldError("no reference provided")
        if not reader.may_read(name):
            return {}, ()
        found = {each.fields["Tag"]: each for each in self._all(self._known(name))}.get(tag)
        if found is None:
            raise FieldError(f"can't find image: {name}:{tag}")
        return found.fields, found.complaints

    def _imagelist(
        self, arguments: Mapping[str, Any], reader: Reader
    ) -> tuple[Any, Sequence[str]]:
        """Of one repository, or of all ("" ); nothing where nothing is, or may be read."""
        name = arguments["repo"]
        names = [name] if name else sorted(self._model.repositories)
        repositories = (self._model.repositories.get(each) for each in names)
        readable = (each for each in repositories if each and reader.may_read(each.name))
        found = [each for repository in readable for each in self._all(repository)]
        page, results = _page(found, arguments.get("requestedPage") or {})
        return {"Page": page, "Results": results}, _texts(found)

    def _globalsearch(
        self, arguments: Mapping[str, Any], reader: Reader
    ) -> tuple[Any, Sequence[str]]:
        """Only the form `repository:prefix`; capitals are never found, as in Zot."""
        name, _, prefix = arguments["query"].lower().rpartition(":")
        repository = self._model.repositories.get(name)
        found = self._all(repository) if repository and reader.may_read(name) else []
        matching = [each for each in found if each.fields["Tag"].startswith(prefix)]
        page, images = _page(matching, arguments.get("requestedPage") or {})
        return {"Page": page, "Images": images}, _texts(matching)

    def _cvelistforimage(
        self, arguments: Mapping[str, Any], reader: Reader
    ) -> tuple[Any, Sequence[str]]:
        if self._cve != "data":
            off = self._cve == "off"
            raise FieldError("cve search is disabled" if off else "cve-db is not present")
        fields, complaints = self._image(arguments, reader)
        scan = self._model.scans.get(fields.get("Digest", ""))
        found = (
            [{"Id": name, "Severity": severity} for name, severity in scan.findings]
            if scan
            else []
        )
        return {"Tag": fields.get("Tag"), "CVEList": found}, complaints

    def _known(self, name: str) -> Repository:
        repository = self._model.repositories.get(name)
        if repository is None or repository.known.lost:
            raise FieldError("repo metadata not found for given repo name")
        return repository

    def _all(self, repository: Repository) -> list[Summary]:
        """All tags that search knows, by name."""
        found = self._summaries.get(repository.name)
        if found is None:
            scanned = self._cve == "data"
            tags = sorted(repository.known.tags, key=str.encode)
            found = [summarise(self._model, repository, tag, scanned=scanned) for tag in tags]
            self._summaries[repository.name] = found
        return found


def _page(
    found: list[Summary], asked: Mapping[str, Any]
) -> tuple[dict[str, int], list[Mapping[str, Any]]]:
    """The page asked for; a limit of 0 is everything, unless there is an offset."""
    limit, offset = asked.get("limit", 0), asked.get("offset", 0)
    order = asked.get("sortBy", "RELEVANCE")
    if limit < 0 or offset < 0:
        raise FieldError(f"pagination {'limit' if limit < 0 else 'offset'} has negative value")
    if order not in _SORTS:
        unsupported = "the pagination sort criteria is not supported"
        raise FieldError(f"sorting repos by '{order}' is not supported {unsupported}")
    ordered = sorted(found, key=_SORTS[order])
    page = ordered[offset : offset + limit] if limit or offset else ordered
    counts = {"TotalCount": len(found), "ItemCount": len(page)}
    return counts, [each.fields for each in page]


def _repository_summary(repository: Repository, found: Sequence[Summary]) -> dict[str, Any]:
    """*found* sorted by build time; platforms in the order of tags.

    For the newest image a real Zot leaves annotations of indexes out, which is not done here.
    """
    by_name = sorted(found, key=_SORTS["RELEVANCE"])
    told = [each["Platform"] for image in by_name for each in image.fields["Manifests"]]
    platforms = list({tuple(each.items()): each for each in told}.values())
    known = repository.known
    times = [known.tagged[each.fields["Tag"]] for each in found]
    times += [each.built for each in found if each.built is not None]
    return {
        "Name": repository.name,
        "Platforms": platforms,
        "NewestImage": found[0].fields if found else None,
        "LastUpdated": timestamp(max(times)) if times else None,
    }


def _texts(found: Sequence[Summary]) -> list[str]:
    return [text for each in found for text in each.complaints]


def _refused(status: int, headers: Mapping[str, str], *errors: Mapping[str, object]) -> Response:
    body = _escaped({"errors": list(errors), "data": None})
    return Response(status, {**headers, **NO_SNIFF}, body)


def _escaped(answer: object) -> bytes:
    """JSON as Go writes it, safe to stand in HTML."""
    signs = {b"<": b"\\u003c", b">": b"\\u003e", b"&": b"\\u0026"}
    body = compact(answer)
    for sign, escape in signs.items():
        body = body.replace(sign, escape)
    return body
