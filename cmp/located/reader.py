"""YAML text to `Located` documents, within limits and without constructing anything.

Read as YAML 1.1, because kubectl, Argo CD and the Image Updater do (`insecure: yes` is true), by
ruamel.yaml's pure reader up to its nodes and no further. Two scalars are read as those Go programs
do, and YAML 1.1 does not: a date and `12:30` (a number to base 60) are text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer, MaxDepthExceededError
from ruamel.yaml.error import MarkedYAMLError, StringMark, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode

from cmp.errors import Finding, Place, RuleError, Severity
from cmp.located.tree import Located, Path, Scalar, path_text

# A ConfigMap, the largest thing these files come from, holds 1 MiB.
LONGEST_TEXT = 1024 * 1024
# Two seconds of ruamel's pure reader; 2,000 images with all their settings. Counted again
# wherever an alias stands, so that a few lines of aliases cannot become gigabytes.
MOST_NODES = 50_000
# The ImageUpdater schema is 12 deep; Python's own stack allows about 300 levels of ruamel's.
DEEPEST = 100
# Longer numbers are nobody's, and Python takes quadratic time to read them.
_LONGEST_NUMBER = 40

_TAG = "tag:yaml.org,2002:"
_TRUE = frozenset({"y", "yes", "true", "on"})  # YAML 1.1, in any of its letter cases
# What ruamel quotes; it may be a password that begins with `*` or `!`.
_NAMED = re.compile(r"(undefined (?:alias|tag handle)).*", re.DOTALL)
_DIRECTIVE = re.compile(r"^\ufeff?%YAML", re.MULTILINE)


class YamlError(RuleError):
    """The file as a whole cannot be read: not YAML, or larger than any honest one."""

    def __init__(self, code: str, what: str, place: Place) -> None:
        super().__init__(code, what, where=str(place))
        self.finding = Finding(code, Severity.ERROR, what, place)


def load_documents(text: str, file: str) -> list[Located]:
    """The documents of *text*; *file* names it in places. Raises `YamlError`.

    Empty documents are left out. Duplicate and non-string keys are faults of their mapping; a
    duplicate key has no value.
    """
    if len(text) > LONGEST_TEXT:
        raise YamlError("RT301", f"longer than {LONGEST_TEXT} characters", Place(file))
    if directive := _DIRECTIVE.search(text):
        # ruamel would change to other rules for booleans; the Go programs ignore the line.
        line = text.count("\n", 0, directive.start()) + 1
        raise YamlError("RT300", "a %YAML line is not supported", Place(file, line, 1))
    builder = _Builder(file)
    try:
        documents = [builder.build(node, ()) for node in _compose(text)]
    except YAMLError as error:
        raise _located_error(error, file) from error
    return [document for document in documents if document.value is not None]


class _TooMuchError(MarkedYAMLError):
    """More values, or deeper ones, than any honest file has."""


class _Composer(Composer):
    """ruamel's, with a limit on the number of nodes."""

    def __init__(self, loader: Any = None) -> None:
        super().__init__(loader)
        self.warn_double_anchors = False  # an anchor may be set anew: YAML 1.1, 3.2.2.2
        self.nodes = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self.nodes += 1
        if self.nodes > MOST_NODES:
            mark = self.parser.peek_event().start_mark
            raise _error(_TooMuchError, f"more than {MOST_NODES} values", mark)
        return super().compose_node(parent, index)


def _compose(text: str) -> Iterator[Node]:
    yaml = YAML(typ="safe", pure=True)
    yaml.version = (1, 1)
    yaml.max_depth = DEEPEST
    yaml.Composer = _Composer
    nodes: Iterator[Node] = yaml.compose_all(text)
    return nodes


