"""The page says what the code does."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import urlsplit

import click

from cmp.cli.webhook import webhook_options
from sidecar.webhook.access import Access
from sidecar.webhook.app import PATH
from sidecar.webhook.events import LOOK, NOTHING_NEW
from sidecar.webhook.settings import SECRET_VARIABLE

_PAGE = (Path(__file__).parents[2] / "docs" / "webhook.md").read_text()


def test_zot_would_send_to_the_webhook() -> None:
    found = re.search(r"```json\n(.*?)```", _PAGE, re.DOTALL)
    assert found
    (sink,) = json.loads(found[1])["extensions"]["events"]["sinks"]

    assert (sink["type"], urlsplit(sink["address"]).path) == ("http", PATH)
    secret = sink["credentials"]["password"]
    assert Access(text=secret).allows([(b"x-webhook-secret", secret.encode())])


def test_each_flag_and_its_variable_is_there() -> None:
    @click.command()
    @webhook_options
    def command() -> None: ...

    options = [each for each in command.params if isinstance(each, click.Option)]
    for option in options:
        assert f"`{option.opts[0]}" in _PAGE
        assert not option.envvar or f"`{option.envvar}`" in _PAGE
    assert f"`{SECRET_VARIABLE}`" in _PAGE


def test_each_event_is_there() -> None:
    assert all(f"`{kind}`" in _PAGE for kind in LOOK | NOTHING_NEW)
