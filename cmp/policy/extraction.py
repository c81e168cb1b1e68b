"""filterTags, as Flux has it: which tags match a pattern, and what part of each is compared.

The template is that of Go's `Regexp.Expand`: `$1`, `${1}`, `$name`, `${name}`, and `$$` for a
dollar sign. A name is as long as possible, so `$1x` is the group `1x`; a group that is not there,
or took no part in the match, is empty.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from cmp.policy.expression import Expression
from cmp.policy.fault import PolicyFault
from cmp.policy.settings import FilterTags

_PLACE = re.compile(r"\$(?:\$|\{(?P<braced>\w+)\}|(?P<bare>\w+))")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,7}")  # Go: no leading zeros, below 10^8


@dataclass(frozen=True, slots=True)
class Extraction:
    """A compiled filterTags: *template* is text and group numbers, None the whole tag."""

    expression: Expression
    template: tuple[str | int, ...] | None

    def value(self, name: str) -> str | None:
        """What is compared of the tag *name*; None if the pattern does not match it."""
        groups = self.expression.search(name)
        if groups is None or self.template is None:
            return None if groups is None else name
        return "".join(p if isinstance(p, str) else groups[p] or "" for p in self.template)


def compile_extraction(filter_tags: FilterTags, faults: list[PolicyFault]) -> Extraction:
    """The extraction of *filter_tags*; groups that there are not go to *faults*.

    Raises `InvalidExpressionError`.
    """
    expression = Expression(filter_tags.pattern)
    text = filter_tags.extract
    if not text:
        return Extraction(expression, None)
    template: list[str | int] = []
    done = 0
    for place in _PLACE.finditer(text):
        template.append(text[done : place.start()])
        done = place.end()
        name = place["braced"] or place["bare"]
        group = _group(expression, name) if name else "$"
        if group is not None:
            template.append(group)
        else:
            what = f"{name!r} is no group of the pattern, so it is empty"
            faults.append(PolicyFault("filterTags.extract", what))
    return Extraction(expression, (*template, text[done:]))


def _group(expression: Expression, name: str) -> int | None:
    """The number of the group that *name* means; None if there is none."""
    if _NUMBER.fullmatch(name):
        return int(name) if int(name) <= expression.count else None
    return expression.groups.get(name)
