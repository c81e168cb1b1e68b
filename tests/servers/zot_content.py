"""How Zot answers for tags, manifests, blobs, referrers and the catalog, from a `Model`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from tests.servers.images import INDEX, Blob, compact
from tests.servers.loopback import Request, Response
from tests.servers.model import Model, Repository
from tests.servers.zot_errors import JSON, empty, listed

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
# Go's strconv.ParseInt for base 10 and 64 bits.
_NUMBER = re.compile(r"[+-]?[0-9]+")
_LARGEST = 2**63 - 1


class Content:
    """Answers from *model*; each method is one endpoint, for one repository or for all."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._sorted: dict[str, tuple[int, list[str], bytes]] = {}

    def tags(self, request: Request, name: str) -> Response:
        """Byte-sorted; *last* must exist; a Link only where more remains."""
        repository = self._repository(name)
        paging = _paging(request)
        if paging is None:
            return empty(HTTPStatus.BAD_REQUEST)
        if repository is None or repository.broken:
            return listed(HTTPStatus.NOT_FOUND, "NAME_UNKNOWN", name=name)
        limit, last = paging
        names, body = self._names(repository)
        if limit is None and not last:
            return Response(HTTPStatus.OK, JSON, body)
        if last and last not in names:
            return empty(HTTPStatus.NOT_FOUND)
        rest = names[names.index(last) + 1 :] if last else names
        page = rest if limit is None else rest[:limit]
        headers = dict(JSON)
        if page and len(page) < len(rest):
            headers["Link"] = f'</v2/{name}/tags/list?n={limit}&last={page[-1]}>; rel="next"'
        return Response(HTTPStatus.OK, headers, _tag_list(name, page))

    def manifest(self, request: Request, name: str, reference: str) -> Response:
        """Of any media type, whatever is accepted; a GET counts as a pull where search is on."""
        repository = self._repository(name)
        if repository is None and request.method == "GET":
            return listed(HTTPStatus.NOT_FOUND, "NAME_UNKNOWN", name=name)
        if repository is not None and repository.broken:
            return listed(
                HTTPStatus.INTERNAL_SERVER_ERROR, "MANIFEST_INVALID", reference=reference
            )
        found = None if repository is None else repository.manifest(reference)
        if found is None:
            return listed(HTTPStatus.NOT_FOUND, "MANIFEST_UNKNOWN", reference=reference)
        if request.method == "GET":
            self._model.pulled(name, found.digest)
        return _served(found)

    def blob(self, _: Request, name: str, digest: str) -> Response:
        """A blob, or a manifest by its digest, which is no pull."""
        if not _DIGEST.fullmatch(digest):
            return listed(HTTPStatus.BAD_REQUEST, "DIGEST_INVALID", digest=digest)
        repository = self._repository(name)
        found = None if repository is None else repository.blobs.get(digest)
        if found is None:
            return listed(HTTPStatus.NOT_FOUND, "BLOB_UNKNOWN", digest=digest)
        return _served(found)

    def referrers(self, request: Request, name: str, digest: str) -> Response:
        """An index of what names *digest* as its subject; empty where nothing is known."""
        if not _DIGEST.fullmatch(digest):
            return empty(HTTPStatus.BAD_REQUEST)
        wanted = {value for key, value in request.query if key == "artifactType"}
        repository = self._repository(name)
        found = [] if repository is None else referring(repository, digest)
        entries = [each for each in found if not wanted or each["artifactType"] in wanted]
        body = {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}
        headers = {"Content-Type": INDEX}
        if wanted:
            headers["Oci-Filters-Applied"] = "artifactType"
        return Response(HTTPStatus.OK, headers, compact(body))

    def catalog(self, request: Request, names: Sequence[str]) -> Response:
        """Of the repositories *names*; the Link comes on the last page too; junk is ignored."""
        limit, last = _paging(request) or (None, "")
        ordered = sorted(names)
        if last:
            ordered = ordered[ordered.index(last) + 1 :] if last in ordered else []
        page = ordered if limit is None else ordered[:limit]
        headers = dict(JSON)
        if page and limit is not None:
            headers["Link"] = f'</v2/_catalog?n={limit}&last={page[-1]}>; rel="next"'
        return Response(HTTPStatus.OK, headers, compact({"repositories": page}))

    def _repository(self, name: str) -> Repository | None:
        return self._model.repositories.get(name)

    def _names(self, repository: Repository) -> tuple[list[str], bytes]:
        """The sorted tags and the whole answer, kept until the model changes."""
        generation = self._model.generation
        kept = self._sorted.get(repository.name)
        if kept is None or kept[0] != generation:
            names = sorted(repository.tags, key=str.encode)
            kept = generation, names, _tag_list(repository.name, names)
            self._sorted[repository.name] = kept
        return kept[1], kept[2]


def referring(repository: Repository, digest: str) -> list[dict[str, Any]]:
    """Descriptors of the manifests in *repository* whose subject is *digest*."""
    found = (each for each in repository.subjects.get(digest, ()) if each in repository.listed)
    return [_referrer(repository.blobs[each]) for each in found]


def artifact_type(document: Blob) -> str:
    """What Zot calls the type of an artifact: stated, else the config's media type."""
    stated: str = document.content.get("artifactType", "")
    settings: str = document.content.get("config", {}).get("mediaType", "")
    return stated or settings


def _referrer(document: Blob) -> dict[str, Any]:
    described = document.descriptor(annotations=document.content.get("annotations"))
    return {**described, "artifactType": artifact_type(document)}


def _served(found: Blob) -> Response:
    headers = {"Content-Type": found.media_type, "Docker-Content-Digest": found.digest}
    return Response(HTTPStatus.OK, headers, found.body)


def _tag_list(name: str, tags: Sequence[str]) -> bytes:
    return compact({"name": name, "tags": list(tags)})


def _paging(request: Request) -> tuple[int | None, str] | None:
    """The query's `n` and `last`; None if they are not such as Zot takes."""
    limits = [value for name, value in request.query if name == "n"]
    last = [value for name, value in request.query if name == "last"]
    if len(limits) > 1 or len(last) > 1:
        return None
    if limits and not _NUMBER.fullmatch(limits[0]):
        return None
    limit = int(limits[0]) if limits else None
    if limit is not None and not 0 <= limit <= _LARGEST:
        return None
    return limit, last[0] if last else ""
