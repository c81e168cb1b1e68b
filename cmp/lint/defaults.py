"""What a resource states without meaning it: defaults that a CRD stored, and write-back.

The CRDs of v1.0 to v1.3 stored `updateStrategy: semver` and `forceUpdate: false` into every block
of settings, where they hide what the levels above say.
"""

from __future__ import annotations

from collections.abc import Iterator

from cmp.errors import Finding, Severity
from cmp.located import Located
from cmp.rules.older import SETTINGS
from cmp.rules.units import Resource

# Only a cluster sets these, so its CRD may have stored defaults as well.
_SET_BY_SERVER = ("uid", "resourceVersion", "generation", "managedFields")


def check_defaults(resource: Resource) -> Iterator[Finding]:
    """Blocks of settings that hold just what those CRDs stored."""
    metadata = resource.located.get("metadata")
    exported = metadata is not None and any(map(metadata.get, _SET_BY_SERVER))
    for holders in _levels(resource):
        *outer, own = (holder.get(SETTINGS) for holder in holders)
        if own is None or not _is_default(own):
            continue
        hidden = next(filter(None, map(_other_strategy, reversed(outer))), None)
        if hidden or exported:
            yield _finding(own, hidden)


def check_write_back(resource: Resource) -> Iterator[Finding]:
    """That writeBackConfig has no effect, once a resource."""
    configs = (holders[-1].get("writeBackConfig") for holders in _levels(resource))
    for config in list(filter(None, configs))[:1]:
        yield no_write_back(config, "writeBackConfig")


def no_write_back(place: Located, name: str) -> Finding:
    """That *name*, which stands at *place*, has no effect."""
    return place.finding(
        "RT386",
        f"{name} has no effect: a render writes nothing back",
        severity=Severity.WARNING,
        remedy="remove it, unless the Image Updater still needs it",
    )


def _levels(resource: Resource) -> Iterator[tuple[Located, ...]]:
    """Spec, each ref and each image, after what is above it."""
    spec = resource.located.nearest(("spec",))
    yield (spec,)
    for ref in resource.refs or ():
        yield spec, ref.located
        for image in ref.images or ():
            yield spec, ref.located, image.located


def _is_default(block: Located) -> bool:
    strategy, force = block.get("updateStrategy"), block.get("forceUpdate")
    if strategy is None or force is None:
        return False
    return strategy.value == "semver" and force.value is False


def _other_strategy(block: Located | None) -> Located | None:
    """The strategy that *block* states, if it is not semver."""
    strategy = block.get("updateStrategy") if block else None
    return strategy if strategy and strategy.text.lower() not in ("", "semver") else None


def _finding(block: Located, hidden: Located | None) -> Finding:
    line = f" of line {hidden.place.line}" if hidden and hidden.place.line else " above"
    hides = f", and hide {hidden.text}{line}" if hidden else ""
    return block.nearest(("updateStrategy",)).finding(
        "RT384",
        "semver with forceUpdate: false are what the CRDs of v1.0 to v1.3 stored into every "
        f"block of settings{hides}",
        severity=Severity.WARNING,
        remedy="remove both, unless you mean them",
    )
