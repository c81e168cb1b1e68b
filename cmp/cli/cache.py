"""`retag cache`: what a store remembers, and how to make it forget."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import click

from cmp.cli.output import output_option, print_json, print_lines
from cmp.cli.progress import progress
from cmp.errors import UsageError
from cmp.registry.observation import View, read_key
from cmp.rules.rule import Identity
from cmp.store.open import open_persistent
from cmp.store.persistent import Contents, Observed, Persistent, StoreError
from cmp.store.port import LastGood

_Answer = TypeVar("_Answer")

_store_option = click.option(
    "--store",
    "text",
    metavar="STORE",
    required=True,
    help="The store, as `retag serve` has it: a PATH for SQLite, or redis://HOST.",
)


@click.group("cache")
def command() -> None:
    """Look at what a store remembers, or clear it."""


@command.command("show")
@_store_option
@output_option
def show(*, text: str, output: str) -> None:
    """List the last good choices of each Application, and what registries held.

    \b
      retag cache show --store /var/cache/retag/store.db
      retag cache show --store redis://redis.example.com:6379/0 -o json
    """
    contents = _asked(text, lambda store: store.contents())
    if output == "json":
        print_json(_as_json(contents))
    else:
        print_lines(_lines(contents, time.time()))


@command.command("clear")
@_store_option
@click.argument("application", required=False)
def clear(*, text: str, application: str | None) -> None:
    """Forget the choices of APPLICATION, or everything.

    A resolver that runs goes on with what it has in memory; start it again to make it forget.

    \b
      retag cache clear --store /var/cache/retag/store.db
      retag cache clear --store /var/cache/retag/store.db my-app
    """
    count = _asked(text, lambda store: store.clear(application))
    click.echo(f"forgot the choices of {_counted(count, 'Application')}", err=True)


def _asked(text: str, ask: Callable[[Persistent], Awaitable[_Answer]]) -> _Answer:
    """What the store answers, as it is: nothing is made or set aside. Raises `RetagError`."""
    store = open_persistent(text, make=False)
    if store is None:
        raise UsageError(
            "RT256",
            "--store: memory is that of one process, where nobody else can look",
            remedy="name the file or the Redis of the resolver",
        )
    with progress("asking the store"):
        return asyncio.run(_answer(store, ask))


async def _answer(store: Persistent, ask: Callable[[Persistent], Awaitable[_Answer]]) -> _Answer:
    try:
        return await ask(store)
    except StoreError as error:
        raise error.at(store.place) from None
    finally:
        await store.aclose()


def _lines(contents: Contents, now: float) -> Sequence[str]:
    lines = []
    for application, choices in contents.choices.items():
        lines.append(application)
        lines += [f"  {_chosen(choice)}, {_age(now, choice.observed_at)}" for choice in choices]
    lines += [_observed(each, now) for each in contents.observed]
    count = sum(map(len, contents.choices.values()))
    total = (
        f"{_counted(count, 'choice')} of {_counted(len(contents.choices), 'Application')},"
        f" {_counted(len(contents.observed), 'observation')}, {_size(contents.size)}"
    )
    return [*lines, total]


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _chosen(choice: LastGood) -> str:
    digest = f"@{choice.digest}" if choice.digest else ""
    return f"{choice.repository}:{choice.tag}{digest}  {_rule(choice.rule)}"


def _rule(kept: str) -> str:
    """`Identity.rule` as people know it; what is none, as it is kept."""
    try:
        source, namespace, name, ref, alias = json.loads(kept)
    except (ValueError, TypeError):
        return kept
    return str(Identity(source, namespace, name, ref, alias, ""))


def _observed(observed: Observed, now: float) -> str:
    view = read_key(observed.key)
    parts = [f"{observed.described} described", _size(observed.size)]
    if observed.observed_at is not None:
        parts = [_counted(observed.names, "tag"), _age(now, observed.observed_at), *parts]
    elif view is None or view.asked is None:
        parts = ["not listed", *parts]
    return f"{_viewed(view) if view else observed.key}  {', '.join(parts)}"


def _viewed(view: View) -> str:
    """Which repository, what of it, and whose login."""
    login = f"login {view.login}" if view.login else "no login"
    facts = f": {', '.join(view.facts)}" if view.facts else ""
    return f"{view.repository}, {login}{facts}"


def _age(now: float, instant: float) -> str:
    """How long ago *instant* was, in the largest unit of which there is one."""
    if not instant:
        return "nobody knows how old"
    seconds = max(0, int(now - instant))
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit} old"
    return f"{seconds} s old"


def _size(count: int) -> str:
    return f"{count / 1024:.0f} KiB" if count >= 1024 else f"{count} B"


def _as_json(contents: Contents) -> dict[str, Any]:
    return {
        "applications": {
            name: [_choice_as_json(choice) for choice in choices]
            for name, choices in contents.choices.items()
        },
        "observations": [_observed_as_json(each) for each in contents.observed],
        "bytes": contents.size,
    }


def _observed_as_json(observed: Observed) -> dict[str, Any]:
    view = read_key(observed.key)
    return {
        "key": observed.key,
        "repository": view.repository if view else None,
        "login": (view.login or None) if view else None,
        "facts": view.facts if view else [],
        "listedAt": None if observed.observed_at is None else _time(observed.observed_at),
        "tags": observed.names,
        "described": observed.described,
        "bytes": observed.size,
    }


def _choice_as_json(choice: LastGood) -> dict[str, Any]:
    return {
        "rule": _rule(choice.rule),
        "fingerprint": choice.fingerprint,
        "repository": choice.repository,
        "tag": choice.tag,
        "digest": choice.digest,
        "observedAt": _time(choice.observed_at),
    }


def _time(instant: float) -> str | None:
    """In RFC 3339; None for what a wrong clock kept."""
    if not instant:
        return None
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
