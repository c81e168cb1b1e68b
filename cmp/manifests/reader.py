"""Reads a document's events into nodes, and refuses what Argo CD's decoder refuses.

The decoder's rules are those of go.yaml.in/yaml/v2 (decode.go) and sigs.k8s.io/yaml v1.6. Only
collections and the scalars that may matter are kept, so a document takes little memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from itertools import islice
from typing import Any, Never

from yaml.events import (
    AliasEvent,
    CollectionStartEvent,
    DocumentEndEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from cmp.manifests import scalars
from cmp.manifests.nodes import Collection, Key, Scalar, Special
from cmp.manifests.text import Refusal, Text, begin, finish

# libyaml takes time by the square of the depth (8 s for 100 KB of brackets); Kubernetes' own
# types nest less than 30 deep.
MAX_DEPTH = 200
# Some 20 MB of YAML in one document; etcd takes objects of 1.5 MB.
MAX_EVENTS = 2_000_000
# Each may be followed from each image. People write a few.
MAX_ALIASES = 10_000

_ODD_KEYS = frozenset({"", "~", "null", "Null", "NULL", "<<"})
_FACTS_DEPTH = 4  # List, items, object, metadata


class Reader:
    """Reads one document. *root* is a list that holds the document's root as its only item.

    *scalars* are those under a *wanted* key, directly or as items of a list, and those with an
    anchor, in the order of the text. *end* is the index of the document's end.
    """

    def __init__(self, text: Text, wanted: AbstractSet[Key]) -> None:
        self.root = Collection(None, Special.ROOT, is_mapping=False)
        self.scalars: list[Scalar] = []
        self.end = 0
        self._text = text
        self._wanted = {*wanted, Special.ROOT, Special.MERGE}
        self._anchors: dict[str, Scalar | Collection] = {}
        self._holder = self.root
        self._key: Key | None = None  # of the value that comes next in a mapping
        self._aliases = 0
        # As the decoder counts: the nodes so far, aliases expanded; and those due to aliases.
        self._decoded = 1
        self._expanded = 0

    @property
    def is_null(self) -> bool:
        """Whether the document holds nothing, or null."""
        if not self.root.length:
            return True
        first = self.scalars[0] if self.scalars else None
        return first is not None and first.holder is self.root and scalars.is_null(first.event)

    def read(self, events: Iterator[Event]) -> None:
        """Takes *events* up to the document's end. Raises `Refusal`."""
        handlers: dict[type[Event], Callable[[Any], None]] = {
            AliasEvent: self._alias,
            MappingStartEvent: self._open_mapping,
            SequenceStartEvent: self._open_list,
            MappingEndEvent: self._close,
            SequenceEndEvent: self._close,
        }
        scalar: Callable[[Any], None] = (
            self._checked_scalar if self._text.is_doubtful else self._scalar
        )
        for event in islice(events, MAX_EVENTS):
            kind = type(event)
            if kind is ScalarEvent:
                scalar(event)
            elif kind is DocumentEndEvent:
                self.end = finish(event)
                return
            else:
                handlers[kind](event)
        if self.root.length:
            self._refuse("RT402", f"more than {MAX_EVENTS:,} values in one document")

    def _scalar(self, event: ScalarEvent) -> None:
        self._decoded += 1
        holder = self._holder
        if not holder.is_mapping:
            key: Key = holder.length
            holder.length += 1
            name: Key = holder.key
        elif self._key is None:
            odd = event.value in _ODD_KEYS or event.anchor is not None or event.tag is not None
            self._key = self._odd_key(event) if odd else event.value
            return
        else:
            key = name = self._key
            self._key = None
        if name in self._wanted or event.anchor is not None:
            self._keep(event, key)
        if holder.facts is not None:
            holder.facts[key] = event.value

    def _checked_scalar(self, event: ScalarEvent) -> None:
        holder = self._holder
        fault = self._text.fault(event, in_flow=holder.is_flow)
        is_value = not holder.is_mapping or self._key is not None
        if fault is None and is_value and scalars.is_not_finite(event):
            fault = f"JSON has no number {event.value}"
        if fault:
            self._refuse("RT403", f"Argo CD cannot read this scalar: {fault}", event)
        self._scalar(event)

    def _keep(self, event: ScalarEvent, key: Key) -> None:
        if self._merges(key):
            self._refuse_merge(event)
        node = Scalar(self._holder, key, event)
        self.scalars.append(node)
        if event.anchor is not None:
            self._anchors[event.anchor] = node

    def _odd_key(self, event: ScalarEvent) -> Key:
        if event.value == "<<" and event.implicit[0]:
            return Special.MERGE
        if scalars.is_null(event):
            self._refuse("RT403", "Argo CD refuses null as a key", event)
        if event.anchor is not None:
            node = Scalar(self._holder, Special.KEY, event)
            self.scalars.append(node)
            self._anchors[event.anchor] = node
        return scalars.string_of(event) or event.value

    def _open_mapping(self, event: CollectionStartEvent) -> None:
        node = self._open(event, is_mapping=True)
        if node.depth <= _FACTS_DEPTH:
            node.facts = {}
            if node.key == "metadata" and node.holder:
                node.holder.metadata = node

    def _open_list(self, event: CollectionStartEvent) -> None:
        if not self._holder.is_mapping and self._holder.key is Special.MERGE:
            self._refuse_merge(event)
        self._open(event, is_mapping=False)

    def _open(self, event: CollectionStartEvent, *, is_mapping: bool) -> Collection:
        self._decoded += 1
        key = self._next_key()
        if key is None:
            self._refuse("RT403", "Argo CD refuses a list or mapping as a key", event)
        node = Collection(self._holder, key, is_mapping=is_mapping)
        if node.depth > MAX_DEPTH:
            self._refuse("RT401", f"more than {MAX_DEPTH} levels of nesting", event)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        node.before = self._decoded
        if event.flow_style:
            node.is_flow = True
        self._holder = node
        return node

    def _close(self, _: Event) -> None:
        node = self._holder
        node.size = self._decoded - node.before + 1
        assert node.holder is not None
        self._holder = node.holder

    def _alias(self, event: AliasEvent) -> None:
        target = self._anchors.get(event.anchor or "")
        if target is None:
            self._refuse("RT403", f"Argo CD refuses *{event.anchor}: no such anchor", event)
        if target.size is None:
            self._refuse("RT403", f"Argo CD refuses *{event.anchor} within itself", event)
        self._count_alias(target.size, event)
        key = self._next_key()
        if key is None:
            key = Special.KEY
            self._key = self._key_behind(target, event)
        elif self._merges(key) and not (isinstance(target, Collection) and target.is_mapping):
            self._refuse_merge(event)
        target.uses += ((self._holder, key),)

    def _key_behind(self, target: Scalar | Collection, event: AliasEvent) -> Key:
        if isinstance(target, Collection) or scalars.is_null(target.event):
            self._refuse("RT403", "Argo CD refuses a list, mapping or null as a key", event)
        return scalars.string_of(target.event) or ""

    def _count_alias(self, size: int, event: AliasEvent) -> None:
        """Refuses an alias bomb where the decoder does."""
        self._aliases += 1
        if self._aliases > MAX_ALIASES:
            self._refuse("RT402", f"more than {MAX_ALIASES:,} aliases in one document", event)
        self._decoded += 1 + size
        self._expanded += size
        share = self._expanded / self._decoded
        if self._expanded > 100 and self._decoded > 1000 and share > _allowed(self._decoded):
            self._refuse("RT403", "Argo CD refuses that much aliasing", event)

    def _next_key(self) -> Key | None:
        """Where the next value stands; None if it is itself a key."""
        holder = self._holder
        if holder.is_mapping:
            key, self._key = self._key, None
            return key
        holder.length += 1
        return holder.length - 1

    def _merges(self, key: Key) -> bool:
        """Whether a value at *key* is merged into a mapping: with `<<: *a`, or `<<: [*a, *b]`."""
        in_list = not self._holder.is_mapping and self._holder.key is Special.MERGE
        return key is Special.MERGE or in_list

    def _refuse_merge(self, event: Event) -> Never:
        self._refuse("RT403", "Argo CD refuses << for anything but mappings", event)

    def _refuse(self, code: str, what: str, event: Event | None = None) -> Never:
        index = begin(event) if event else 0
        raise Refusal(code, what, self._text.offset(index))


def _allowed(decoded: int) -> float:
    """The share of aliases that is allowed: 99 % up to 400,000 nodes, 10 % from 4 million."""
    return 0.99 - 0.89 * min(max(decoded - 400_000, 0), 3_600_000) / 3_600_000
