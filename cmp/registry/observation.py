"""The keys that observations are kept under: whose view of what they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from cmp.tags import Needs

_ASKED = {
    "created": "build times",
    "digest": "digests",
    "pushed": "push times",
    "severity": "scans",
    "trusted": "trust",
}


@dataclass(frozen=True, slots=True)
class View:
    """One repository as one login sees it, or some facts about its tags.

    *prefix* and *url* are those of registries.conf, *path* is the repository there. *login* is
    where that is written ("" for none), and no secret. *asked* are the fields of `Needs` that
    are not as they are by default, None for the list of tags.
    """

    prefix: str
    url: str
    path: str
    login: str = ""
    asked: Mapping[str, Any] | None = None

    @property
    def repository(self) -> str:
        """As images name it; where the entry has no prefix, as it is asked for."""
        host = self.prefix.partition("/")[0] or self.url.partition("://")[2]
        return f"{host}/{self.path}"

    @property
    def facts(self) -> list[str]:
        """What tags were asked for, in words; empty for the list of tags."""
        asked = self.asked or {}
        words = [word for name, word in _ASKED.items() if asked.get(name)]
        return [*words, *map(str, asked.get("platforms", ()))]


def listing_key(view: View) -> str:
    """The key of what *view* lists, as JSON."""
    return json.dumps([view.prefix, view.url, view.path, view.login])


def tags_key(listing: str, needs: Needs) -> str:
    """The key of what the tags under the key *listing* answer to *needs*."""
    return f"{listing} {json.dumps({name: each for name, each in asdict(needs).items() if each})}"


def read_key(key: str) -> View | None:
    """What *key* is of; None where nobody here made it."""
    decoder = json.JSONDecoder()
    try:
        whose, end = decoder.raw_decode(key)
        prefix, url, path, login = whose
        asked = json.loads(key[end:]) if key[end:] else None
    except (ValueError, TypeError, RecursionError):
        return None
    if not all(isinstance(each, str) for each in (prefix, url, path, login)):
        return None
    platforms = asked.get("platforms", []) if isinstance(asked, dict) else []
    if not ((asked is None or isinstance(asked, dict)) and isinstance(platforms, list)):
        return None
    return View(prefix, url, path, login, asked)
