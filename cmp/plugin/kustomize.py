"""A kustomization whose files are all in the plain style that people write, built at once.

While kustomize builds it, each file that it is made of is read, as `cmp.render.kustomization`
does, but less is understood. What kustomize built is used only if all was understood and stays in
the repository. kustomize itself reaches no network and writes nothing (`child`).
"""

from __future__ import annotations

import posix
from _stat import S_ISDIR, S_ISLNK, S_ISREG

from cmp.plugin import child

_COMMAND = ("kustomize", "build", "--load-restrictor=LoadRestrictionsRootOnly", "--", ".")
PERMISSIONS = (b"RETAG_ALLOW_REMOTE_BASES", b"RETAG_ALLOW_EXEC", b"RETAG_ALLOW_KUSTOMIZE_HELM")
_KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_LISTS = frozenset(
    (
        "bases",
        "components",
        "configurations",
        "crds",
        "generators",
        "patchesstrategicmerge",
        "resources",
        "transformers",
        "validators",
    )
)
_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")
_OF_A_PATH = _LETTERS | frozenset("./-")
_PRINTABLE = frozenset(map(chr, range(0x20, 0x7F)))
_LARGEST = 64 * 1024  # bytes of a kustomization
_MOST = 200  # kustomizations


def render(environment: dict[bytes, bytes]) -> bytes | None:
    """What kustomize makes of the working folder; None if `cmp.render` has to look at it."""
    if any(environment.get(name, b"") not in {b"", b"false"} for name in PERMISSIONS):
        return None
    here = posix.getcwd()
    root = root_of(
        here, environment.get(b"ARGOCD_APP_SOURCE_PATH", b"").decode("utf-8", "replace")
    )
    program = child.find("kustomize", environment)
    if root is None or program is None:
        return None
    with child.Child(program, _COMMAND, environment) as kustomize:
        return kustomize.output() if is_plain(here, root) else None


def root_of(here: str, path: str) -> str | None:
    """The repository's root, as `cmp.request.split_source` finds it; None for an odd *path*."""
    parts = path.split("/") if path not in {"", "."} else []
    if any(part in {"", ".", ".."} for part in parts):
        return None
    for part in reversed(parts):
        parent, _, name = here.rpartition("/")
        if name != part:
            break
        if not parent:
            return None
        here = parent
    return here


def is_plain(source: str, root: str) -> bool:
    """Whether all that *source* is built of is plain, and lies in *root*; both are real paths.

    Raises `OSError` for what cannot be read or is not there.
    """
    seen: set[str] = set()
    waiting = [source]
    while waiting:
        folder = waiting.pop()
        if folder in seen:
            continue
        seen.add(folder)
        text = _kustomization(folder)
        references = None if text is None else _references(text)
        if references is None or len(seen) > _MOST:
            return False
        for reference in references:
            path = _resolve(folder, reference, root)
            if path is None:
                return False
            if path.endswith("/"):
                waiting.append(path[:-1])
    return True


def _kustomization(folder: str) -> str | None:
    """The text of the kustomization in *folder*, if that is a plain file of plain characters."""
    for name in _KUSTOMIZATIONS:
        path = f"{folder}/{name}"
        try:
            status = posix.lstat(path)
        except FileNotFoundError:
            continue
        if not S_ISREG(status.st_mode) or status.st_size > _LARGEST:
            return None
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123  # pathlib takes longer
            text = file.readall().decode("latin-1")
        return text if _PRINTABLE.issuperset(text.replace("\n", "")) else None
    return None


def _references(text: str) -> list[str] | None:
    """What stands in the lists that refer to files and folders; None if that is not plain.

    It understands some of what `cmp.render.kustomization` does, and nothing else.
    """
    found: list[str] = []
    key, indent = "", -1
    for line in filter(_is_something, text.split("\n")):
        stripped = line.lstrip(" ")
        name, colon, rest = line.partition(":")
        if colon and name and _LETTERS.issuperset(name) and rest[:1] in {"", " "}:
            key, indent = name.lower(), -1
            if key in _LISTS and (stated := rest.strip(" ")):
                items = _in_one_line(stated)
                if items is None:
                    return None
                found += items
                key = ""  # nothing may follow that belongs to it
        elif key in _LISTS:
            start = len(line) - len(stripped)
            path = stripped[2:].strip(" ")
            if not stripped.startswith("- ") or indent not in {-1, start} or not _is_path(path):
                return None
            indent = start
            found.append(path)
        elif not key or not (line[0] == " " or line == "-" or line.startswith("- ")):
            return None
    return found


def _is_something(line: str) -> bool:
    return line.lstrip(" ")[:1] not in {"", "#"} and line != "---"


def _in_one_line(stated: str) -> list[str] | None:
    """The items of `[a, b]`; None if it is anything else, or holds anything but plain paths."""
    if stated[0] != "[" or stated[-1] != "]":
        return None
    items = [item.strip(" ") for item in stated[1:-1].split(",")]
    return items if all(map(_is_path, items)) else None


def _is_path(text: str) -> bool:
    return bool(text) and text[0] not in "/-" and _OF_A_PATH.issuperset(text)


def _resolve(folder: str, reference: str, root: str) -> str | None:
    """The file or folder, the latter with a `/` behind it, that is referred to.

    None if it is not in *root*, or reached by a link, or not there.
    """
    path = folder
    for part in reference.split("/"):
        if part == "..":
            path = path.rpartition("/")[0]
        elif part not in {"", "."}:
            path = f"{path}/{part}"
    if path != root and not path.startswith(f"{root}/"):
        return None
    return _kind(path, root)


def _kind(path: str, root: str) -> str | None:
    """*path*, with a `/` behind a folder; None if there is a link in it below *root*."""
    if path == root:
        return f"{path}/"
    below = path[len(root) + 1 :].split("/")
    here = root
    mode = 0
    for part in below:
        here = f"{here}/{part}"
        mode = posix.lstat(here).st_mode
        if S_ISLNK(mode):
            return None
    if S_ISDIR(mode):
        return f"{path}/"
    return path if S_ISREG(mode) else None
