"""Versions as Masterminds/semver v3.4.0 reads them loosely (`NewVersion`), and their precedence.

`v` may stand in front, minor and patch may be missing, and numbers may have leading zeros: so
`v1`, `1.2`, `2024.01.31` and `20240131` are versions. Order is that of semver.org: build metadata
does not count, a pre-release comes before its release.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import semver

_LARGEST_NUMBER = 2**64 - 1  # strconv.ParseUint of 64 bits: above it is no version
_LONGEST = 1024  # a tag has 128 characters at most; reading digits takes quadratic time

_IDENTIFIERS = r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*"
_VERSION = re.compile(
    rf"v?([0-9]+)(?:\.([0-9]+))?(?:\.([0-9]+))?(?:-({_IDENTIFIERS}))?(?:\+({_IDENTIFIERS}))?"
)
# semver.org, item 9: numeric identifiers must not have leading zeros.
_LEADING_ZERO = re.compile(r"(?:^|\.)0[0-9]+(?:\.|$)")

_Identifier = tuple[int, int, str]
# Release numbers, whether it is a release, then the identifiers of the pre-release.
Precedence = tuple[int, int, int, bool, tuple[_Identifier, ...]]


class InvalidVersionError(ValueError):
    """The text is no version."""


@dataclass(frozen=True, slots=True)
class Version:
    """A version; *original* is the text it was read from, `str()` the canonical form."""

    major: int
    minor: int
    patch: int
    prerelease: str
    metadata: str
    original: str

    @classmethod
    def parse(cls, text: str) -> Version:
        """The version that *text* spells. Raises `InvalidVersionError`."""
        version = parse_version(text)
        if version is None:
            raise InvalidVersionError(f"{text!r} is not a version")
        return version

    def __str__(self) -> str:
        return str(self.canonical)

    @property
    def canonical(self) -> semver.Version:
        """The version of semver.org that it means: all three numbers, no `v`."""
        pre, build = self.prerelease or None, self.metadata or None
        return semver.Version(self.major, self.minor, self.patch, pre, build)

    @property
    def release(self) -> tuple[int, int, int]:
        """Major, minor and patch."""
        return self.major, self.minor, self.patch

    @property
    def precedence(self) -> Precedence:
        """What versions are ordered by; equal for versions that differ in metadata or spelling."""
        pre = self.prerelease
        identifiers = tuple(map(_identifier, pre.split("."))) if pre else ()
        return self.major, self.minor, self.patch, not pre, identifiers


def parse_version(text: str) -> Version | None:
    """The version that *text* spells, or None: most tags of many repositories are none."""
    found = _VERSION.fullmatch(text)
    if found is None or len(text) > _LONGEST:
        return None
    major, minor, patch, pre, metadata = found.groups()
    release = (int(major), int(minor or 0), int(patch or 0))
    if max(release) > _LARGEST_NUMBER or (pre and _LEADING_ZERO.search(pre)):
        return None
    return Version(*release, pre or "", metadata or "", text)


def _identifier(text: str) -> _Identifier:
    """Numbers before words; numbers by value and words by text (semver.org, item 11)."""
    if text.isdecimal() and int(text) <= _LARGEST_NUMBER:
        return 0, int(text), ""
    return 1, 0, text
