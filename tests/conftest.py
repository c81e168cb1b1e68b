"""What holds for all tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import effort
from tests.kubernetes import crds
from tests.servers.kubernetes import ApiServer

effort.register()


@pytest.fixture(scope="session")
def api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A real API server that all tests share, with the kinds of Argo CD and our own.

    Who needs to stop it, or to have other kinds, starts one of their own. Others make a namespace
    for themselves, and change nothing that has none.
    """
    with ApiServer(tmp_path_factory.mktemp("kubernetes")) as server:
        crds.install(server)
        yield server


@pytest.fixture(scope="session")
def other_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A second API server, without any of those kinds: who uses it installs what it needs.

    For tests that change a CustomResourceDefinition.
    """
    with ApiServer(tmp_path_factory.mktemp("other")) as server:
        yield server
