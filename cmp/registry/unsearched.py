"""Tags of a source that only has documents, for needs that may ask for what Zot's search tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cmp.reference import Repository
from cmp.registry.metadata import Content, Describer
from cmp.tags import Needs, Tag


async def describe_unsearched(
    describer: Describer,
    repository: Repository,
    content: Content,
    names: Sequence[str],
    needs: Needs,
    *,
    why: str,
) -> Mapping[str, Tag]:
    """A `Tag` for each of *names*; *why* says what of *needs* stays unanswered, and what to do.

    Then nothing else is looked at: an unanswered gate, or order, refuses each tag anyway.
    """
    if needs.searched:
        return unanswered(names, why)
    return await describer.describe(repository, content, names, needs)


def unanswered(names: Sequence[str], why: str) -> Mapping[str, Tag]:
    """A `Tag` for each of *names* that tells but *why* it tells nothing."""
    return {name: Tag(name, unanswered=why) for name in names}
