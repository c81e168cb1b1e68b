"""Tags of a source that only has documents, for needs that may ask for what Zot's search tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

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
    """A `Tag` for each of *names*; *why* says what of *needs* stays unanswered, and what to do."""
    told = replace(needs, pushed=False, severity=False, trusted=False)
    tags = await describer.describe(repository, content, names, told)
    if not needs.searched:
        return tags
    return {name: replace(tag, unanswered=why) for name, tag in tags.items()}
