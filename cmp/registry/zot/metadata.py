"""What a Zot knows of tags: its search in one request, and the documents where search is silent.

`ZotDescriber` is to a Zot what `cmp.registry.metadata.Describer` is to any registry, with Zot's
own build times. Search is only believed about metadata. Names that it does not know are asked for
themselves; where it is off, every build time is read from the documents, with the same result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from cmp.errors import DeniedError, RegistryError
from cmp.reference import Repository
from cmp.registry.buildtime import ZotTimes
from cmp.registry.endpoint import Endpoint
from cmp.registry.http.api import RegistryApi
from cmp.registry.metadata import Content, Describer
from cmp.registry.unsearched import unanswered
from cmp.registry.zot.detect import Detector, Zot
from cmp.registry.zot.search import OFF, Answer, Search, Unusable
from cmp.registry.zot.summaries import read_tags
from cmp.tags import Fault, Needs, Tag

# Tags that search does not know and that are therefore asked for themselves, three requests each.
# After an event search is behind by a tag or two; more than these are missing while it is rebuilt.
MOST_ASKED = 200

_UNTOLD = "refuses to tell whether it is a Zot: set kind to zot or oci"
_UNKNOWN = "Zot's search does not know this tag yet"


@dataclass(frozen=True, slots=True)
class _Question:
    """Which tags are asked about, what, and by whose login."""

    repository: Repository
    content: Content
    names: Sequence[str]
    needs: Needs
    pull_secret: str


class ZotDescriber:
    """Describes tags of the registry *endpoint*, if it is a Zot.

        zots = ZotDescriber(endpoint, api, clock=monotonic)
        if (await zots.find(pull_secret)).known:
            tags = await zots.describe(repository, content, names, needs, pull_secret=pull_secret)

    One for each endpoint: it remembers, for each login, whether it is a Zot and has its search on,
    and documents by their digests. *clock* gives monotonic seconds. On a Zot, *content* should
    read manifests as `/blobs/<digest>`, which do not count as pulls.
    """

    def __init__(
        self, endpoint: Endpoint, api: RegistryApi, *, clock: Callable[[], float]
    ) -> None:
        self._name = endpoint.name
        self._detector = Detector(endpoint, api, clock=clock)
        self._search = Search(api, clock=clock)
        self._documents = Describer(times=ZotTimes())
        self._remarks: dict[str, None] = {}

    @property
    def remarks(self) -> tuple[str, ...]:
        """What people should know of this registry, each once, in the order it was found."""
        return tuple(self._remarks)

    async def find(self, pull_secret: str = "") -> Zot:
        """What it is, as the login of *pull_secret* sees it.

        Asks once at most, and nothing where `kind` says it. Raises `RegistryError`.
        """
        found = await self._detector.find(pull_secret)
        if found is Zot.DENIED:
            self._remarks[f"{self._name}: {_UNTOLD}"] = None
        return found

    async def describe(
        self,
        repository: Repository,
        content: Content,
        names: Sequence[str],
        needs: Needs,
        *,
        pull_secret: str = "",
    ) -> Mapping[str, Tag]:
        """A `Tag` for each of *names* of *repository*, whose path is the one on this registry.

        A digest alone is asked by HEAD, since search may be behind; so whoever takes the digest
        of a tag described for more should ask for it itself. Raises `RegistryError`.
        """
        if not names or not (needs.created or needs.searched):
            return await self._documents.describe(repository, content, names, needs)
        question = _Question(repository, content, names, needs, pull_secret)
        answer = await self._ask(question)
        if isinstance(answer, Unusable):
            return await self._without_search(question, answer)
        if answer.remark:
            self._remarks[f"{self._name}: {answer.remark}"] = None
        tags = _answered(question, answer)
        return {**tags, **await self._unknown(question, answer, tags)}

    async def _ask(self, question: _Question) -> Answer | Unusable:
        secret = question.pull_secret
        if await self._detector.find(secret) is Zot.SEARCHLESS:
            return Unusable(OFF)
        path = question.repository.path
        return await self._search.ask(path, question.names, question.needs, pull_secret=secret)

    async def _unknown(
        self, question: _Question, answer: Answer, known: Mapping[str, Tag]
    ) -> Mapping[str, Tag]:
        """Those of the asked names that search does not know, which may well be there."""
        names = [name for name in question.names if name not in known]
        if not names:
            return {}
        if len(names) > MOST_ASKED:
            detail = _incomplete(len(known), len(question.names), answer.message)
            return {name: _unreadable(Tag(name), detail) for name in names}
        tags = await self._opened(replace(question, names=names), digest=True)
        if not question.needs.searched:
            return tags
        return {name: tag if tag.fault else _behind(tag) for name, tag in tags.items()}

    async def _without_search(self, question: _Question, found: Unusable) -> Mapping[str, Tag]:
        """The tags as their documents tell, and that nothing tells what only search could."""
        if found.denied is not None:
            await _try_login(question, found.denied)
        if question.needs.searched:
            return unanswered(question.names, found.why)
        self._remarks[f"{self._name}: {found.why}; build times are read tag by tag"] = None
        return await self._opened(question)

    async def _opened(self, question: _Question, *, digest: bool = False) -> Mapping[str, Tag]:
        """The tags as their documents tell; with *digest* they are looked at in any case."""
        wanted = question.needs
        needs = Needs(created=wanted.created, digest=digest, platforms=wanted.platforms)
        return await self._documents.describe(
            question.repository, question.content, question.names, needs
        )


def _answered(question: _Question, answer: Answer) -> dict[str, Tag]:
    """Those of the asked names that search knows."""
    told = read_tags(answer.images, question.needs)
    tags = {name: told[name] for name in question.names if name in told}
    if not answer.no_push_times:
        return tags
    return {
        name: replace(tag, pushed=None, unanswered=answer.no_push_times)
        for name, tag in tags.items()
    }


async def _try_login(question: _Question, denied: DeniedError) -> None:
    """Nothing if one tag can be asked for; else *denied*, before each is refused as well."""
    try:
        await question.content.resolve(question.names[0])
    except DeniedError:
        raise denied from None
    except RegistryError:
        return


def _incomplete(known: int, asked: int, message: str) -> str:
    said = f" (it says: {message})" if message else ""
    return f"Zot's search knows only {known:,} of {asked:,} tags{said}; is it being rebuilt?"


def _behind(tag: Tag) -> Tag:
    """*tag*, which is there and unknown to search; a gate, which is asked first, says so too."""
    return replace(_unreadable(tag, _UNKNOWN), unanswered=_UNKNOWN)


def _unreadable(tag: Tag, detail: str) -> Tag:
    return replace(tag, fault=Fault.UNREADABLE, detail=detail)
