"""What lies in the files: rules, Applications and registries.conf, sorted by what they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cmp import located
from cmp.errors import Finding, Place, Severity
from cmp.located import Located, YamlError, load_documents, read_text
from cmp.rules.read import KIND, may_be_meant

_CONFIG = "registries.conf"
_LISTS = ("List", f"{KIND}List", "ApplicationList")


@dataclass(frozen=True, slots=True)
class ConfigText:
    """A registries.conf as *text*; *held_by* is the field of a ConfigMap it stands in, if it does.

    *path* is the file that holds it, *lines* are those of that file.
    """

    text: str
    path: Path
    held_by: Located | None = None
    lines: tuple[str, ...] = ()


@dataclass(slots=True)
class Contents:
    """What was found so far; *findings* are about files and documents as such."""

    rules: list[Located] = field(default_factory=list)
    applications: list[Located] = field(default_factory=list)
    configs: list[ConfigText] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How much was found, faults included."""
        ours = len(self.rules) + len(self.applications) + len(self.configs)
        return ours + len(self.findings)


def read_contents(paths: Iterable[Path], config: Path | None) -> Contents:
    """What lies in *paths*, files and folders, and in the registries.conf *config*.

    A path that holds nothing of Retag's is a finding. Raises `RuleError` where a path cannot be
    read.
    """
    contents = Contents()
    for path in paths:
        before = contents.count
        for file in files_in(path):
            _read(file, contents, is_config=file.name == _CONFIG)
        if contents.count == before:
            contents.findings.append(_nothing(path))
    if config is not None:
        _read(config, contents, is_config=True)
    return contents


def files_in(path: Path) -> list[Path]:
    """*path*, or of a folder what `--rules` would read, and its registries.conf.

    Raises `RuleError`.
    """
    return located.files_in(path, also=(_CONFIG,))


def read_stream(text: str, name: str, contents: Contents) -> None:
    """Add to *contents* what lies in *text*, which *name* is read from."""
    try:
        documents = load_documents(text, name)
    except YamlError as error:
        contents.findings.append(error.finding)
        return
    for document in documents:
        for each in _objects(document):
            _sort(each, ConfigText(text, Path(name)), contents)


def _read(path: Path, contents: Contents, *, is_config: bool) -> None:
    """Add to *contents* what lies in the file at *path*."""
    try:
        text = read_text(path)
        documents = [] if is_config else load_documents(text, str(path))
    except YamlError as error:
        contents.findings.append(error.finding)
        return
    if is_config or (documents and _is_config(documents[0])):
        contents.configs.append(ConfigText(text, path))
    elif late := next(filter(_is_config, documents), None):
        what = "registries are read from the first document of a file only"
        contents.findings.append(late.finding("RT331", what, remedy="give them a file"))
    for document in documents:
        for each in _objects(document):
            _sort(each, ConfigText(text, path), contents)


def _objects(document: Located) -> Iterator[Located]:
    """*document*, or the items of the List that it is."""
    kind, items = document.get("kind"), document.get("items")
    if kind is None or kind.value not in _LISTS:
        yield document
        return
    for item in items.items if items else []:
        yield from _objects(item)


def _sort(document: Located, file: ConfigText, contents: Contents) -> None:
    """Add *document*, which stands in *file*, to *contents*; what is not Retag's is left out."""
    kind, group = (_text_at(document, name) for name in ("kind", "apiVersion"))
    if may_be_meant(document):
        contents.rules.append(document)
    if kind == "Application" and group.startswith("argoproj.io/"):
        contents.applications.append(document)
    held = document.at("data", _CONFIG) if kind == "ConfigMap" else None
    if held is not None and isinstance(held.value, str):
        lines = file.text.replace("\r\n", "\n").split("\n")
        contents.configs.append(ConfigText(held.value, file.path, held, tuple(lines)))


def _is_config(document: Located) -> bool:
    return "registries" in document.fields and "kind" not in document.fields


def _text_at(document: Located, name: str) -> str:
    value = document.get(name)
    return value.text if value else ""


def _nothing(path: Path) -> Finding:
    return Finding(
        "RT370",
        Severity.WARNING,
        "holds no ImageUpdater, no Application and no registries",
        Place(str(path)),
        remedy="name the files that do",
    )
