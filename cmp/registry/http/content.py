"""What lies in one repository of a registry over HTTP: manifests, configs and referrers.

A tag is resolved by HEAD, and what it names is then asked for by digest. On Zot that is asked for
as a blob: a GET of a manifest counts there as a pull, which keeps images from being retired
and is slower.

No request is conditional. Where a registry offers an ETag (CNCF distribution does, Zot does not),
`If-None-Match` could spare the body of an answer: a HEAD has none, and what has a body is asked
for by digest, once, and remembered by `cmp.registry.metadata.Describer`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

from cmp.errors import BadReplyError, NotFoundError
from cmp.registry.digest import check_digest
from cmp.registry.documents import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
)
from cmp.registry.http.api import RegistryApi
from cmp.registry.http.call import Call
from cmp.registry.http.exchange import HttpResponse
from cmp.registry.http.link import next_query
from cmp.registry.metadata import LARGEST_DOCUMENT
from cmp.registry.referrers import Referrer, read_referrers
from cmp.tags import is_tag

# All of them, always: CNCF distribution answers 404 for a manifest of a type that is not accepted.
MANIFESTS = (OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST)
# Pages of referrers: signatures, attestations and SBOMs of one image are some tens, and one page.
MOST_PAGES = 20


@dataclass(frozen=True, slots=True)
class HttpContent:
    """Answers as `cmp.registry.metadata.Content`, for the repository known as *path* to *api*.

    The registry is at *base_url*. *as_blobs* says whether manifests are asked for as blobs, which
    Zot answers. *pull_secret* is the login, as a rule writes it; "" is the registry's own.
    """

    api: RegistryApi
    base_url: str
    path: str
    pull_secret: str = ""
    as_blobs: bool = False

    async def resolve(self, tag: str) -> Descriptor:
        """The manifest that *tag* names now. Raises `RegistryError`."""
        if not is_tag(tag):  # Zot lists any name, and a path must not be made of it
            what = f"{tag!r} is no tag in the grammar of OCI"
            raise BadReplyError("RT575", what, remedy="give the image another tag")
        call = self._call("HEAD", f"manifests/{tag}", MANIFESTS)
        response = await self.api.call(call)
        _check(response, f"tag {tag}")
        digest = response.header("docker-content-digest")
        if not digest:
            response = await self.api.call(replace(call, method="GET"))
            _check(response, f"tag {tag}")
            digest = f"sha256:{hashlib.sha256(response.body).hexdigest()}"
        check_digest(digest)
        return Descriptor(_media_type(response), digest)

    async def manifest(self, manifest: Descriptor) -> tuple[str, bytes]:
        """The media type and the bytes of a manifest or index. Raises `RegistryError`."""
        if self.as_blobs:
            return manifest.media_type, await self.blob(manifest.digest)
        check_digest(manifest.digest)
        call = self._call("GET", f"manifests/{manifest.digest}", MANIFESTS)
        response = await self.api.call(call)
        _check(response, f"manifest {manifest.digest}")
        return _media_type(response) or manifest.media_type, response.body

    async def blob(self, digest: str) -> bytes:
        """The bytes of a blob of at most `LARGEST_DOCUMENT` bytes. Raises `RegistryError`."""
        check_digest(digest)
        response = await self.api.call(self._call("GET", f"blobs/{digest}"))
        _check(response, f"blob {digest}")
        return response.body

    async def referrers(self, digest: str) -> tuple[Referrer, ...] | None:
        """What says that it is about *digest*, as signatures do; None where that has no answer.

        OCI distribution specification 1.1, "Listing Referrers": 404 is a registry without that
        API, whose referrers stand under the tag `sha256-<hex>`. Raises `RegistryError`.
        """
        check_digest(digest)
        call = self._call("GET", f"referrers/{digest}", (OCI_INDEX,))
        found: list[Referrer] = []
        for _ in range(MOST_PAGES):
            response = await self.api.call(call)
            if response.status == 404 and not call.query:
                return None
            _check(response, f"list of referrers of {digest}")
            found += read_referrers(response.body)
            query = next_query(response, self.base_url)
            if query is None:
                return tuple(found)
            call = replace(call, query=query)
        raise BadReplyError("RT573", f"{digest} has more than {MOST_PAGES} pages of referrers")

    def _call(self, method: str, place: str, accept: tuple[str, ...] = ()) -> Call:
        return Call(
            method,
            f"/v2/{self.path}/{place}",
            repository=self.path,
            accept=accept,
            limit=LARGEST_DOCUMENT,
            pull_secret=self.pull_secret,
        )


def _check(response: HttpResponse, what: str) -> None:
    """Nothing if *response* brings *what*."""
    if response.status == 404:
        raise NotFoundError("RT576", f"there is no {what}")
    if response.status != 200:
        what = f"asked for {what}, it answered {response.status}"
        raise BadReplyError("RT577", what, remedy="check that api_url names a registry")


def _media_type(response: HttpResponse) -> str:
    return response.header("content-type").partition(";")[0].strip().lower()
