"""What is known of a chosen tag beyond its name, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from cmp.policy import Choice, Chosen, Output, Policy
from cmp.tags import Tag

_SECOND = 1_000_000_000  # nanoseconds


def facts(policy: Policy, choice: Chosen) -> Iterator[tuple[str, str]]:
    """Each fact that is known, as its name and a text."""
    tag = choice.tag
    told = {
        "pushed": _instant(tag.pushed),
        "built": _instant(tag.created) if not tag.detail else tag.detail,
        "platform": ", ".join(map(str, tag.platforms)),
        "signers": _signers(tag),
        "severity": "not scanned" if tag.severity == "" else tag.severity,
        "digest": tag.digest,
        "verified": choice.verified,
    }
    yield from ((name, text) for name, text in told.items() if text)
    if policy.guarded and policy.settings.output == Output.TAG:
        yield "written", "tag@digest, because gates and signatures vouch for this digest alone"


def moving(policy: Policy, choice: Choice) -> Iterator[str]:
    """That a digest is written which a Zot will drop, if the registry is known to be one.

    Zot alone tells push times; and it makes a digest unpullable the moment its tag moves.
    """
    if not isinstance(choice, Chosen) or choice.tag.pushed is None:
        return
    name = choice.tag.name
    if policy.output is not Output.TAG and policy.may_move(name):
        yield (
            f"a digest is written, and Zot keeps none of a tag that moves, as {name} may: "
            "render again after each push"
        )


def facts_as_json(choice: Choice) -> dict[str, Any]:
    """The same for programs; all None or empty where nothing was chosen."""
    tag = choice.tag if isinstance(choice, Chosen) else Tag("")
    return {
        "tag": tag.name or None,
        "digest": tag.digest,
        "pushed": _instant(tag.pushed),
        "built": _instant(tag.created) if not tag.detail else None,
        "platforms": [str(platform) for platform in tag.platforms],
        "severity": tag.severity,
        "trusted": tag.trusted,
        "signers": list(tag.signers),
        "verified": (isinstance(choice, Chosen) and choice.verified) or None,
    }


def _signers(tag: Tag) -> str:
    """Who signed, as the registry tells it: nobody here has looked at those signatures."""
    if not tag.signers:
        return ""
    trust = {True: "trusted", False: "not trusted", None: "not looked at"}[tag.trusted]
    return f"{', '.join(tag.signers)} ({trust} by the registry)"


def _instant(nanoseconds: int | None) -> str | None:
    """RFC 3339, to the second, in UTC; None for what no calendar has."""
    if nanoseconds is None:
        return None
    try:
        instant = datetime.fromtimestamp(nanoseconds // _SECOND, UTC)
    except (OverflowError, ValueError):
        return None
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")
