"""The `Cluster` over HTTP: an account says where and as whom, the rest is plain REST.

lightkube's own watch has neither bookmarks nor a limit to silence, so that a connection that died
without a word would be waited for for ever (docs/decisions/0016-kubernetes-client.md).
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from sidecar.kubernetes import account
from sidecar.kubernetes.account import Account
from sidecar.kubernetes.answers import read_answer, read_change, read_object, read_page
from sidecar.kubernetes.errors import OversizedError, RefusedError
from sidecar.kubernetes.exchange import Exchange, Question
from sidecar.kubernetes.kinds import Kind
from sidecar.kubernetes.port import Change, Happened, Object, Page, Patch

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")  # where kubelet mounts it

# Objects of one answer to a listing. Applications have 20 to 100 KB each: such a page is decoded
# in some 10 ms, for which everybody else waits.
PAGE = 50
TIMEOUT = 15.0  # seconds for an answer to begin, and for each piece of it
WATCHED = 240  # seconds that a watch lasts; the API server's own choice is 300 to 600
# Seconds that a watch may be silent. The API server ends it before, and sends bookmarks each
# minute, so this one is dead.
SILENCE = WATCHED + 30.0
# Bytes of one object: etcd takes 1.5 MiB by default, some 2 MiB as JSON. So much a line of a
# watch may have.
LARGEST = 2 * 1024 * 1024
# Bytes of a page, which in memory takes up to twenty times as much. Where objects are so large, of
# whoever may write them, fewer are asked for at a time.
LARGEST_PAGE = 4 * LARGEST

_JSON_PATCH = "application/json-patch+json"
_MERGE_PATCH = "application/merge-patch+json"


class Client:
    """The API server of *whose*; it waits *timeout* seconds for an answer to begin."""

    def __init__(self, whose: Account, *, timeout: float = TIMEOUT) -> None:
        self.namespace = whose.namespace
        self._exchange = Exchange(whose, timeout)

    @classmethod
    def of_kubeconfig(
        cls,
        path: Path,
        *,
        timeout: float = TIMEOUT,
        environment: Mapping[str, str] = os.environ,
    ) -> Self:
        """As *path* says. Raises `ClusterError` RT657 if that names no account.

        Proxies are those of *environment*.
        """
        return cls(account.of_kubeconfig(path, environment), timeout=timeout)

    @classmethod
    def of_account(
        cls,
        folder: Path = ACCOUNT,
        *,
        timeout: float = TIMEOUT,
        environment: Mapping[str, str] = os.environ,
    ) -> Self:
        """As the ServiceAccount whose token kubelet mounts at *folder*, and writes anew there.

        The API server and proxies are those of *environment*.
        """
        return cls(account.of_mounted(folder, environment), timeout=timeout)

    async def get(self, kind: Kind, namespace: str, name: str, /) -> Object:
        """The object, as it is now."""
        return await self._object(_question("GET", kind, namespace, name))

    async def list_pages(
        self, kind: Kind, namespace: str, /, *, labels: str = ""
    ) -> AsyncIterator[Page]:
        """All objects that have *labels*, of one moment."""
        query, limit, following = _selecting(labels), PAGE, "first"
        while following:
            query["limit"] = str(limit)
            question = _question("GET", kind, namespace, query=query)
            try:
                body = await self._exchange.body(question, LARGEST_PAGE)
            except OversizedError:
                if limit == 1:
                    raise
                limit = max(1, limit // 8)
                continue
            page, following = read_page(body, question.what)
            yield page
            query["continue"] = following
            limit = min(2 * limit, PAGE)

    async def version(self, kind: Kind, namespace: str, /) -> str:
        """That of a listing which were made now."""
        question = _question("GET", kind, namespace, query={"limit": "1"})
        page, _ = read_page(await self._exchange.body(question, LARGEST_PAGE), question.what)
        return page.version

    async def watch(
        self, kind: Kind, namespace: str, version: str, /, *, labels: str = ""
    ) -> AsyncIterator[Change]:
        """What changes from *version* on, until the API server ends it."""
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(WATCHED),
            **_selecting(labels),
        }
        question = _question("GET", kind, namespace, query=query, silence=SILENCE)
        question = replace(question, what=f"watch {kind}")
        async with aclosing(self._exchange.lines(question, LARGEST)) as lines:
            await anext(lines)  # it is open
            yield Change(Happened.BOOKMARK, {"metadata": {"resourceVersion": version}})
            async for line in lines:
                yield read_change(line, question.what)

    async def create(self, kind: Kind, namespace: str, manifest: Object, /) -> Object:
        """The object as it was made."""
        return await self._object(_question("POST", kind, namespace, body=manifest))

    async def replace(self, kind: Kind, namespace: str, manifest: Object, /) -> Object:
        """The object as it is now."""
        name = manifest["metadata"]["name"]
        return await self._object(_question("PUT", kind, namespace, name, body=manifest))

    async def patch(
        self, kind: Kind, namespace: str, name: str, patch: Patch, /, *, of: str = ""
    ) -> Object:
        """The object after *patch*."""
        form = _MERGE_PATCH if isinstance(patch, Mapping) else _JSON_PATCH
        question = _question("PATCH", kind, namespace, name, of, body=patch, form=form)
        return await self._object(question)

    async def delete(self, kind: Kind, namespace: str, name: str, /) -> None:
        """Delete the object."""
        await self._exchange.body(_question("DELETE", kind, namespace, name), LARGEST)

    async def review(self, kind: Kind, question: Object, /) -> Object:
        """*question*, of a *kind* that is answered and not kept, with the answer in its status."""
        asked = _question("POST", kind, "", body=question)
        return read_answer(await self._exchange.body(asked, LARGEST), asked.what)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._exchange.aclose()

    async def _object(self, question: Question) -> Object:
        return read_object(await self._exchange.body(question, LARGEST), question.what)


_VERBS = {
    "GET": "read",
    "POST": "create",
    "PUT": "replace",
    "PATCH": "patch",
    "DELETE": "delete",
}


def _question(method: str, kind: Kind, namespace: str, *names: str, **more: Any) -> Question:
    """To *method* all of *kind* in *namespace*, or the one of *names* (and of that a part)."""
    what = f"{_VERBS[method]} {kind}"
    base = f"/apis/{kind.group}" if kind.group else "/api"
    place = ("namespaces", namespace) if kind.is_namespaced and namespace else ()
    parts = (*place, kind.plural, *filter(None, names))
    if not all(map(_is_segment, parts)) or (names and not names[0]):
        raise RefusedError("RT656", f"cannot {what}: {'/'.join(names)!r} is no name")
    path = "/".join(quote(part, safe="", errors="replace") for part in parts)
    return Question(method, what, f"{base}/{kind.version}/{path}", **more)


def _is_segment(text: str) -> bool:
    """Whether *text* may be a part of a path, as Kubernetes has it (IsValidPathSegmentName)."""
    return text not in (".", "..") and not any(each in text for each in "/%")


def _selecting(labels: str) -> dict[str, str]:
    return {"labelSelector": labels} if labels else {}
