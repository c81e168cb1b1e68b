"""Rules from YAML and JSON files: several documents and Lists a file, and whole directories."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from cmp.errors import Finding, Place, RuleError, Severity
from cmp.located import Located, YamlError, load_documents
from cmp.located.reader import LONGEST_TEXT
from cmp.rules.resource import read_resource
from cmp.rules.ruleset import RuleSet
from cmp.rules.units import Resource

GROUP = "argocd-image-updater.argoproj.io"
VERSION = "v1alpha1"
KIND = "ImageUpdater"
_SUFFIXES = (".yaml", ".yml", ".json")


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
        for file in _files(path):
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


def _files(path: Path) -> list[Path]:
    """*path*, or the files in it; not hidden ones, since a mounted ConfigMap has `..data`."""
    try:
        if not path.is_dir():
            return [path]
        return sorted(
            each
            for each in path.iterdir()
            if each.suffix in _SUFFIXES and not each.name.startswith(".") and each.is_file()
        )
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> RuleError:
    what = f"cannot be read: {error.strerror}"
    return RuleError("RT308", what, where=str(path), remedy="check the path")


def _read_file(file: Path, reading: _Reading) -> None:
    try:
        with file.open("rb") as opened:
            data = opened.read(LONGEST_TEXT + 1)
    except OSError as error:
        raise _unreadable(file, error) from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        place = Place(str(file))
        reading.unreadable.append(Finding("RT300", Severity.ERROR, "is not UTF-8", place))
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
