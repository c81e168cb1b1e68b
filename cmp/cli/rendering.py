"""One render as the options say: chosen here, or by a resolver that runs."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from cmp import report
from cmp.cli.options import Flags, closing, given, load_registries, permissions_of
from cmp.cli.output import print_errors, print_warnings
from cmp.cli.progress import progress
from cmp.cli.remote import Answer, ask
from cmp.manifests.configured import read_fields
from cmp.pipeline import Generated, Operator, generate, look_closer
from cmp.registry import RoutedSource
from cmp.registry.cache import CachedTags
from cmp.registry.secrets import NoSecrets, SecretFiles
from cmp.request import Request
from cmp.rules import read_rules
from cmp.rules.application import Application
from cmp.store import NothingStored


def rendering(path: Path, *, explained: bool, **options: Any) -> Answer:
    """What rendering *path* as the *options* say comes to, after its warnings are printed.

    Where it shall be *explained*, the chosen tags are looked into, which costs some requests more.
    Raises `RetagError`, and click's errors for options that lack or contradict each other.
    """
    flags = Flags(**options)
    if flags.socket is not None:
        return ask(path, flags, flags.socket, explained=explained)
    return _choose(path, flags, explained=explained)


@dataclass(frozen=True, slots=True)
class _Given:
    """The `ApplicationInfo` of a laptop: what the flags said."""

    known: Application

    def application(self, _request: Request, /) -> Application:
        return self.known


def _choose(path: Path, flags: Flags, *, explained: bool) -> Answer:
    for option in ("rules", "registries"):
        if not getattr(flags, option):
            raise click.UsageError(f"Missing option '--{option}'.", click.get_current_context())
    assert flags.registries is not None
    application, request = given(path, flags)
    ruleset = read_rules(flags.rules)
    registries = load_registries(flags.registries, flags.secrets, flags.tls_certs)
    operator = Operator(
        rules=ruleset,
        tags=CachedTags(RoutedSource(registries)),
        permissions=permissions_of(flags),
        fields=read_fields(flags.image_fields) if flags.image_fields else (),
        secrets=SecretFiles(flags.secrets) if flags.secrets else NoSecrets(),
    )
    with progress(f"rendering {path}"):
        generating = _generate(request, operator, application, explained=explained)
        generated = asyncio.run(closing(registries, generating))
    print_errors(list(ruleset.findings))
    print_warnings(report.warnings(generated))
    return _answer(generated, explained=explained)


async def _generate(
    request: Request, operator: Operator, application: Application, *, explained: bool
) -> Generated:
    generated = await generate(request, operator, _Given(application), NothingStored())
    return await look_closer(generated, operator.tags) if explained else generated


def _answer(generated: Generated, *, explained: bool) -> Answer:
    if not explained:
        return Answer(generated.rendered, generated.manifests)
    lines = report.explain(generated, now=time.time())
    return Answer(generated.rendered, generated.manifests, report.as_json(generated), lines)
