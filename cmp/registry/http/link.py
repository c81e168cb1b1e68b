"""Where the next page of an answer is: the Link header (RFC 8288), of which the query counts.

Registries write the path as they know it, which behind a proxy that adds a prefix is not the one
to ask for (so Zot does); the next page is asked for at the path of the first one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import SplitResult, quote, urlsplit

from cmp.errors import BadReplyError
from cmp.registry.http.exchange import HttpResponse

_TARGET = re.compile(r"[ \t,]*<([^<>]*)>")
# Token characters are those of RFC 9110, 5.6.2; a value without quotes is read up to its end.
_PARAMETER = re.compile(
    r"""[ \t]*;[ \t]*(?:([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*
        (?:=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^ \t;,"]*)))?)?""",
    re.VERBOSE,
)
_DEFAULT_PORTS = {"http": 80, "https": 443}
# What may stand in a query as it is, and what stands there escaped (RFC 3986, 3.4). Zot writes
# tags into it as they are.
_QUERY = "%!$&'()*+,;=:@/?-._~"
# Characters: a tag and a number of entries, or a cursor; each one is kept while pages are walked.
_LONGEST_QUERY = 4096


def next_query(response: HttpResponse, base_url: str) -> str | None:
    """The query of the page that follows *response*, without `?`; None where none does.

    Raises `BadReplyError` for a link that leads away from the registry at *base_url*, or nowhere,
    and for one without a relation: what was read so far may not be all.
    """
    links = list(_links(", ".join(response.all("link"))))
    if not all(relations for _, relations in links):
        raise _unusable("has a link that says no relation")
    targets = {target for target, relations in links if "next" in relations}
    if not targets:
        return None
    if len(targets) > 1:
        raise _unusable(f"names {len(targets)} next pages")
    return _query(targets.pop(), base_url)


def _links(header: str) -> Iterator[tuple[str, list[str]]]:
    """Each target in *header* with its relation types, in lower case."""
    place = 0
    while target := _TARGET.match(header, place):
        place = target.end()
        relations: list[str] | None = None
        while parameter := _PARAMETER.match(header, place):
            place = parameter.end()
            name, quoted, plain = parameter.groups()
            if relations is None and name and name.lower() == "rel":  # the first one counts
                relations = (quoted or plain or "").lower().split()
        yield target[1], relations or []
    if header[place:].strip(" \t,"):
        raise _unusable("is malformed")


def _query(target: str, base_url: str) -> str:
    try:
        url = urlsplit(target)
        home = urlsplit(base_url)
        away = bool(url.scheme or url.netloc) and _origin(url, home) != _origin(home, home)
    except ValueError as error:  # a port or an address that is none
        raise _unusable("is malformed") from error
    if away:
        raise _unusable("leads to another host")
    if not url.query:
        raise _unusable("does not say where the next page begins")
    if len(url.query) > _LONGEST_QUERY:
        raise _unusable(f"has more than {_LONGEST_QUERY} characters of a query")
    return quote(url.query, safe=_QUERY)


def _origin(url: SplitResult, home: SplitResult) -> tuple[str, str, int | None]:
    scheme = (url.scheme or home.scheme).lower()
    return scheme, (url.hostname or "").lower(), url.port or _DEFAULT_PORTS.get(scheme)


def _unusable(what: str) -> BadReplyError:
    return BadReplyError("RT572", f"the registry's Link header {what}, so not all can be read")
