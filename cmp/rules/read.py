"""Rules from YAML and JSON files: several documents and Lists a file, and whole directories."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from cmp.errors import Finding, Place, Severity
from cmp.located import Located, YamlError, files_in, load_documents, read_text, wrong_type
from cmp.rules.resource import read_resource
from cmp.rules.ruleset import RuleSet
from cmp.rules.units import Resource

GROUP = "argocd-image-updater.argoproj.io"
VERSION = "v1alpha1"
KIND = "ImageUpdater"
_LISTS = ("List", f"{KIND}List")


@dataclass
class _Reading:
    """What was read so far."""

    resources: list[Resource] = field(default_factory=list)
    unreadable: list[Finding] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How much may rule something."""
        return len(self.resources) + len(self.unreadable)

    def ruleset(self) -> RuleSet:
        return RuleSet.of(self.resources, self.unreadable, self.findings, self.notes)


def read_rules(paths: Iterable[Path]) -> RuleSet:
    """The rules in *paths*: files, and the `.yaml`, `.yml` and `.json` files of directories.

    Faults of what the files hold are findings, and so is a path that holds no rules. Raises
    `RuleError` where a path cannot be read.
    """
    reading = _Reading()
    for path in paths:
        before = reading.count
        for file in files_in(path):
            _read_file(file, reading)
        if reading.count == before:
            reading.findings.append(_nothing(path))
    return reading.ruleset()


def rules_in(text: str, file: str) -> RuleSet:
    """The rules in *text*; *file* names it in places."""
    reading = _Reading()
    _read_text(text, file, reading)
    return reading.ruleset()


def rules_of(documents: Iterable[Located]) -> RuleSet:
    """The rules in *documents*, none of which is a List."""
    reading = _Reading()
    for document in documents:
        _read_object(document, reading)
    return reading.ruleset()


def _read_file(file: Path, reading: _Reading) -> None:
    try:
        text = read_text(file)
    except YamlError as error:
        reading.unreadable.append(error.finding)
        return
    _read_text(text, str(file), reading)


def _nothing(path: Path) -> Finding:
    what = "holds no ImageUpdater, so it rules nothing"
    return Finding("RT370", Severity.WARNING, what, Place(str(path)))


def _read_text(text: str, file: str, reading: _Reading) -> None:
    try:
        documents = load_documents(text, file)
    except YamlError as error:
        reading.unreadable.append(error.finding)
        return
    for document in documents:
        _read_document(document, reading)


def _read_document(document: Located, reading: _Reading) -> None:
    """*document*, or the items of the List that it is."""
    if _text(document, "kind") not in _LISTS:
        _read_object(document, reading)
        return
    items = document.fields.get("items")
    if items is None:
        reading.unreadable.append(document.finding("RT305", "the field items is missing"))
    elif items.doubled:
        reading.unreadable += document.faults
    elif not isinstance(items.value, list | None):
        reading.unreadable.append(wrong_type(items, "a list"))
    else:
        for item in items.items:
            _read_document(item, reading)


def _read_object(document: Located, reading: _Reading) -> None:
    kind, version = document.get("kind"), document.get("apiVersion")
    group = _group(document)
    if document.doubles("kind") or document.doubles("apiVersion"):
        reading.unreadable += document.faults
    elif _text(document, "kind") == KIND and group in (GROUP, ""):
        reading.resources.append(_resource(document))
    elif any(map(may_be_meant, [document, *document.items])):
        place = (version if group != GROUP else kind) or document
        what = "this is no ImageUpdater, but may be meant as one"
        remedy = f"write apiVersion: {GROUP}/{VERSION} and kind: {KIND}"
        reading.unreadable.append(place.finding("RT309", what, remedy=remedy))
    elif kind is None:
        what = "this is no Kubernetes resource: it has no kind, and is ignored"
        reading.findings.append(document.finding("RT309", what, severity=Severity.WARNING))
    else:
        reading.notes.append(f"{document.place}: {kind.text} is ignored")


def _resource(document: Located) -> Resource:
    resource = read_resource(document)
    if _text(document, "apiVersion") == f"{GROUP}/{VERSION}":
        return resource
    place = document.nearest(("apiVersion",))
    finding = place.finding("RT309", f"apiVersion is not {GROUP}/{VERSION}")
    return replace(resource, broken=True, findings=(finding, *resource.findings))


def may_be_meant(document: Located) -> bool:
    """Whether *document* has a mark of an ImageUpdater; a slip may have changed the others."""
    refs = document.nearest(("spec",)).fields.get("applicationRefs")
    return _text(document, "kind") == KIND or _group(document) == GROUP or refs is not None


def _group(document: Located) -> str:
    return _text(document, "apiVersion").partition("/")[0]


def _text(document: Located, name: str) -> str:
    value = document.get(name)
    return value.text if value else ""
