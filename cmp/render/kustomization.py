"""What a kustomization refers to: kustomize itself reads no file outside the folders of
kustomizations, but takes any folder for one.

Most are read line by line, in the plain style that people write; this is no YAML parser, and
whatever else it meets, kustomize itself has to write in that style. References are refused with a
clear message and before kustomize runs. That nothing is fetched is up to the child's environment.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from cmp.errors import RenderError
from cmp.render.paths import inside, locate, read_file, shown
from cmp.render.workspace import Workspace

# Argo CD's names, in kustomize's order.
KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")

# In lower case.
_LISTS = frozenset(
    {
        "bases",
        "components",
        "configurations",
        "crds",
        "generators",
        "patchesstrategicmerge",
        "resources",
        "transformers",
        "validators",
    }
)
# The lines of the plain style. No other can hold, or hide, an item of the lists above.
_NOTHING = re.compile(r"\s*(?:#.*)?|---\s*(?:\s#.*)?")
_KEY = re.compile(r"(?P<name>\w+):(?:\s+(?P<value>[^\s#].*)?(?:#.*)?)?")
_ITEM = re.compile(
    r"(?P<start> *-) +(?P<quote>['\"]?)(?P<text>[\w./][^\s'\"#\\]*)(?P=quote) *(?: #.*)?"
)
_ONE = r" *[\w./][\w./-]* *"
_IN_ONE_LINE = re.compile(rf"\[(?P<items>{_ONE}(?:,{_ONE})*)\] *(?: #.*)?", re.ASCII)
_WITHIN = re.compile(r" .*|-(?: .*)?")
# YAML in a list instead of a reference to it, as kustomize writes it.
_INLINE = re.compile(r"^- \|.*\n(?:(?: .*)?\n)*", re.MULTILINE)
_REMOTE = re.compile(r"[\w+.:-]+://|[\w.-]+@[\w.-]+:|github\.com/|.*[?&](?:ref|version)=")
_LARGEST = 1024 * 1024  # bytes of a kustomization
_MOST = 1_000  # kustomizations looked into


def kustomization_of(folder: Path) -> Path | None:
    """The kustomization in *folder*, if there is one."""
    return next((p for name in KUSTOMIZATIONS if (p := folder / name).is_file()), None)


def check_references(workspace: Workspace, *, remote: bool) -> None:
    """See that the source, and what it builds on, refers to nothing outside the repository.

    Raises `RenderError` for the first reference that does; one to a host is right if *remote*.
    """
    seen: set[Path] = set()
    waiting = [workspace.source]
    while waiting:
        folder = waiting.pop()
        kustomization = kustomization_of(folder)
        if kustomization is None or folder in seen:
            continue
        seen.add(folder)
        if len(seen) > _MOST:
            raise RenderError("RT436", f"more than {_MOST} kustomizations build on each other")
        for where, reference in _references(kustomization, workspace):
            # As kustomize does: first the dots, then the links.
            path = Path(os.path.normpath(folder / reference))
            local = locate(workspace.reach, path, where=where)
            if local:
                waiting.append(local)
            elif _REMOTE.match(reference) and not remote:
                raise RenderError(
                    "RT440",
                    f"{reference!r} is remote, and nothing may be fetched over the network",
                    where=where,
                    remedy="put it into the repository, or let the operator allow remote bases",
                )


def _references(kustomization: Path, workspace: Workspace) -> list[tuple[str, str]]:
    """Place and text of each item of the lists that refer to files and folders."""
    name = shown(workspace.root, kustomization)
    content = read_file(inside(workspace.reach, kustomization), _LARGEST)
    try:
        plain = _items(content.decode("utf-8", "replace"))
        return [(f"{name}:{number}", text) for number, text in plain]
    except _NotPlainError:
        return [(name, text) for text in _told(content, name, workspace)]


def _told(content: bytes, name: str, workspace: Workspace) -> list[str]:
    """The same for any *content*, as kustomize itself understands it."""
    folder = workspace.private / "kustomization"
    folder.mkdir(exist_ok=True)
    copy = folder / KUSTOMIZATIONS[0]
    copy.write_bytes(content)
    try:
        # Any edit will do: it writes the whole file anew.
        workspace.run("kustomize", "edit", "set", "nameprefix", "--", "any-", cwd=folder)
        return [text for _, text in _items(_INLINE.sub("", copy.read_text(encoding="utf-8")))]
    except RenderError as error:
        error.where = name
        raise
    except _NotPlainError:
        raise RenderError(
            "RT441",
            "a file or folder with an odd name is referred to",
            where=name,
            remedy="let its name have no blanks, quotes or backslashes",
        ) from None


class _NotPlainError(Exception):
    """A line does not tell by itself what it is."""


def _items(text: str) -> list[tuple[int, str]]:
    """Line and text of each item of the lists, if *text* is plain. Raises `_NotPlainError`."""
    found: list[tuple[int, str]] = []
    key, start = "", ""  # how the items of the list begin: what is indented more continues one
    for number, line in enumerate(text.splitlines(), start=1):
        if _NOTHING.fullmatch(line):
            continue
        if opened := _KEY.fullmatch(line):
            key, start = opened["name"].casefold(), ""  # Go's JSON ignores case, so kustomize
            if key in _LISTS and opened["value"]:
                found += [(number, item) for item in _in_one_line(opened["value"])]
                key = ""  # nothing may follow that belongs to it
        elif key not in _LISTS:
            _check_within(key, line)
        else:
            item = _item(line, start)
            start = item["start"]
            found.append((number, item["text"]))
    return found


def _in_one_line(value: str) -> list[str]:
    """The items of `[a, b]`."""
    stated = _IN_ONE_LINE.fullmatch(value)
    if stated is None:
        raise _NotPlainError
    return [item.strip(" ") for item in stated["items"].split(",")]


def _check_within(key: str, line: str) -> None:
    """See that *line* belongs to the *key* above it."""
    if not key or not _WITHIN.fullmatch(line):
        raise _NotPlainError


def _item(line: str, start: str) -> re.Match[str]:
    item = _ITEM.fullmatch(line)
    if item is None or item["start"] != (start or item["start"]):
        raise _NotPlainError
    return item
