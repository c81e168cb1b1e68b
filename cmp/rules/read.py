"""Rules from YAML and JSON files: several documents and Lists a file, and whole directories."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from cmp.errors import Finding, Severity
from cmp.located import Located, YamlError, files_in, load_documents, read_text
from cmp.rules.resource import read_resource
from cmp.rules.ruleset import RuleSet
from cmp.rules.units import Resource

GROUP = "argocd-image-updater.argoproj.io"
VERSION = "v1alpha1"
KIND = "ImageUpdater"


@dataclass
class _Reading:
    """What was read so far."""

    resources: list[Resource] = field(default_factory=list)
    unreadable: list[Finding] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def ruleset(self) -> RuleSet:
        return RuleSet.of(self.resources, self.unreadable, self.findings, self.notes)


def read_rules(paths: Iterable[Path]) -> RuleSet:
    """The rules in *paths*: files, and the `.yaml`, `.yml` and `.json` files of directories.

    Faults of what the files hold are findings. Raises `RuleError` where a path cannot be read.
    """
    reading = _Reading()
    for path in paths:
        for file in files_in(path):
            _read_file(file, reading)
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


def _read_text(text: str, file: str, reading: _Reading) -> None:
    try:
        documents = load_documents(text, file)
    except YamlError as error:
        reading.unreadable.append(error.finding)
        return
    for document in documents:
        for each in _objects(document):
            _read_object(each, reading)


def _objects(document: Located) -> Iterator[Located]:
    """*document*, or the items of the List that it is."""
    kind = document.at("kind")
    if kind is None or kind.value not in ("List", f"{KIND}List"):
        yield document
        return
    items = document.at("items")
    for item in items.items if items else []:
        yield from _objects(item)


def _read_object(document: Located, reading: _Reading) -> None:
    kind, version = document.at("kind"), document.at("apiVersion")
    if kind is None:
        what = "this is no Kubernetes resource: it has no kind, and is ignored"
        reading.findings.append(document.finding("RT309", what, severity=Severity.WARNING))
        return
    group, _, number = version.text.partition("/") if version else ("", "", "")
    if kind.value != KIND and group == GROUP:
        what = f"{GROUP} has no kind {kind.text}: this is ignored"
        reading.findings.append(kind.finding("RT309", what, severity=Severity.WARNING))
        return
    if kind.value != KIND or group not in (GROUP, ""):
        reading.notes.append(f"{document.place}: {kind.text} is ignored")
        return
    resource = read_resource(document)
    if (group, number) != (GROUP, VERSION):
        finding = (version or document).finding("RT309", f"apiVersion is not {GROUP}/{VERSION}")
        resource = replace(resource, broken=True, findings=(finding, *resource.findings))
    reading.resources.append(resource)
