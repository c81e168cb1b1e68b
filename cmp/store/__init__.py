"""What is remembered beyond a process: last good choices, and what registries held."""

from cmp.store.open import open_store
from cmp.store.port import LastGood, NothingStored, Store

__all__ = ["LastGood", "NothingStored", "Store", "open_store"]
