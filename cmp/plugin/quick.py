"""Renders the two plain cases, which are most, without importing what renders all of them.

A folder of plain YAML, and a kustomization without parameters. Whatever is not plain is left to
`cmp.render`, and what is rendered here has the very bytes that it would give.
"""

from __future__ import annotations

import posix

_NO_PARAMETERS = (b"", b"null", b"[]")
_PREFIX = b"ARGOCD_ENV_RETAG_"
_KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_MOST_ENTRIES = 2_000
_LARGEST = 16 * 1024 * 1024  # bytes of all files; beyond that, an import is not what takes time
_OF_AN_OBJECT = (b"apiVersion:", b"kind:", b"metadata:")
_NOT_PLAIN = (b"+argocd:skip-file-rendering", b"\xef\xbb\xbf")  # the second is a byte order mark

_Entries = list["posix.DirEntry[str]"]


def render(environment: dict[bytes, bytes]) -> bytes | None:
    """The manifests of the source in the working folder; None if it is not plain."""
    if environment.get(b"ARGOCD_APP_PARAMETERS", b"").strip() not in _NO_PARAMETERS or any(
        name.startswith(_PREFIX) for name in environment
    ):
        return None
    if not environment.get(b"ARGOCD_APP_NAME"):
        return None
    try:
        posix.getcwd()  # of a folder that was removed, there are no entries, and no error
        with posix.scandir(".") as found:
            entries = sorted(found, key=lambda entry: entry.name)
        if len(entries) > _MOST_ENTRIES:
            return None
        return _render(entries, environment)
    except OSError:  # `cmp.render` finds the words for it
        return None


def _render(entries: _Entries, environment: dict[bytes, bytes]) -> bytes | None:
    tool = _detect(entries)
    if tool == "directory":
        return _join(entries)
    if tool == "kustomize":
        from cmp.plugin import kustomize  # noqa: PLC0415  # half of all requests need none of it

        return kustomize.render(environment)
    return None


def _detect(entries: _Entries) -> str:
    """As `cmp.render.detect`: the last name decides."""
    tool = "directory"
    for entry in entries:
        if entry.name.endswith("Chart.yaml") and not entry.is_dir(follow_symlinks=False):
            tool = "helm"
        elif entry.name in _KUSTOMIZATIONS and not entry.is_dir(follow_symlinks=False):
            tool = "kustomize"
    return tool


def _join(entries: _Entries) -> bytes | None:
    """As `cmp.render.directory`, for files that are plain."""
    texts = []
    room = _LARGEST
    for entry in entries:
        if not entry.name.endswith((".yaml", ".yml", ".json", ".jsonnet")):
            continue
        if entry.is_dir(follow_symlinks=False):
            continue
        text = _read(entry, room)
        if text is None or _is_odd(text):
            return None
        room -= len(text)
        if all(mark in text for mark in _OF_AN_OBJECT):
            texts.append(text if text.endswith(b"\n") else text + b"\n")
        elif b"kind" in text:  # it may be manifests nevertheless
            return None
    return b"---\n".join(texts)


def _read(entry: posix.DirEntry[str], room: int) -> bytes | None:
    """The content of a file that may be plain by its name, kind and size."""
    if entry.name.startswith(".argocd-source") or not entry.name.endswith((".yaml", ".yml")):
        return None
    if not entry.is_file(follow_symlinks=False) or entry.stat().st_size > room:
        return None
    with open(entry.path, "rb", buffering=0) as file:  # noqa: PTH123  # pathlib takes longer
        return file.readall()


def _is_odd(text: bytes) -> bool:
    """Whether it is no plain YAML in UTF-8, so that its bytes or its meaning would change."""
    try:
        text.decode()
    except UnicodeDecodeError:
        return True
    return text.lstrip()[:1] == b"{" or any(mark in text for mark in _NOT_PLAIN)
