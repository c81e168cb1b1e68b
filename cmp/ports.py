"""What the pipeline asks of its surroundings, besides `registry.port.TagSource`.

A laptop answers from flags and remembers nothing; the resident roles will answer from the cluster
and from a store.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from cmp.request import Request
from cmp.rules.application import Application
from cmp.rules.rule import Rule
from cmp.tags import Tag

Clock = Callable[[], float]  # seconds since the epoch


class ApplicationInfo(Protocol):
    """What is known of the Application that is rendered, besides what the request says."""

    def application(self, request: Request, /) -> Application:
        """Labels, annotations, project and running images; None where they are unknown."""
        ...


class Store(Protocol):
    """Choices that were made before."""

    def last_good(self, application: Application, rule: Rule, /) -> Tag | None:
        """The tag that *rule* last gave *application*, with the digest that was written if one
        was; None if none is remembered.
        """
        ...


class NothingStored:
    """The store of one run in one process: it remembers nothing."""

    def last_good(self, _application: Application, _rule: Rule, /) -> Tag | None:
        """Nothing."""
        return None
