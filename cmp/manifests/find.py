"""Finds the image fields of a stream."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from yaml.events import ScalarEvent

from cmp.errors import ManifestError
from cmp.manifests import scalars
from cmp.manifests.document import Document
from cmp.manifests.fields import ImageField
from cmp.manifests.grammar import Grammar
from cmp.manifests.images import Images, Use, path_of
from cmp.manifests.nodes import Scalar
from cmp.manifests.sites import Location, Site
from cmp.manifests.spelling import Spelling
from cmp.manifests.stream import MAX_BYTES, Splitter
from cmp.manifests.text import Part, begin
from cmp.reference import InvalidReferenceError, Reference, Repository

# A host and a name of 255 characters, a tag of 128, a digest of 135.
_LONGEST_REFERENCE = 1024
_BLOCKS = frozenset("|>")


def find_images(
    stream: bytes, repositories: Collection[Repository], fields: Sequence[ImageField] = ()
) -> list[Site]:
    """The image fields of *stream* that name one of *repositories*, in the order of the text.

    An image is looked for in every list of containers and in image volumes of any kind, and in
    *fields*. Text that is no legal reference (`app:${TAG}`) is no image. Raises `ManifestError`
    where an image cannot be rewritten, or stands in text that Argo CD would refuse or drop.
    """
    if len(stream) > MAX_BYTES:
        raise ManifestError(
            "RT400",
            f"the manifests exceed {MAX_BYTES:,} bytes, Argo CD's limit",
            remedy="split the Application",
        )
    finder = _Finder(stream, repositories, fields)
    if not finder.spelling.may_stand_anywhere(stream):
        return []
    return [
        site
        for part in Splitter(stream)
        if finder.spelling.may_stand_in(stream, part.start, part.end)
        for site in finder.sites(part)
    ]


class _Finder:
    """Finds the images of *repositories* in single documents of *stream*."""

    def __init__(
        self, stream: bytes, repositories: Collection[Repository], fields: Sequence[ImageField]
    ) -> None:
        self._stream = stream
        self._repositories = frozenset(repositories)
        self.spelling = Spelling(repositories)
        self._grammar = Grammar(field.pattern for field in fields)
        self._references: dict[str, Reference | None] = {}  # a stream names few images, often

    def sites(self, part: Part) -> Iterator[Site]:
        """The images of *part*."""
        document = Document(self._stream, part, self._grammar.last_keys)
        images = Images(document.content.root, self._grammar)
        for scalar in document.content.scalars:
            image = self._ruled(scalar)
            if image and (use := images.use(scalar)) is not Use.OTHER:
                place = _place(document, images, scalar)
                if use is Use.MIXED:
                    raise _shared(image, place)
                yield _site(document, scalar, image, place)
        self._check_end(document, part)

    def _ruled(self, scalar: Scalar) -> Reference | None:
        event = scalar.event
        text = scalars.string_of(event)
        if text and event.style in _BLOCKS:
            text = text.strip()  # a block mostly ends with a line break, which is an error below
        if text is None or len(text) > _LONGEST_REFERENCE:
            return None
        if text not in self._references:
            self._references[text] = self._parsed(text)
        return self._references[text]

    def _parsed(self, text: str) -> Reference | None:
        try:
            image = Reference.parse(text)
        except InvalidReferenceError:
            return None
        return image if image.repository in self._repositories else None

    def _check_end(self, document: Document, part: Part) -> None:
        dropped = document.text.dropped(document.content.end)
        if dropped is None or not self.spelling.may_stand_in(self._stream, dropped, part.end):
            return
        raise ManifestError(
            "RT405",
            "Argo CD drops this text without a word, and a ruled image is named in it",
            where=str(document.place(dropped)),
            remedy="begin each document with a line ---",
        )


def _place(document: Document, images: Images, scalar: Scalar) -> Location:
    line = document.place(document.text.offset(begin(scalar.event)))
    thing = images.object_of(scalar)
    if thing is None:
        return replace(line, path=path_of(scalar, None))
    namespace, name = (
        thing.metadata.fact(key) if thing.metadata else "" for key in ("namespace", "name")
    )
    path = path_of(scalar, thing)
    return Location(line.document, line.line, thing.fact("kind"), namespace, name, path)


def _site(document: Document, scalar: Scalar, image: Reference, place: Location) -> Site:
    span = document.text.span(scalar.event)
    if span is None or scalars.is_binary(scalar.event):
        raise ManifestError(
            "RT406",
            f"{image} is written {_form(scalar.event)}",
            where=str(place),
            remedy="write it in one line of UTF-8",
        )
    return Site(span.start, span.end, span.quoting, image, place)


def _form(event: ScalarEvent) -> str:
    if scalars.is_binary(event):
        return "as base64"
    return "as a block" if event.style in _BLOCKS else "over several lines, or as UTF-16"


def _shared(image: Reference, place: Location) -> ManifestError:
    return ManifestError(
        "RT407",
        f"the anchor of {image} serves something else than images, too",
        where=str(place),
        remedy="write the image out in each place",
    )
