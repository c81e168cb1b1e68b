"""An API server whose ImageUpdaters are those of the official CRD."""

from __future__ import annotations

import pytest

from tests.crd.install import install
from tests.servers.kubernetes import ApiServer


@pytest.fixture
def official_server(other_server: ApiServer) -> ApiServer:
    """The server, with the official CRD."""
    install(other_server, "v1.4")
    return other_server
