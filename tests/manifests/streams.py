"""What the tests of manifests share: a ruled repository, and what rewriting makes of a stream."""

from __future__ import annotations

from cmp.manifests import ImageField, find_images, rewrite
from cmp.reference import Repository

RULED = Repository("registry.example.com", "team/app")
NUMERIC = Repository("docker.io", "library/190")
NEW_TAG = "2.0.0"


def retagged(stream: bytes, *fields: ImageField, tag: str = NEW_TAG) -> bytes:
    """*stream* with every image of the ruled repositories at *tag*."""
    sites = find_images(stream, {RULED, NUMERIC}, fields)
    return rewrite(stream, {site: str(site.image.with_tag(tag)) for site in sites})
