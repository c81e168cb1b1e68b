"""What a registry tells of tags that it lists by age: their places stand in for build times.

The Image Updater's `tagsortmode`. The places are those of one listing, and are never remembered
apart from it: the next listing numbers the same tags anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from cmp.registry.port import TagSource
from cmp.tags import Listing, Needs, Tag, positions_as_times


async def describe(
    tags: TagSource, listing: Listing, names: Sequence[str], needs: Needs
) -> Mapping[str, Tag]:
    """A `Tag` for each of *names*, which *listing* holds. Raises `cmp.errors.RegistryError`.

    Where places tell the age, no manifest is looked at for it, nor for a platform; only for what
    else is needed.
    """
    if listing.newest_first is None or not needs.created:
        return await tags.describe(listing.repository, names, needs)
    placed = _placed(listing, names)
    other = replace(needs, created=False, platforms=())
    if other.names_only:
        return placed
    described = await tags.describe(listing.repository, names, other)
    return {name: _joined(placed[name], tag, other) for name, tag in described.items()}


def _placed(listing: Listing, names: Sequence[str]) -> dict[str, Tag]:
    newest_first = bool(listing.newest_first)
    times = positions_as_times(listing.names, newest_first=newest_first)
    mode = "latest-first" if newest_first else "latest-last"
    detail = f"tagsortmode {mode}: the place in the listing, not the build time"
    return {name: Tag(name, created=times[name], detail=detail) for name in names}


def _joined(placed: Tag, described: Tag, needs: Needs) -> Tag:
    """*described* with its place; faulty where what is needed of it is not known.

    That its manifest is no image's, or has no build time, does not matter.
    """
    if described.fault is not None and (needs.searched or not described.digest):
        return described
    return replace(described, created=placed.created, fault=None, detail=placed.detail)
