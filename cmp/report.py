"""Decisions as text and as JSON, for people and for programs that want to know why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from cmp.decide import Decision
from cmp.facts import facts, facts_as_json, moving
from cmp.held import Held
from cmp.judge import Verdict
from cmp.pipeline import Generated
from cmp.policy import Choice, Chosen
from cmp.reference import Reference
from cmp.rules import Rule
from cmp.tags import Listing

_SHOWN = 20  # tags in text; JSON has all
_WIDEST = 24  # characters that reasons are indented by for long tags
_LONGEST_TAG = 128  # characters, as OCI allows; what lies on disk may be longer
_CONTEXT = 3  # lines around a change, as diff -u


def diff(rendered: bytes, manifests: bytes) -> list[str]:
    """The unified diff from what was rendered to what Argo CD gets; empty without a change.

    Edits stay within their line, so both sides have the same lines and no search is needed.
    """
    before, after = _lines(rendered), _lines(manifests)
    changed = [i for i, pair in enumerate(zip(before, after, strict=True)) if pair[0] != pair[1]]
    if not changed:
        return []
    lines = ["--- rendered", "+++ retag"]
    for hunk in _hunks(changed):
        start, end = max(hunk[0] - _CONTEXT, 0), min(hunk[-1] + _CONTEXT + 1, len(before))
        lines.append(f"@@ -{start + 1},{end - start} +{start + 1},{end - start} @@")
        lines += _hunk(before[start:end], after[start:end])
    return lines


def _lines(manifests: bytes) -> list[str]:
    return manifests.decode("utf-8", "replace").split("\n")


def _hunks(changed: Sequence[int]) -> Iterator[list[int]]:
    """Changed lines in groups whose contexts touch."""
    group = [changed[0]]
    for line in changed[1:]:
        if line - group[-1] > 2 * _CONTEXT + 1:
            yield group
            group = []
        group.append(line)
    yield group


def _hunk(before: Sequence[str], after: Sequence[str]) -> Iterator[str]:
    removed: list[str] = []
    added: list[str] = []
    for old, new in zip(before, after, strict=True):
        if old != new:
            removed.append(f"-{old}")
            added.append(f"+{new}")
            continue
        yield from (*removed, *added, f" {old}")
        removed, added = [], []
    yield from (*removed, *added)


def explain(generated: Generated, *, now: float) -> list[str]:
    """Why each image has its tag: a paragraph for each rule that found one. *now* in seconds."""
    lines = [_headline(generated)]
    for rule, decisions in _by_rule(generated.decisions):
        verdict = decisions[0].verdict
        lines += ["", f"{rule.alias}  {rule.repository}"]
        lines += [f"  rule     {rule.identity}", f"           {rule.place}"]
        lines += explain_verdict(verdict, now=now)
        lines += [f"  image    {_move(decision)}" for decision in decisions]
        lines += [f"  warning  {text}" for text in sorted({d.warning for d in decisions} - {""})]
        lines += others(verdict)
    for held in generated.held:
        lines += ["", f"{held.site.image.repository}", f"  image    {_move(held)}"]
        lines += [f"  warning  {held.warning}"]
    if notes := notes_of(generated):
        lines += ["", *(f"note: {note}" for note in notes)]
    return lines


def explain_verdict(verdict: Verdict, *, now: float) -> list[str]:
    """The policy, and what it chose."""
    lines = [f"  policy   {verdict.policy}", f"  {_outcome(verdict.choice)}"]
    if isinstance(verdict.choice, Chosen):
        lines += [f"  {name:8} {value}" for name, value in facts(verdict.policy, verdict.choice)]
    if verdict.listing is not None:
        stale = f"; {verdict.listing.stale}" if verdict.listing.stale else ""
        lines.append(f"  listed   {_age(now - verdict.listing.observed_at)}{stale}")
    return lines


def others(verdict: Verdict) -> list[str]:
    """Every other tag: the older ones, and the refused ones with their reasons; cut after some."""
    lines: list[str] = []
    if older := verdict.passed_over:
        more = f" and {len(older) - _SHOWN} more" if len(older) > _SHOWN else ""
        lines.append(f"  older    {', '.join(older[:_SHOWN])}{more}")
    refusals = verdict.choice.refusals
    shown = [(refusal.tag[:_LONGEST_TAG], refusal.reason) for refusal in refusals[:_SHOWN]]
    width = min(max((len(tag) for tag, _ in shown), default=0), _WIDEST)
    lines += [f"  refused  {tag:{width}}  {reason}" for tag, reason in shown]
    if len(refusals) > _SHOWN:
        lines.append(f"  refused  {len(refusals) - _SHOWN} more (-o json shows all)")
    return lines


def as_json(generated: Generated) -> dict[str, Any]:
    """The same for programs; docs/json.md describes the shape."""
    application = generated.application
    return {
        "application": {"name": application.name, "namespace": application.namespace or None},
        "images": [
            _rule_as_json(rule)
            | verdict_as_json(decisions[0].verdict)
            | {"places": [_place_as_json(decision) for decision in decisions]}
            for rule, decisions in _by_rule(generated.decisions)
        ],
        "held": [_place_as_json(held) for held in generated.held],
        "notes": notes_of(generated),
    }


def verdict_as_json(verdict: Verdict) -> dict[str, Any]:
    """What was chosen of one repository, and what was refused."""
    choice = verdict.choice
    return {
        "repository": str(verdict.repository),
        "policy": str(verdict.policy),
        **facts_as_json(choice),
        "kept": None if isinstance(choice, Chosen) else str(choice.keep),
        "why": choice.why,
        "listedAt": _timestamp(verdict.listing),
        "stale": (verdict.listing.stale or None) if verdict.listing else None,
        "older": list(verdict.passed_over),
        "refused": [{"tag": r.tag, "reason": r.reason} for r in choice.refusals],
    }


def _rule_as_json(rule: Rule) -> dict[str, Any]:
    return {"alias": rule.alias, "rule": str(rule.identity), "ruleAt": str(rule.place)}


def notes_of(generated: Generated) -> list[str]:
    """What is worth knowing besides: notes of the matching, and of the rules that found images."""
    notes = list(generated.matched.notes)
    for rule, decisions in _by_rule(generated.decisions):
        verdict = decisions[0].verdict
        remarks = (*rule.notes, *verdict.policy.faults, *moving(verdict.policy, verdict.choice))
        notes += [f"{rule.alias}: {remark}" for remark in remarks]
    if generated.application.images is None and not _all_chosen(generated):
        notes.append("which images run is not known, as no cluster is watched")
    return list(dict.fromkeys(notes))


def warnings(generated: Generated) -> list[str]:
    """What an image did not get, and why: a line for each rule that moved nothing."""
    lines = [f"{d.rule.alias}: {d.warning}" for d in generated.decisions if d.warning]
    lines += [f"{held.site.image.repository}: {held.warning}" for held in generated.held]
    lines += [
        f"{unit.place}: a rule for unknown images is disabled: {unit.what}; "
        "what was chosen before stays, and other images stay as they are"
        for unit in generated.matched.unknown
    ]
    return list(dict.fromkeys(lines))


def _all_chosen(generated: Generated) -> bool:
    """Whether nothing was asked of what an image had before."""
    verdicts = (decision.verdict for decision in generated.decisions)
    return not generated.held and all(isinstance(each.choice, Chosen) for each in verdicts)


def _headline(generated: Generated) -> str:
    name = generated.application.name
    if not (generated.matched.rules or generated.matched.disabled):
        return f"{name}: no rule matches this Application"
    images: list[Decision | Held] = [*generated.decisions, *generated.held]
    if not images:
        return f"{name}: no image in the manifests is under a rule"
    changed = sum(image.changed for image in images)
    count = len(images)
    return f"{name}: {count} image{'s' * (count != 1)} under a rule, {changed} moved"


def _by_rule(decisions: Iterable[Decision]) -> list[tuple[Rule, list[Decision]]]:
    groups: dict[Rule, list[Decision]] = {}
    for decision in decisions:
        groups.setdefault(decision.rule, []).append(decision)
    return list(groups.items())


def _outcome(choice: Choice) -> str:
    if isinstance(choice, Chosen):
        return f"chosen   {choice.tag.name}: {choice.why}"
    return f"kept     {choice.keep}: {choice.why}"


def _move(decision: Decision | Held) -> str:
    """Where the image stands, and from which tag to which; names where they change too."""
    before, after = decision.site.image, decision.after
    if not decision.changed:
        return f"{decision.site.place}: {before} stays"
    if before.written_repository == after.written_repository:
        return f"{decision.site.place}: {_version(before)} → {_version(after)}"
    return f"{decision.site.place}: {before} → {after}"


def _version(reference: Reference) -> str:
    return "@".join(filter(None, (reference.tag, reference.digest))) or "no tag"


def _place_as_json(decision: Decision | Held) -> dict[str, Any]:
    place = decision.site.place
    return {
        "document": place.document,
        "kind": place.kind or None,
        "namespace": place.namespace or None,
        "name": place.name or None,
        "field": place.path or None,
        "line": place.line,
        "before": str(decision.site.image),
        "after": str(decision.after),
        "warning": decision.warning or None,
    }


def _timestamp(listing: Listing | None) -> str | None:
    """RFC 3339, to the second, in UTC."""
    if listing is None:
        return None
    return datetime.fromtimestamp(listing.observed_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _age(seconds: float) -> str:
    """How long ago, to the unit of which there are several."""
    if seconds < 1:
        return "just now"
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"
