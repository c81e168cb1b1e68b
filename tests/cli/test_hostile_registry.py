"""What the command shows of a registry that repeats the login it is asked with."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Laptop
from tests.registry.http.wire import BASIC, PASSWORD
from tests.servers.images import compact
from tests.servers.loopback import LoopbackServer, Request, Response

SECRETS = (PASSWORD, BASIC.removeprefix("Basic "))


def repeating(request: Request) -> Response:
    """Denies, and says with what it was asked."""
    said = f"\x1b[2J{request.header('authorization')} is alice:{PASSWORD}"
    body = compact({"errors": [{"code": "DENIED", "message": said}]})
    return Response(403, {"X-Debug": said.replace("\x1b", ""), "Set-Cookie": "a=b"}, body)


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["tags", "registry.example.com/team/app"], id="tags"),
        pytest.param(["tags", "registry.example.com/team/app", "-o", "json"], id="tags as JSON"),
        pytest.param(["registry", "check", "evil"], id="registry check"),
        pytest.param(["registry", "check", "evil", "-o", "json"], id="registry check as JSON"),
    ],
)
def test_no_command_shows_the_login(laptop: Laptop, command: list[str]) -> None:
    with LoopbackServer(repeating) as server:
        laptop.write(
            "registries.conf",
            "registries:\n- {name: evil, prefix: registry.example.com, "
            f"api_url: '{server.url}', credentials: 'env:LOGIN'}}\n",
        )
        done = laptop.retag(*command, "--registries=registries.conf", LOGIN=f"alice:{PASSWORD}")

        assert server.requests
    shown = (done.stdout + done.stderr).decode()
    assert done.returncode != 0
    assert not any(secret in shown for secret in SECRETS)
    assert "\x1b" not in shown
    assert "Traceback" not in shown
