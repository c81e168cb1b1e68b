"""What a block of settings says together with the blocks above it: spec, ref, image.

Field by field, a stated one replaces the one above; lists replace, they do not add up (the Image
Updater's mergeCommonUpdateSettings, mergeImagesVerification and mergeWBCSettings).
"""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel

from cmp.rules.model import (
    CommonUpdateSettings,
    GitConfig,
    ImagesVerification,
    WriteBackConfig,
)

_OFFICIAL = (
    "update_strategy", "force_update", "allow_tags", "ignore_tags", "pull_secret", "platforms"
)  # fmt: skip

Block = TypeVar("Block", bound=BaseModel)


def merge_settings(*blocks: CommonUpdateSettings | None) -> CommonUpdateSettings:
    """*blocks*, the most general first, as one."""
    return _merge(CommonUpdateSettings(), *blocks)


def extensions(block: CommonUpdateSettings) -> CommonUpdateSettings:
    """What *block* states that the official schema has not, and so no annotation can state."""
    return block.model_copy(update=dict.fromkeys(_OFFICIAL))


def merge_verification(*blocks: ImagesVerification | None) -> ImagesVerification | None:
    """*blocks*, the most general first, as one; None if there is none."""
    return _merge(ImagesVerification(), *blocks) if any(blocks) else None


def merge_write_back(
    general: WriteBackConfig | None, specific: WriteBackConfig | None
) -> WriteBackConfig:
    """Both as one. A pull request replaces the other whole: providers exclude one another."""
    merged = _merge(WriteBackConfig(), general, specific)
    configs = [block.git_config for block in (general, specific) if block]
    if not any(configs):
        return merged
    return merged.model_copy(update={"git_config": _merge(GitConfig(), *configs)})


def _merge(start: Block, *blocks: Block | None) -> Block:
    stated = {
        name: value
        for block in blocks
        if block is not None
        for name, value in block
        if value is not None
    }
    return start.model_copy(update=stated)
