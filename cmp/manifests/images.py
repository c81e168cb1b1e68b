"""Which of a document's scalars are images, and whether they are nothing else.

A place in the text may be used more than once, through aliases and `<<`. Each use is followed
upwards, key by key, against the patterns of image fields.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

from cmp.manifests.grammar import Grammar, State
from cmp.manifests.nodes import Collection, Key, Node, Scalar, Special


class Use(Enum):
    """What a scalar is used as."""

    IMAGE = "image"
    OTHER = "other"
    MIXED = "mixed"


class Images:
    """Says of a document's scalars whether *grammar* makes them images. *root*: see `Reader`."""

    def __init__(self, root: Collection, grammar: Grammar) -> None:
        self._root = root
        self._grammar = grammar

    def use(self, scalar: Scalar) -> Use:
        """What *scalar* is used as, everywhere that it stands."""
        verdicts = set(self._verdicts(scalar))
        if len(verdicts) > 1:
            return Use.MIXED
        return Use.IMAGE if verdicts == {True} else Use.OTHER

    def _verdicts(self, scalar: Scalar) -> Iterator[bool]:
        """For each use of *scalar*, whether it is an image."""
        todo: list[tuple[Node, State]] = [(scalar, self._grammar.start)]
        seen: set[tuple[Node, State]] = set()
        while todo:
            node, state = todo.pop()
            for holder, key in _uses(node):
                above = (holder, self._grammar.above(state, key))
                verdict = self._verdict(*above)
                if verdict is not None:
                    yield verdict
                elif above not in seen:
                    seen.add(above)
                    todo.append(above)

    def _verdict(self, holder: Collection, state: State) -> bool | None:
        """Whether a use is an image; None while keys are missing."""
        if state.is_image:
            return True
        if state.rooted and self._is_object(holder):
            api_version, kind = holder.fact("apiVersion"), holder.fact("kind")
            if any(pattern.selects(api_version, kind) for pattern in state.rooted):
                return True
        return False if holder is self._root or state.is_dead else None

    def object_of(self, node: Node) -> Collection | None:
        """The Kubernetes object that *node* stands in; None outside of any."""
        holder = node.holder
        while holder is not None and not self._is_object(holder):
            holder = holder.holder
        return holder

    def _is_object(self, node: Collection) -> bool:
        """Whether *node* is the document's root, or an item of a list of objects.

        As apimachinery has it (Unstructured.IsList), that is whatever has `items`, of any kind.
        """
        holder = node.holder
        if holder is None or not node.is_mapping:
            return False
        top = holder.holder
        is_item = holder.key == "items" and top is not None and top.holder is self._root
        return is_item or holder is self._root


def _uses(node: Node) -> Iterator[tuple[Collection, Key]]:
    """Where *node* stands. What is merged into a mapping stands where that mapping stands."""
    todo: list[Node] = [node]
    while todo:
        current = todo.pop()
        for holder, key in ((current.holder, current.key), *current.uses):
            assert holder is not None  # nobody asks for the uses of the document's own list
            target = _merged_into(holder, key)
            if target is None:
                yield holder, key
            else:
                todo.append(target)


def _merged_into(holder: Collection, key: Key) -> Collection | None:
    """The mapping that takes a value's entries as its own: `<<: *a`, or `<<: [*a, *b]`."""
    if key is Special.MERGE:
        return holder
    return holder.holder if holder.key is Special.MERGE and not holder.is_mapping else None


def path_of(node: Node, top: Collection | None) -> str:
    """The field path of *node* below *top*: `spec.template.spec.containers[0].image`."""
    keys: list[str] = []
    while node is not top and node.holder and node.holder.key is not Special.ROOT:
        merged = node.holder.key is Special.MERGE and not node.holder.is_mapping
        if isinstance(node.key, int) and not merged:
            keys.append(f"[{node.key}]")
        elif isinstance(node.key, str):
            keys.append(f".{node.key}")
        node = node.holder
    return "".join(reversed(keys)).removeprefix(".")