class _Builder:
    """Nodes to `Located`. Aliases are copied, and counted, so that each value has its own path."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.built = 0

    def build(self, node: Node, path: Path, key: Place | None = None) -> Located:
        self.built += 1
        if self.built > MOST_NODES or len(path) > DEEPEST:  # an alias within its anchor never ends
            raise _error(_TooMuchError, "aliases unfold to too many values", node.start_mark)
        place = _place(self.file, node.start_mark)
        if isinstance(node, ScalarNode):
            value = _scalar(node)
            return Located(
                value, place, path, value if isinstance(value, str) else node.value, key
            )
        if isinstance(node, MappingNode):
            _check_tag(node, "map")
            fields, faults = self._mapping(node, path)
            return Located(fields, place, path, key=key, faults=faults)
        _check_tag(node, "seq")
        items = [self.build(child, (*path, index)) for index, child in enumerate(node.value)]
        return Located(items, place, path, key=key)

    def _mapping(
        self, node: MappingNode, path: Path
    ) -> tuple[dict[str, Located], tuple[Finding, ...]]:
        fields: dict[str, Located] = {}
        merged: dict[str, Located] = {}
        faults: list[Finding] = []
        for key_node, value_node in node.value:
            if key_node.tag == _TAG + "merge":
                found, more = self._merge(value_node, (*path, "<<"))
                merged = found | merged
                faults += more
                continue
            name = _key(key_node)
            place = _place(self.file, key_node.start_mark)
            faults += _key_faults(key_node, name, (*path, name), place, fields.get(name))
            value = self.build(value_node, (*path, name), place)
            if name in fields:
                value = Located(None, place, value.path, key=place, doubled=True)
            fields[name] = value
        return {**merged, **fields}, tuple(faults)

    def _merge(self, node: Node, path: Path) -> tuple[dict[str, Located], tuple[Finding, ...]]:
        """What `<<` brings in: of several mappings the earlier wins (yaml.org/type/merge)."""
        sources = [node] if isinstance(node, MappingNode) else node.value
        merged: dict[str, Located] = {}
        faults: tuple[Finding, ...] = ()
        for source in sources:
            if not isinstance(source, MappingNode):
                raise _error(
                    MarkedYAMLError, "<< needs a mapping or a list of them", node.start_mark
                )
            built = self.build(source, path)
            merged = built.fields | merged
            faults += built.faults
        return merged, faults


def _key(node: Node) -> str:
    if not isinstance(node, ScalarNode):
        raise _error(MarkedYAMLError, "a key must be text", node.start_mark)
    value = _scalar(node)
    return value if isinstance(value, str) else str(node.value)


def _key_faults(
    node: ScalarNode, name: str, path: Path, place: Place, earlier: Located | None
) -> Iterator[Finding]:
    if earlier is not None and earlier.key is not None:
        what = f"the key stands twice, here and in line {earlier.key.line}"
        yield Finding("RT302", Severity.ERROR, what, place, path_text(path))
    if not isinstance(_scalar(node), str):
        what = f'a key must be text: quote it ("{name}")'
        yield Finding("RT303", Severity.ERROR, what, place, path_text(path))


def _scalar(node: ScalarNode) -> Scalar:
    text: str = node.value
    kind = str(node.tag).removeprefix(_TAG)
    match kind:
        case "null":
            return None
        case "bool":
            return text.lower() in _TRUE
        case "int" | "float":
            return _number(text, kind)
        case "str" | "timestamp" | "value" | "merge":
            return _joined(node)
    raise _tag_error(node)


def _number(text: str, kind: str) -> Scalar:
    """YAML 1.1's number, or *text* where it only looks like one."""
    digits = text.replace("_", "").lower()
    if len(text) > _LONGEST_NUMBER or ":" in text:
        return text
    try:
        if kind == "float":
            return float(digits.replace(".inf", "inf").replace(".nan", "nan"))
        octal = re.fullmatch(r"[-+]?0[0-7]+", digits)
        return int(digits, 8 if octal else 0)
    except ValueError:
        return text


def _joined(node: ScalarNode) -> str:
    r"""The scalar's text, where JSON's `\ud83d\ude00` is one character."""
    text: str = node.value
    try:
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError as error:
        raise _error(MarkedYAMLError, "half of a surrogate pair", node.start_mark) from error


def _check_tag(node: Node, kind: str) -> None:
    if node.tag != _TAG + kind:
        raise _tag_error(node)


def _tag_error(node: Node) -> MarkedYAMLError:
    # Not which one: it may be a password that begins so.
    what = "a tag is not allowed here: put text that begins with ! in quotes"
    return _error(MarkedYAMLError, what, node.start_mark)


def _error(kind: type[MarkedYAMLError], problem: str, mark: StringMark) -> MarkedYAMLError:
    return kind(problem=problem, problem_mark=mark)


def _place(file: str, mark: StringMark | None) -> Place:
    return Place(file, mark.line + 1, mark.column + 1) if mark else Place(file)


def _located_error(error: YAMLError, file: str) -> YamlError:
    """*error* in our words, with its place."""
    if isinstance(error, MaxDepthExceededError):
        what = f"nested deeper than {DEEPEST} levels"
        return YamlError("RT301", what, _place(file, error.problem_mark))
    if isinstance(error, MarkedYAMLError):
        what = ", ".join(part for part in (error.context, error.problem) if part)
        what = _NAMED.sub(r"\1: put text that begins with * or ! in quotes", what)
        code = "RT301" if isinstance(error, _TooMuchError) else "RT300"
        return YamlError(code, what, _place(file, error.problem_mark or error.context_mark))
    return YamlError("RT300", str(error).partition("\n")[0], Place(file))
