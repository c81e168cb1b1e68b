"""Which ref of a resource governs an Application, as the Image Updater selects it.

The most specific ref that matches governs alone: refs are not merged with each other. A ref that
fails is passed over for the next one that matches; if there is none, its images are disabled.
A ref of which it is unclear what it matches disables its images besides.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from cmp.errors import Finding, Place, Severity
from cmp.located import Located
from cmp.rules.annotations import (
    IMAGE_LIST,
    Annotated,
    InvalidAnnotationError,
    listed_images,
    read_annotations,
)
from cmp.rules.application import Application
from cmp.rules.labels import selector_fault, selects
from cmp.rules.merge import extensions, merge_settings
from cmp.rules.model import CommonUpdateSettings, WriteBackConfig
from cmp.rules.rule import MOST_RULES, DisabledUnit, Rule, disabled_image, rule_of
from cmp.rules.units import Image, Ref, Resource, image_name, unique_alias
from cmp.rules.writeback import write_back_fault

# The Image Updater's calculateSpecificity: an exact name beats labels, labels beat any pattern.
_EXACT, _LABELS, _REQUIREMENT = 1_000_000, 10_000, 100
_CLASS = re.compile(r"\[.*?\]")
_WILDCARD = re.compile(r"[*?\[\]]")


@dataclass(frozen=True, slots=True)
class Governing:
    """What a resource says of an Application: *ref* governs it, None if none does.

    *images* and *write_back* are the ref's or, where it uses annotations, the Application's.
    *units* are the images as rules, or as what is disabled; *unclear* is what is disabled whatever
    another ref or resource says of it.
    """

    ref: Ref | None = None
    images: tuple[Image, ...] = ()
    write_back: WriteBackConfig | None = None
    units: tuple[Rule | DisabledUnit, ...] = ()
    unclear: tuple[DisabledUnit, ...] = ()
    notes: tuple[str, ...] = ()


NOTHING = Governing()


def specificity(ref: Ref) -> int:
    """The score of *ref*: the highest that matches governs, of equal ones the first.

    A pattern that cannot be read is the least specific.
    """
    if ref.glob is None and not ref.pattern:
        return -1
    literals = re.sub(r"[*?]", "", _CLASS.sub("", ref.pattern))
    score = len(literals.encode())
    if not _WILDCARD.search(ref.pattern):
        score += _EXACT
    if ref.selector is not None:
        selector = ref.selector
        score += _LABELS
        score += _REQUIREMENT * (len(selector.match_labels) + len(selector.match_expressions))
    return score


def may_govern(resource: Resource, application: Application) -> bool:
    """Whether *resource* may say anything of *application*, as namespace and name tell."""
    if resource.namespace and application.namespace not in ("", resource.namespace):
        return False
    return resource.refs is None or any(_names(ref, application) for ref in resource.refs)


def govern(resource: Resource, application: Application) -> Governing:
    """What *resource* says of *application*."""
    # Nearly all resources are about other Applications, and each request asks them all.
    if not may_govern(resource, application):
        return NOTHING
    if resource.refs is None:
        return Governing(units=(_whole(resource, _errors(resource)),))
    notes: list[str] = []
    clear = [ref for ref in resource.refs if not ref.unclear]
    unclear = [ref for ref in resource.refs if ref.unclear]
    governing = _first(
        resource, _matching(clear, resource, application, notes), application, notes
    )
    disabled = [
        unit
        for ref in _matching(unclear, resource, application, notes)
        for unit in _disabled(ref, application, _errors(ref))
    ]
    return replace(governing, unclear=tuple(disabled), notes=tuple(notes))


def _first(
    resource: Resource, refs: Iterable[Ref], application: Application, notes: list[str]
) -> Governing:
    """What the first of *refs* says that is not passed over; *notes* gets those that are."""
    passed: list[tuple[DisabledUnit, ...]] = []
    for ref in refs:
        if ref.broken or resource.broken:
            errors = _errors(ref) or _errors(resource)
            return Governing(ref, units=_disabled(ref, application, errors))
        try:
            governing = _governing(resource, ref, application)
        except _PassedOverError as error:
            notes.append(f"ref {ref.pattern} of {resource} is passed over: {error.finding.what}")
            passed.append(_disabled(ref, application, (error.finding,)))
            continue
        if governing is not None:
            return governing
    return Governing(units=passed[0] if passed else ())


def _matching(
    refs: Iterable[Ref], resource: Resource, application: Application, notes: list[str]
) -> Iterator[Ref]:
    """Those of *refs* that match, the most specific first; *notes* gets those that may."""
    for ref in sorted(refs, key=specificity, reverse=True):
        if not _names(ref, application):
            continue
        if unknown := _unknown(ref, application):
            notes.append(f"ref {ref.pattern} of {resource} does not count: {unknown}")
        elif _fits_labels(ref, application):
            yield ref


class _PassedOverError(Exception):
    """The ref fails, for this Application or for all; the next one that matches governs."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.what)
        self.finding = finding


