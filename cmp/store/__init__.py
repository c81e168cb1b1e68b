"""What is remembered beyond a process: last good choices, and what registries held."""

from cmp.store.port import LastGood, NothingStored, Store

__all__ = ["LastGood", "NothingStored", "Store"]
