"""What is to be done next so that an Application runs its choices: pure, one step at a time.

    new choice ─ quiet for a moment ─ INTENDED ─ asked for ─ ASKED ─ reconciled ─ RENDERED
      ─ the sync that Argo CD does not start by itself ─ DELIVERED

Each step is recorded before the next, so whoever leads then goes on from there. Never twice for a
choice: a refresh is asked for again only when the one before cannot be shown to have been done.
`progress` notes what came of it, `asking` asks for what is new, `syncing` ends what is rendered.
"""

from __future__ import annotations

from sidecar.controller import autosync
from sidecar.controller.asking import next_refresh
from sidecar.controller.model import Target
from sidecar.controller.progress import adopt, overtake, refuse, settle
from sidecar.controller.steps import Intend, Note, Nothing, Refresh, Situation, Step, Sync
from sidecar.controller.syncing import WouldSync, next_sync


def next_step(situation: Situation, would_sync: WouldSync) -> Step:
    """What is to be done now. *would_sync* tells what automated sync would do."""
    target = situation.target
    if target.deleting or is_skipped(target):
        return Nothing()
    note = adopt(situation) or settle(situation)
    if note:
        return note
    if target.application.hydrated:
        return refuse(situation)
    sync = next_sync(situation, would_sync)
    if isinstance(sync, Note | Sync | Intend):
        return sync
    asked = next_refresh(situation)
    if isinstance(asked, Intend | Refresh):
        return asked
    waits = [each for each in (sync, asked) if each]
    wait = min(waits, key=lambda wait: wait.until) if waits else Nothing()
    return overtake(situation) or wait


def is_urgent(situation: Situation) -> bool:
    """Whether a choice that has still to come runs in another tag now."""
    opened = any(each.live and not each.state.is_settled for each in situation.record.choices)
    return opened or any(each.before and not each.runs for each in situation.new)


def is_skipped(target: Target) -> bool:
    """Whether Argo CD looks at nothing; what is new waits for the annotation's end."""
    value = (target.application.annotations or {}).get(autosync.SKIP_RECONCILE, "")
    return value.lower() in ("true", "t", "1")
