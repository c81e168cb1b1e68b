"""When which repository is looked at: once an interval, and at once when something hints at it.

The looks of an interval are spread over it. A hint comes before what it hints at can be read, so
that it is followed by another look, and one more. Who is silent is asked less and less often, and
all that was asked in vain is asked again once one of its repositories answers.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from sidecar.controller.targets import Login

AT_ONCE = 4  # looks at one registry at a time; renders are waited for, and go first
HINTED = (0.0, 5.0, 30.0)  # seconds after a hint; Zot tells a push before its search knows it
# Seconds from a look to one for a hint, however many of them come.
LEAST = 5.0
LONGEST = 3600.0  # seconds between two looks at what does not answer, unless an interval is longer
_MOST_DOUBLINGS = 10


class Outcome(StrEnum):
    """What came of a look."""

    READ = "read"
    SILENT = "silent"  # nothing, or what is no answer: passing
    REFUSED = "refused"  # an answer that has no tags


@dataclass(slots=True)
class _Entry:
    """A repository is *due* then, and at the instants of hints, which are *extra*.

    It is *queued* for the soonest of them, or it is *waiting* for its turn, or *running*.
    """

    due: float
    extra: list[float] = field(default_factory=list)
    began: float = float("-inf")
    looks: int = 0
    failures: int = 0
    outcome: Outcome | None = None
    queued: float | None = None
    waiting: bool = False
    running: bool = False

    @property
    def next(self) -> float:
        hinted = (max(each, self.began + LEAST) for each in self.extra)
        return min([self.due, *hinted])


class Schedule:
    """Logins, each looked at every *interval* seconds; *chance* gives a number of [0, 1).

    All instants are seconds of one clock.
    """

    def __init__(self, interval: float, chance: Callable[[], float]) -> None:
        self._interval = interval
        self._chance = chance
        self._entries: dict[Login, _Entry] = {}
        self._by_path: defaultdict[str, set[Login]] = defaultdict(set)
        self._queue: list[tuple[float, int, Login]] = []
        self._order = itertools.count()
        self._waiting: defaultdict[str, deque[Login]] = defaultdict(deque)
        self._running: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def unread(self) -> int:
        """How many were not looked at yet."""
        return sum(entry.looks == 0 for entry in self._entries.values())

    @property
    def next(self) -> float | None:
        """When something may be due; None for nothing."""
        return self._queue[0][0] if self._queue else None

    def lag(self, now: float) -> float:
        """Seconds since when the login was due that waits longest for its turn."""
        due = (entry.next for entry in self._entries.values() if not entry.running)
        return max(0.0, now - min(due, default=now))

    def add(self, login: Login, now: float) -> None:
        """Look at *login* now, and then again and again."""
        if login not in self._entries:
            self._entries[login] = _Entry(now)
            self._by_path[login.repository.path].add(login)
            self._enqueue(login)

    def drop(self, login: Login) -> None:
        """Nobody wants to know of *login* any more."""
        if self._entries.pop(login, None) is not None:
            same = self._by_path[login.repository.path]
            same.discard(login)
            if not same:
                del self._by_path[login.repository.path]

    def hint(self, registry: str, path: str, now: float) -> bool:
        """Look at the repository now and twice more; *registry* is "" where it is not known.

        Whether anybody wants to know of it.
        """
        hinted = [
            login
            for login in self._by_path.get(path, ())
            if registry in ("", login.repository.registry)
        ]
        for login in hinted:
            self._entries[login].extra = [now + seconds for seconds in HINTED]
            self._enqueue(login)
        return bool(hinted)

    def take(self, now: float) -> list[Login]:
        """What is to be looked at now; it counts as being looked at until it is `done`."""
        while self._queue and self._queue[0][0] <= now:
            due, _, login = heapq.heappop(self._queue)
            entry = self._entries.get(login)
            if entry is not None and entry.queued == due:
                entry.queued, entry.waiting = None, True
                self._waiting[login.repository.registry].append(login)
        return [login for registry in list(self._waiting) for login in self._begin(registry, now)]

    def done(self, login: Login, now: float, outcome: Outcome) -> None:
        """The look at *login* has ended."""
        self._running[login.repository.registry] -= 1
        entry = self._entries.get(login)
        if entry is None:
            return
        entry.running = False
        entry.looks += 1
        entry.outcome = outcome
        entry.failures = entry.failures + 1 if outcome is Outcome.SILENT else 0
        entry.due = entry.began + self._pause(entry)
        self._enqueue(login)
        if outcome is not Outcome.SILENT:
            self._ask_again(login.repository.registry, now)

    def _pause(self, entry: _Entry) -> float:
        """Seconds from this look to the next: after the first less, so that looks spread."""
        if entry.failures > 1:
            doubled = self._interval * 2.0 ** min(entry.failures - 1, _MOST_DOUBLINGS)
            return max(self._interval, min(doubled, LONGEST))
        if entry.looks == 1:
            return self._interval * (1 - self._chance() / 2)
        return self._interval

    def _ask_again(self, registry: str, now: float) -> None:
        """*registry* answers: what was asked of it in vain is due."""
        for login, entry in self._entries.items():
            if entry.outcome is Outcome.SILENT and login.repository.registry == registry:
                entry.outcome, entry.failures, entry.due = None, 0, now
                self._enqueue(login)

    def _begin(self, registry: str, now: float) -> Iterator[Login]:
        waiting = self._waiting[registry]
        while waiting and self._running[registry] < AT_ONCE:
            login = waiting.popleft()
            entry = self._entries.get(login)
            if entry is not None and entry.waiting:
                entry.waiting, entry.running, entry.began = False, True, now
                entry.extra = [each for each in entry.extra if each > now]
                self._running[registry] += 1
                yield login
        if not waiting:
            del self._waiting[registry]

    def _enqueue(self, login: Login) -> None:
        entry = self._entries[login]
        if not (entry.waiting or entry.running) and entry.queued != entry.next:
            entry.queued = entry.next
            heapq.heappush(self._queue, (entry.queued, next(self._order), login))
