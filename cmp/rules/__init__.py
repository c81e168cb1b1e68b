"""Which images of which Applications may move to which tags."""

from cmp.rules.application import Application
from cmp.rules.read import read_rules, rules_in
from cmp.rules.rule import DisabledUnit, Identity, Rule
from cmp.rules.ruleset import Matched, RuleSet, rules_for
from cmp.rules.units import Image, Ref, Resource

__all__ = [
    "Application",
    "DisabledUnit",
    "Identity",
    "Image",
    "Matched",
    "Ref",
    "Resource",
    "Rule",
    "RuleSet",
    "read_rules",
    "rules_for",
    "rules_in",
]
