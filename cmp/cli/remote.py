"""A render here, whose tags a running resolver chooses: what the plugin does, for a person."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cmp.cli.options import Flags, given, permissions_of
from cmp.cli.output import print_lines
from cmp.cli.progress import progress
from cmp.errors import ResolverError, UsageError
from cmp.plugin import connection, wire
from cmp.plugin.faults import NoAnswerError
from cmp.render import render
from cmp.request import Request
from cmp.rules.application import Application

_PATIENCE = 20.0  # seconds between two signs of life; the plugin has as long for everything
_KNOWN_THERE = {  # by the names of `Flags`
    "rules": "--rules",
    "registries": "--registries",
    "secrets": "--secrets",
    "tls_certs": "--tls-certs",
    "labels": "--label",
    "annotations": "--annotation",
    "image_fields": "--image-fields",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """*manifests* is what Argo CD gets, *rendered* what the renderer gave.

    *explanation* is why, as docs/json.md has it, and *lines* the same as text, where asked for.
    """

    rendered: bytes
    manifests: bytes
    explanation: Mapping[str, Any] = field(default_factory=dict)
    lines: Sequence[str] = ()


def ask(path: Path, flags: Flags, socket: Path, *, explained: bool) -> Answer:
    """What *path* is by the choices of the resolver at *socket*; its warnings are printed.

    Raises `RetagError` for what goes wrong here, and ends with the resolver's own exit code for
    what goes wrong there.
    """
    _check(flags)
    application, request = given(path, flags)
    with progress(f"rendering {path}"):
        rendered = render(request, permissions_of(flags))
        kind = wire.EXPLAIN if explained else wire.GENERATE
        variables = environment(request, application)
        code, stderr, stdout = exchange(socket, kind, variables, rendered)
    if stderr:
        print_lines(stderr.decode("utf-8", "replace").rstrip("\n").split("\n"), err=True)
    if code:
        raise SystemExit(code)
    return _explained(stdout, rendered) if explained else Answer(rendered, stdout)


def _check(flags: Flags) -> None:
    """See that nothing is stated that only the resolver decides."""
    stated = [option for name, option in _KNOWN_THERE.items() if getattr(flags, name)]
    if stated:
        raise UsageError(
            "RT230",
            f"{' and '.join(stated)} cannot be told to a resolver, which has its own",
            remedy="leave out --socket to choose here, or leave out the rest",
        )


def environment(request: Request, application: Application) -> dict[str, str]:
    """The variables by which Argo CD would say the same.

    Where the source comes from is not among them: a resolver that watches Applications takes the
    request for none of theirs, and remembers nothing of a try.
    """
    namespace = f"{application.namespace}_" if application.namespace else ""
    return {
        "ARGOCD_APP_NAME": namespace + application.name,
        "ARGOCD_APP_PROJECT_NAME": request.project,
        "ARGOCD_APP_NAMESPACE": request.namespace,
        "KUBE_VERSION": request.kube_version,
        "KUBE_API_VERSIONS": ",".join(request.api_versions),
        "ARGOCD_APP_PARAMETERS": json.dumps(request.options.as_items()),
    }


def exchange(
    socket: Path,
    kind: str,
    variables: Mapping[str, str],
    manifests: bytes,
    *,
    patience: float = _PATIENCE,
) -> tuple[int, bytes, bytes]:
    """Exit code, stderr and stdout of the resolver, which may be silent for *patience* seconds.

    Raises `ResolverError`.
    """
    packed = wire.pack_environment({os.fsencode(k): os.fsencode(v) for k, v in variables.items()})
    try:
        with closing(connection.connect(os.fsencode(socket), 0)) as resolver:
            resolver.settimeout(patience)
            connection.begin(resolver, kind, packed)
            return connection.finish(resolver, manifests)
    except NoAnswerError as error:
        raise ResolverError(error.code, error.what, remedy=error.remedy) from None
    except TimeoutError:
        what = "the resolver did not answer in time"
        raise ResolverError("RT603", what, remedy="look into its log") from None


def _explained(stdout: bytes, rendered: bytes) -> Answer:
    """The answer in a document of `wire.EXPLAIN`, whose manifests are text.

    Only what is no UTF-8 cannot be told as text; that is never rewritten.
    """
    try:
        document = json.loads(stdout)
        text, lines = document.pop("manifests"), document.pop("explain")
        same = text == rendered.decode("utf-8", "replace")
        return Answer(rendered, rendered if same else text.encode(), document, lines)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        what = "the resolver's answer makes no sense: it is not the JSON that is expected"
        remedy = "let this command and the resolver be of the same version"
        raise ResolverError("RT605", what, remedy=remedy) from None
