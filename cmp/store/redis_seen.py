"""What is asked of Redis for the objects of a kind, which are the fields of one hash."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import TypeVar

from cmp.store import seen

_Item = TypeVar("_Item")

# All at once: while another replica writes it anew, a part would be taken for the whole.
READ = """\
local count = redis.pcall('HLEN', KEYS[1])
if type(count) ~= 'number' or count > tonumber(ARGV[1]) then return {} end
local found = redis.call('HGETALL', KEYS[1])
local size = 0
for _, text in ipairs(found) do size = size + #text end
if size > tonumber(ARGV[2]) then return {} end
return found"""

_AT_ONCE = 1000  # fields in one command


def changes(
    kind: str, changed: Mapping[str, bytes | None], *, whole: bool
) -> Iterator[tuple[str | bytes, ...]]:
    """The commands, each without its key, that make *changed* of a hash of *kind*.

    The record that says so is written with a *whole* set alone: should the hash vanish before,
    what the commands make then is none.
    """
    if whole:
        yield ("DEL",)
    gone = [key.encode() for key, value in changed.items() if value is None]
    kept = {key: value for key, value in changed.items() if value is not None}
    rows = [*([(seen.WHOLE, seen.whole(kind))] if whole else []), *seen.encode(kind, kept)]
    for names in _pieces(gone):
        yield ("HDEL", *names)
    for some in _pieces(rows):
        yield ("HSET", *chain.from_iterable(some))


def _pieces(items: Sequence[_Item]) -> Iterator[Sequence[_Item]]:
    return (items[at : at + _AT_ONCE] for at in range(0, len(items), _AT_ONCE))
