"""`Stated`: the rule for one image as it is written, which knows where each field stands.

Of a broken unit, all that can be read is, so that the faults of a file are told at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from cmp.located import Located, validate
from cmp.rules.merge import merge_settings
from cmp.rules.model import CommonUpdateSettings, judge_unknown
from cmp.rules.older import SETTINGS, official_holder, official_image
from cmp.rules.rule import Rule, rule_of
from cmp.rules.units import Image, Ref, Resource

# The fields that stand beside the settings, not among them.
_BESIDE = frozenset({"imageName", "imagesVerification", "pin"})

Where = Callable[[str], Located]


@dataclass(frozen=True, slots=True)
class Stated:
    """*rule*, and *where* a field of it stands, as `allowTags[1]` or `filterTags.pattern`.

    A field that is not stated stands where the image does.
    """

    rule: Rule
    where: Where


def stated_rules(resource: Resource) -> Iterator[tuple[Stated, ...]]:
    """The rules of each ref of *resource*; images whose name is unusable are left out."""
    spec, _ = official_holder(resource.located.nearest(("spec",)))
    general = _readable(spec)
    for ref in resource.refs or ():
        holder, _ = official_holder(ref.located)
        above = merge_settings(general, _readable(holder))
        images = [(image, official_image(image.located)[0]) for image in ref.images or ()]
        yield tuple(
            Stated(rule, _finder(official, holder, spec))
            for image, official in images
            for rule in _rule(image, merge_settings(above, _readable(official)), ref, resource)
        )


def _rule(
    image: Image, settings: CommonUpdateSettings, ref: Ref, resource: Resource
) -> Iterator[Rule]:
    rule = rule_of(replace(image, settings=settings, broken=False), ref, resource)
    if isinstance(rule, Rule):
        yield rule


def _finder(*levels: Located) -> Where:
    """Where fields stand that are written at *levels*, the most specific first."""

    def where(field: str) -> Located:
        name, *rest = re.findall(r"\w+", field)
        path = tuple(int(step) if step.isdigit() else step for step in rest)
        for level in levels:
            block = level if name in _BESIDE else level.get(SETTINGS)
            value = block.get(name) if block else None
            if value is not None:
                return _only(value.nearest(path))
        return levels[0]

    return where


def _only(value: Located) -> Located:
    """The item of a list of one: what the official schema has as a text may be such a list."""
    return value.items[0] if len(value.items) == 1 else value


def _readable(holder: Located) -> CommonUpdateSettings:
    """The settings of *holder*, as far as each field can be read for itself."""
    block = holder.get(SETTINGS)
    fields = block.fields if block else {}
    alone = [holder.with_fields({name: value}) for name, value in fields.items()]
    read = [validate(CommonUpdateSettings, each, judge=judge_unknown)[0] for each in alone]
    return merge_settings(*read)
