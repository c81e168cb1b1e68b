"""Plain manifests of a folder, as Argo CD's directory source finds, skips and orders them.

The rules are those of its repo-server (`findManifests`). The files become one stream, which its
decoder reads as it would read them one by one.
"""

from __future__ import annotations

import codecs
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

from cmp.errors import RenderError, UsageError
from cmp.options import Options
from cmp.render.child import LARGEST_OUTPUT
from cmp.render.glob import Glob, InvalidGlobError
from cmp.render.paths import locate, read_file, walk
from cmp.render.workspace import Workspace

_MANIFEST = re.compile(r".*\.(yaml|yml|json|jsonnet)", re.DOTALL)
_SOURCE_OVERRIDES = re.compile(r"\.argocd-source(-.*)?\.yaml", re.DOTALL)
_SKIP = b"+argocd:skip-file-rendering"
# Argo CD passes over YAML that is no object, unless it holds all of these.
_OF_AN_OBJECT = (b"apiVersion:", b"kind:", b"metadata:")
_KIND = re.compile(rb"""^kind[ \t]*:|["']kind["']\s*:""", re.MULTILINE)
_ESCAPE = re.compile(r"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|.)", re.DOTALL)
_END_OF_DOCUMENT = re.compile(r"\s*(?:\Z|(?<=\n)---)")
_UTF16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


def render_directory(options: Options, workspace: Workspace) -> bytes:
    """The manifests of the source as one stream, each file's text unchanged.

    Raises `RenderError` for a file that cannot be read or rendered, or too many of them, and
    `UsageError` for a glob that is none.
    """
    texts: list[bytes] = []
    names: list[str] = []
    size = 0
    for name, path in _candidates(options, workspace):
        text = _read(path, name)
        if _SKIP not in text and _is_manifest(name, text):
            texts.append(text if text.endswith(b"\n") else text + b"\n")
            names.append(name)
            size += len(text)
        if size > LARGEST_OUTPUT:
            raise RenderError("RT436", f"the manifests are longer than {LARGEST_OUTPUT} bytes")
        if time.monotonic() > workspace.ends:
            raise RenderError("RT432", "the folder was not read in time")
    # What Argo CD's decoder reads as JSON, it reads as YAML once it has met a separator.
    if len(texts) == 1 or all(name.endswith(".json") for name in names):
        return b"".join(texts)
    return b"---\n".join(map(_as_yaml, names, texts))


def _candidates(options: Options, workspace: Workspace) -> Iterator[tuple[str, Path]]:
    """Name and real path of the files that by their name may hold manifests.

    Links that lead nowhere are left out, and what is no regular file.
    """
    include = _glob(options, "directory-include")
    exclude = _glob(options, "directory-exclude")
    any_name = options.flag("directory-disable-extension-filter")
    for entry in walk(workspace.source, recurse=options.flag("directory-recurse")):
        path = Path(entry.path)
        name = path.relative_to(workspace.source).as_posix()
        if _SOURCE_OVERRIDES.fullmatch(entry.name):
            continue
        if not any_name and not _MANIFEST.fullmatch(entry.name):
            continue
        if (exclude and exclude.match(name)) or (include and not include.match(name)):
            continue
        real = locate(workspace.root, path)
        if real and real.is_file():
            yield name, real


def _glob(options: Options, name: str) -> Glob | None:
    text = options.text(name)
    try:
        return Glob(text) if text else None
    except InvalidGlobError as error:
        raise UsageError("RT227", f"parameter {name} is no glob: {error}") from None


def _read(path: Path, name: str) -> bytes:
    """The text of *path* in UTF-8 without a byte order mark, which means something only in front.

    Argo CD strips the mark too, and reads UTF-16 that starts with one.
    """
    content = read_file(path, LARGEST_OUTPUT)
    try:
        for mark, encoding in _UTF16.items():
            if content.startswith(mark):
                return content.removeprefix(mark).decode(encoding).encode()
        content.decode()
    except UnicodeError as error:
        raise RenderError(
            "RT452", f"{name} is no Unicode text: {error}", remedy="save it as UTF-8"
        ) from None
    return content.removeprefix(codecs.BOM_UTF8)


def _as_yaml(name: str, text: bytes) -> bytes:
    """*text* in a form that means the same to a YAML decoder, should it begin with a JSON object.

    In JSON, YAML knows no surrogate pairs, and nothing behind an object. Raises `RenderError` for
    what stands there, since it would be lost without a word.
    """
    if not text.lstrip().startswith(b"{"):
        return text
    whole = text.decode()
    try:
        _, end = json.JSONDecoder().raw_decode(whole, len(whole) - len(whole.lstrip()))
    except (ValueError, RecursionError):  # YAML's own braces
        return text
    if not _END_OF_DOCUMENT.match(whole, end):
        raise RenderError(
            "RT453", f"{name} goes on behind a JSON object", remedy="put a line `---` between"
        )
    return _ESCAPE.sub(_without_pair, whole[:end]).encode() + whole[end:].encode()


def _without_pair(escape: re.Match[str]) -> str:
    is_pair = len(escape[0]) == len(r"\ud83d\ude00")
    return str(json.loads(f'"{escape[0]}"')) if is_pair else escape[0]


def _is_manifest(name: str, text: bytes) -> bool:
    """Whether Argo CD takes the file for manifests; it passes over other YAML, such as values.

    Raises `RenderError` for JSON without an object in it, as Argo CD does, and for jsonnet.
    """
    if name.endswith(".jsonnet"):
        raise RenderError(
            "RT450",
            f"{name} is jsonnet, which is not rendered",
            remedy="leave it out with directory-exclude, or render it by a source of its own",
        )
    if name.endswith(".json") and not _KIND.search(text):
        raise RenderError(
            "RT451",
            f"{name} holds no Kubernetes object",
            remedy="leave it out with directory-exclude",
        )
    return all(mark in text for mark in _OF_AN_OBJECT) or bool(_KIND.search(text))
