"""Rendered manifests as text: where images stand in them, and how others are written there.

`find_images` gives the sites, `rewrite` splices new references in; no other byte changes.
"""

from cmp.manifests.fields import ImageField, InvalidImageFieldError
from cmp.manifests.find import find_images
from cmp.manifests.objects import is_empty, objects
from cmp.manifests.rewrite import rewrite
from cmp.manifests.sites import Location, Quoting, Site

__all__ = [
    "ImageField",
    "InvalidImageFieldError",
    "Location",
    "Quoting",
    "Site",
    "find_images",
    "is_empty",
    "objects",
    "rewrite",
]
