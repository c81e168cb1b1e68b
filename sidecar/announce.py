"""The dynamic announcement: what Argo CD's Parameters tab shows of the images.

The tab puts dynamic announcements before those of plugin.yaml, and of two with one name shows the
first. Editing one entry of a map writes all that is shown of it into the Application. So what was
chosen is no default of `pins`, where it would pin every image, but a parameter of its own that has
no effect when it is stated.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from cmp import report
from cmp.decide import Decision
from cmp.errors import RetagError, printable
from cmp.held import Held
from cmp.parameters import BY_NAME, IMAGES
from cmp.pipeline import Generated
from cmp.reference import Reference

_TITLE = "images (shown only; to choose another tag, add alias = tag to pins)"
_MOST = 50  # entries; each is a row of the tab
_LONGEST = 300  # characters of a row; its field shows about 60 at once
_DIGEST = len("sha256:") + 12  # characters of a digest that tell it from others


def announce(generated: Generated) -> bytes:
    """A JSON list of one ParameterAnnouncement: alias → which tag was replaced by which, and why.

    The fields are those of Argo CD's reposerver/repository/repository.proto. Nothing in it was
    not told in the manifests, or by `explain`.
    """
    rows = list(dict.fromkeys(_rows(generated)))
    if not rows:
        rows = [("none", report.explain(generated, now=0)[0])]
    shown: dict[str, str] = {}
    for alias, text in rows[:_MOST]:
        shown[_unused(alias, shown)] = _cut(text)
    if more := len(rows) - len(shown):
        shown[_unused("…", shown)] = f"and {more} more: retag explain shows all"
    return _announced(shown)


def announce_failure(error: RetagError) -> bytes:
    """The same announcement where nothing could be chosen: the line that a render ends with.

    It is one line of 2,000 characters at most, and of several errors the first.
    """
    return _announced({"error": str(error)})


def _announced(shown: Mapping[str, str]) -> bytes:
    announcement = BY_NAME[IMAGES].announcement | {"title": _TITLE, "map": shown}
    return json.dumps([announcement]).encode()


def _rows(generated: Generated) -> Iterator[tuple[str, str]]:
    for decision in generated.decisions:
        reason = decision.warning or decision.verdict.choice.why
        yield decision.rule.alias, f"{_move(decision)}: {reason}"
    for held in generated.held:  # of a broken rule, so that its alias may be unknown
        yield str(held.site.image.repository), f"{_move(held)}: {held.warning}"


def _move(image: Decision | Held) -> str:
    before, after = image.site.image, image.after
    if not image.changed:
        return _tag(after)
    if before.written_repository == after.written_repository:
        return f"{_tag(before)} → {_tag(after)}"
    return f"{before} → {after}"


def _tag(image: Reference) -> str:
    digest = f"@{image.digest[:_DIGEST]}" if image.digest else ""
    return f"{image.tag or ''}{digest}" or "no tag"


def _unused(name: str, taken: dict[str, str]) -> str:
    """*name*, with a number behind it where it is taken."""
    free, number = _cut(name), 1
    while free in taken:
        number += 1
        free = f"{_cut(name)} ({number})"
    return free


def _cut(text: str) -> str:
    line = printable(text)
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
