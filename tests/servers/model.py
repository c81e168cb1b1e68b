"""What a Zot holds, in memory: repositories with their blobs and tags, and what its search knows.

Moving a tag takes its old digest away at once; the first push of a digest and the first sight of
a tag's name are remembered as Zot remembers them (`PushTimestamp`, `TaggedTimestamp`).
"""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from cmp.tags import is_signature
from tests.servers.images import INDEX, Blob, Document

_SECOND = 1_000_000_000
# 2026-01-01T00:00:00Z: where the clock of a model starts, in nanoseconds since the epoch.
_START = 1_767_225_600 * _SECOND


@dataclass
class Statistics:
    """What Zot's search keeps of a digest in one repository; times in nanoseconds."""

    pushed: int
    pushed_by: str = ""
    pulls: int = 0
    pulled: int = 0


@dataclass(frozen=True)
class Scan:
    """What a scan found in a digest, by severity as `HIGH`; nothing at all is `NONE`."""

    findings: tuple[tuple[str, str], ...] = ()  # identifier as CVE-2026-1, severity


@dataclass
class Known:
    """What Zot's search knows of one repository: its tags with their times, and statistics."""

    tags: dict[str, str] = field(default_factory=dict)
    tagged: dict[str, int] = field(default_factory=dict)
    statistics: dict[str, Statistics] = field(default_factory=dict)
    lost: bool = False  # not even that the repository exists


@dataclass
class Repository:
    """*tags* name digests; *listed* are all manifests that can be pulled, tagged or not.

    *subjects* are digests with the digests that refer to them; a *broken* one has no readable
    index.
    """

    name: str
    tags: dict[str, str] = field(default_factory=dict)
    listed: set[str] = field(default_factory=set)
    blobs: dict[str, Blob] = field(default_factory=dict)
    subjects: dict[str, list[str]] = field(default_factory=dict)
    known: Known = field(default_factory=Known)
    broken: bool = False

    def manifest(self, reference: str) -> Blob | None:
        """The manifest that the tag or digest *reference* names, if it can be pulled."""
        digest = self.tags.get(reference, reference)
        return self.blobs.get(digest) if digest in self.listed else None


class Model:
    """The repositories of a Zot. *clock* tells nanoseconds; by default each push takes a second.

    Changes may be made while a server answers from it.
    """

    def __init__(self, clock: Callable[[], int] | None = None) -> None:
        self.repositories: dict[str, Repository] = {}
        self.scans: dict[str, Scan] = {}
        self.trusted: dict[str, str] = {}
        self.lock = threading.RLock()
        self.generation = 0
        self._clock = clock or itertools.count(_START, _SECOND).__next__

    @contextlib.contextmanager
    def changing(self, name: str) -> Iterator[Repository]:
        """The repository *name*, made where it is new, to be changed while nobody reads."""
        with self.lock:
            self.generation += 1
            yield self.repositories.setdefault(name, Repository(name))

    def create(self, name: str) -> Repository:
        """The repository *name*, empty where it is new."""
        with self.changing(name) as repository:
            return repository

    def push(
        self, name: str, tag: str, document: Document, *, by: str = "", at: int | None = None
    ) -> str:
        """Push *document* to the repository *name* as *tag* ("": by digest); its digest.

        *by* is the user, *at* the time in nanoseconds since the epoch.
        """
        with self.changing(name) as repository:
            when = self._clock() if at is None else at
            _store(repository, document, when, by)
            if tag:
                previous = repository.tags.get(tag, document.digest)
                repository.tags[tag] = document.digest
                _drop(repository, previous)
                _note(repository.known, tag, document.digest, when)
            return document.digest

    def push_all(self, name: str, tags: Iterable[tuple[str, Document]]) -> None:
        """Push many tags, in order."""
        for tag, document in tags:
            self.push(name, tag, document)

    def delete(self, name: str, reference: str) -> None:
        """Delete a tag, whose digest stays, or a digest with all its tags."""
        with self.changing(name) as repository:
            digest = repository.tags.get(reference, reference)
            gone = {reference}
            if reference == digest:
                gone = {tag for tag, named in repository.tags.items() if named == digest}
                repository.listed.discard(digest)
            for tag in gone:
                del repository.tags[tag]
            _unknow(repository.known, gone)
            if digest not in repository.tags.values():
                repository.known.statistics.pop(digest, None)

    def forget(self, name: str, tags: Iterable[str] | None = None) -> None:
        """Search no longer knows *tags*, as after a restart in the middle of its first parse.

        None: it does not even know the repository.
        """
        with self.changing(name) as repository:
            repository.known.lost = tags is None
            _unknow(repository.known, list(repository.known.tags) if tags is None else tags)

    def pulled(self, name: str, digest: str) -> None:
        """The manifest *digest* was downloaded: that counts where it has statistics."""
        with self.changing(name) as repository:
            statistics = repository.known.statistics.get(digest)
            if statistics is not None:
                statistics.pulls += 1
                statistics.pulled = self._clock()

    def trust(self, digest: str, author: str) -> None:
        """The signatures of *digest* are trusted from now on, as made by *author*."""
        with self.lock:
            self.generation += 1
            self.trusted[digest] = author

    def scan(self, digest: str, *findings: tuple[str, str]) -> None:
        """Scan *digest*; *findings* as `("CVE-2026-1", "HIGH")`, none where it is clean."""
        with self.lock:
            self.generation += 1
            self.scans[digest] = Scan(findings)


def _store(repository: Repository, document: Document, when: int, by: str) -> None:
    """Take in *document* and what it refers to, as a client pushes it: children first."""
    for child in document.children:
        _store(repository, child, when, by)
    for blob in document.blobs:
        repository.blobs[blob.digest] = blob
    if document.digest not in repository.blobs and "subject" in document.content:
        subject: str = document.content["subject"]["digest"]
        repository.subjects.setdefault(subject, []).append(document.digest)
    repository.blobs[document.digest] = document
    repository.listed.add(document.digest)
    repository.known.statistics.setdefault(document.digest, Statistics(when, by))


def _note(known: Known, tag: str, digest: str, when: int) -> None:
    """Zot's search takes tags of signatures for no tags."""
    if is_signature(tag):
        return
    known.tags[tag] = digest
    known.tagged.setdefault(tag, when)


def _unknow(known: Known, tags: Iterable[str]) -> None:
    for tag in tags:
        known.tags.pop(tag, None)
        known.tagged.pop(tag, None)


def _drop(repository: Repository, digest: str) -> None:
    """Take *digest* away unless a tag or an index still names it, and what it alone named."""
    if digest in repository.tags.values() or digest in _children(repository):
        return
    document = repository.blobs[digest]
    repository.listed.discard(digest)
    if isinstance(document, Document) and document.media_type == INDEX:
        for child in document.children:
            _drop(repository, child.digest)


def _children(repository: Repository) -> set[str]:
    documents = (repository.blobs[digest] for digest in repository.listed)
    return {
        child.digest
        for document in documents
        if isinstance(document, Document)
        for child in document.children
    }
