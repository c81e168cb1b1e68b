"""`Tally`: how many Applications and images each ImageUpdater rules, and what is wrong there."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping

from sidecar.controller.targets import Key, Plan


class Tally:
    """Counts plans by resource, as they come and go."""

    def __init__(self) -> None:
        self._images: Counter[Key] = Counter()
        self._applications: Counter[Key] = Counter()
        self._remarks: defaultdict[Key, dict[Key, tuple[str, ...]]] = defaultdict(dict)

    @property
    def images(self) -> int:
        """Images of Applications that any resource rules."""
        return self._images.total()

    def applications_of(self, resource: Key) -> int:
        """Applications that *resource* rules."""
        return self._applications[resource]

    def images_of(self, resource: Key) -> int:
        """Images of those, each as often as an Application has it."""
        return self._images[resource]

    def remarks_of(self, resource: Key) -> list[str]:
        """Why some of them are left alone, in a fixed order."""
        found: Mapping[Key, tuple[str, ...]] = self._remarks.get(resource, {})
        return [remark for key in sorted(found) for remark in found[key]]

    def count(self, before: Plan | None, now: Plan | None) -> None:
        """*now* takes the place of *before*, the plan of the same Application."""
        for plan, change in ((before, -1), (now, 1)):
            if plan is not None:
                self._count(plan, change)

    def _count(self, plan: Plan, change: int) -> None:
        application = plan.application.namespace, plan.application.name
        for resource, images in Counter(plan.resources).items():
            self._images[resource] += change * images
            self._applications[resource] += change
            if change < 0:
                self._remarks[resource].pop(application, None)
            elif plan.remarks:
                self._remarks[resource][application] = plan.remarks
