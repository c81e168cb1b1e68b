"""Which tag: settings are compiled to a policy, which ranks the tags of a listing. Pure values.

policy = compile_policy(Settings(strategy="semver", constraint="~1.2"))
choice = choose(policy, listing, described)     # Chosen(tag, why, …) or Kept(keep, why, …)
"""

from cmp.policy.choice import Choice, Chosen, Keep, Kept, Refusal
from cmp.policy.choose import choose
from cmp.policy.compile import compile_policy
from cmp.policy.fault import PolicyFault
from cmp.policy.policy import Policy
from cmp.policy.settings import FilterTags, Settings
from cmp.policy.successor import Output, successor

__all__ = [
    "Choice",
    "Chosen",
    "FilterTags",
    "Keep",
    "Kept",
    "Output",
    "Policy",
    "PolicyFault",
    "Refusal",
    "Settings",
    "choose",
    "compile_policy",
    "successor",
]
