"""An API server of our own, whose CRD of ImageUpdaters may be changed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.kubernetes import ApiServer


@pytest.fixture(scope="session")
def other_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A server that has no CRD; each test has the one installed that it needs."""
    with ApiServer(tmp_path_factory.mktemp("crds")) as server:
        yield server
