"""A configuration as a resolver has it: rules and registries.conf mounted, a registry on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from cmp.errors import RetagError
from cmp.pipeline import resolve
from cmp.request import Request
from cmp.rules import RuleSet, read_rules
from cmp.store import NothingStored
from sidecar.configuration import Configuration, Paths, load
from sidecar.metrics import Metrics, Role
from sidecar.reload import Current
from sidecar.resolver import Unwatched
from sidecar.sources import Files, Runtime
from tests.sidecar.mounts import Mount, registries, rules, zot_storage

IMAGE = "registry.example.com/profanity-api"


def pod(image: str = f"{IMAGE}:v1.0.0") -> bytes:
    """A Pod with *image*."""
    return (
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n"
        f"spec:\n  containers:\n  - {{name: c, image: {image}}}\n"
    ).encode()


@dataclass
class Place:
    """Rules that allow v1.x, and a registry whose newest of them is v1.10.0.

    *now* is what the clock shows. *read* reads the rules.
    """

    folder: Path
    now: float = 1000.0
    metrics: Metrics = field(default_factory=lambda: Metrics(Role.RESOLVER))
    read: Callable[[Iterable[Path]], RuleSet] = read_rules

    def __post_init__(self) -> None:
        zot_storage(self.folder / "zot")
        self.url = f"file://{self.folder}/zot"
        self.rules = Mount(self.folder / "rules", {"rules.yaml": rules()})
        self.config = Mount(
            self.folder / "config", {"registries.conf": registries(self.url), "ca.crt": ""}
        )
        files = Files(
            self.folder / "config" / "registries.conf",
            self.folder / "secrets",
            self.folder / "certificates",
        )
        self.paths = Paths((self.folder / "rules",), files)
        self.runtime = Runtime(
            store=NothingStored(), max_stale=600, meter=self.metrics, clock=lambda: self.now
        )

    def load(self, previous: Configuration | None = None) -> Configuration:
        """What the files hold."""
        return load(self.paths, self.runtime, previous, read=self.read)

    def current(self) -> Current:
        """What a resolver that starts now uses."""
        return Current(
            self.load(),
            self.load,
            meter=self.metrics,
            clock=lambda: self.now,
            wall=lambda: 5.0,
        )

    def registries(self, text: str) -> None:
        """Change registries.conf."""
        self.config.swap({"registries.conf": text, "ca.crt": ""})

    def sample(self, name: str, **labels: str) -> float | None:
        """What the metric is."""
        return self.metrics.registry.get_sample_value(name, labels)


async def answer(configuration: Configuration, manifests: bytes | None = None) -> str:
    """The image that a Pod gets, or the error."""
    lookups = configuration.lookups.until(float("inf"))
    operator = replace(configuration.operator, lookups=lookups)
    request = Request(name="app")
    try:
        for fault in configuration.faults:
            raise fault
        done = await resolve(request, manifests or pod(), operator, Unwatched(), NothingStored())
    except RetagError as error:
        return str(error)
    return done.manifests.decode().rpartition("image: ")[2].rstrip("}\n")
