"""What a rule says about the tags it allows: plain values as written, merged, not compiled."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FilterTags:
    """Flux's filterTags: *pattern* (RE2) a tag must match, *extract* what of it is compared."""

    pattern: str
    extract: str = ""


@dataclass(frozen=True, slots=True)
class Settings:
    """The fields that select a tag, in the words of the ImageUpdater resource.

    *strategy* is as written (any case; "" and unknown names mean semver). *constraint* is the
    tag part of `imageName`; None where it has none. *allow_tags*: each as the official field
    spells it (`any`, `regexp:<RE2>`), one match is enough; empty allows all. *ignore_tags* and
    *deny_tags* are Go globs; denied tags are refused to pins too. *platforms*:
    `os/arch[/variant]`; empty is no filter. *order_by* is `built` or `pushed`, *output* `tag`,
    `tag@digest` or `digest`. *min_age*, *max_severity*, *require_trusted*, *verify* are gates;
    None or False is off.
    """

    strategy: str = ""
    constraint: str | None = None
    allow_tags: tuple[str, ...] = ()
    ignore_tags: tuple[str, ...] = ()
    deny_tags: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    filter_tags: FilterTags | None = None
    order_by: str = "built"
    output: str = "tag"
    pin: str | None = None
    suspend: bool = False
    min_age: str | None = None
    max_severity: str | None = None
    require_trusted: bool = False
    verify: bool = False
