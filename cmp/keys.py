"""The public keys that a rule's images must be signed with, out of the Secret that it names."""

from __future__ import annotations

from collections.abc import Sequence

from cmp.cosign import PublicKey, read_keys
from cmp.errors import RegistryError, RuleError, UnreachableError
from cmp.registry.secrets import Secrets
from cmp.rules import Rule


async def keys_of(rule: Rule, secrets: Secrets) -> Sequence[PublicKey]:
    """The keys of *rule*, any of which may have signed; none where it asks for no signature.

    Raises `RuleError` where there should be some and are none that can be used, and
    `UnreachableError` while it cannot be told.
    """
    place = rule.cosign_key
    if place is None:
        return ()
    if not place.namespace:
        what = f"cosignKey names the Secret {place.name}, and the resource no namespace to find it"
        raise RuleError("RT353", what, remedy="state metadata.namespace")
    try:
        data = await secrets.data(place.namespace, place.name)
    except UnreachableError:
        raise
    except RegistryError as error:
        raise RuleError("RT353", f"cosignKey: {error.what}", remedy=error.remedy) from None
    if place.key not in data:
        what = f"cosignKey: the Secret {place.secret} has no key {place.key}"
        raise RuleError("RT353", what, remedy="add it, or name the key that is there")
    return read_keys(data[place.key], label=f"the {place}")