def _names(ref: Ref, application: Application) -> bool:
    """Whether the pattern matches; a malformed one might, as far as its literal beginning says."""
    if ref.glob is not None:
        return ref.glob.match(application.name)
    return application.name.startswith(re.split(r"[*?\[\\]", ref.pattern)[0])


def _unknown(ref: Ref, application: Application) -> str | None:
    if ref.selector is not None and application.labels is None:
        return f"it selects by labels, and those of {application} are unknown"
    if ref.use_annotations and application.annotations is None:
        return f"it uses annotations, and those of {application} are unknown"
    return None


def _fits_labels(ref: Ref, application: Application) -> bool:
    if ref.selector is None or selector_fault(ref.selector):
        return True
    return selects(ref.selector, application.labels or {})


def _governing(resource: Resource, ref: Ref, application: Application) -> Governing | None:
    """What *ref* says; None if it says nothing of this Application. Raises `_PassedOverError`."""
    if ref.failure is not None:
        raise _PassedOverError(ref.failure)
    images, write_back = ref.images or (), ref.write_back
    if ref.use_annotations:
        annotated = _annotated(application)
        if annotated is None:
            return None
        images, write_back = _annotated_images(ref, application, annotated), annotated.write_back
    units = tuple(rule_of(image, ref, resource) for image in images[: MOST_RULES + 1])
    return Governing(ref, images, write_back, units)


def _annotated(application: Application) -> Annotated | None:
    annotations = application.annotations or {}
    try:
        if not listed_images(annotations):
            return None
        annotated = read_annotations(annotations)
    except InvalidAnnotationError as error:
        raise _PassedOverError(_annotation_finding(application, str(error))) from error
    if fault := write_back_fault(annotated.write_back):
        raise _PassedOverError(_annotation_finding(application, fault))
    return annotated


def _annotation_finding(application: Application, what: str) -> Finding:
    return _list_of(application).finding("RT319", what)


def _list_of(application: Application) -> Located:
    """The list of images in the Application's annotations, as a place for findings."""
    place = Place(f"Application {application}")
    return Located(None, place, ("metadata", "annotations", IMAGE_LIST))


def _annotated_images(
    ref: Ref, application: Application, annotated: Annotated
) -> tuple[Image, ...]:
    images: list[Image] = []
    taken: dict[str, int] = {}
    for each in annotated.images:
        name = image_name(each.name)
        base = each.alias or name.repository.last_element or "image"
        image = Image(
            located=_list_of(application),
            alias=unique_alias(base, taken),
            written_alias=each.alias,
            name=name,
            settings=merge_settings(extensions(ref.settings), annotated.settings, each.settings),
            targets=each.targets,
            verification=ref.verification,
            verification_above=ref.verification_above,
        )
        images.append(replace(image, broken=image.lacks_key))
    return tuple(images)


def _disabled(
    ref: Ref, application: Application, errors: tuple[Finding, ...]
) -> tuple[DisabledUnit, ...]:
    """The images that *ref* would rule, as disabled by *errors*."""
    images = ref.images or ()
    if ref.use_annotations:
        images = _readable_images(ref, application)
    elif ref.images == () and not ref.broken:
        return ()
    units = tuple(disabled_image(each, "", errors) for each in images[: MOST_RULES + 1])
    return units or (_whole(ref, errors),)


def _readable_images(ref: Ref, application: Application) -> tuple[Image, ...]:
    try:
        listed = listed_images(application.annotations or {})
    except InvalidAnnotationError:
        return ()
    nothing = Annotated(tuple(listed), CommonUpdateSettings(), WriteBackConfig())
    return _annotated_images(ref, application, nothing)


def _whole(unit: Ref | Resource, errors: tuple[Finding, ...]) -> DisabledUnit:
    """All images of an Application, because it cannot be told which ones *unit* rules."""
    return DisabledUnit(unit.place, unit.path, frozenset(), errors[0].what, errors)


def _errors(unit: Ref | Resource) -> tuple[Finding, ...]:
    return tuple(each for each in unit.findings if each.severity is Severity.ERROR)
