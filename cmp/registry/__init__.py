"""Registries: what they hold, which one has an image, and how they are configured."""

from cmp.registry.port import TagSource
from cmp.registry.registries import Registries, RoutedSource

__all__ = ["Registries", "RoutedSource", "TagSource"]
