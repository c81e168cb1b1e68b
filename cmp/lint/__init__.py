"""All that can be told to be wrong with rules, annotations, registries.conf and parameters.

What the readers of rules and of registries.conf find comes first. Each module beyond them asks one
question of what was read: do the policies compile, does a rule rule alone, is its registry listed.
"""

from cmp.lint.check import lint
from cmp.lint.cluster import ClusterObjects
from cmp.lint.files import files_in

__all__ = ["ClusterObjects", "files_in", "lint"]
