"""What the webhook may be told, by its flags."""

from __future__ import annotations

import ssl
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from cmp.cli.webhook import webhook_options
from cmp.errors import UsageError
from sidecar.settings import Address
from sidecar.webhook.settings import SECRET_VARIABLE, WebhookFlags, settings_of
from tests.webhook.zot import SECRET

_ENVIRONMENT = {SECRET_VARIABLE: SECRET}


@click.command()
@webhook_options
def command(webhook: WebhookFlags) -> None:
    """Show the flags."""
    click.echo(repr(webhook))


def flags(**stated: object) -> WebhookFlags:
    """Flags of a webhook over plain HTTP."""
    given = {"webhook_bind_address": ":8082", "disable_tls": True, **stated}
    return WebhookFlags(**given)  # type: ignore[arg-type]  # by their names


def test_by_default_there_is_none() -> None:
    assert settings_of(WebhookFlags(), {}) is None
    assert CliRunner().invoke(command).output == f"{WebhookFlags()!r}\n"


def test_flags_and_variables_say_the_same() -> None:
    arguments = ["--webhook-secret-file", "s", "--disable-tls", "--tlsminversion", "1.3"]
    variables = {
        "RETAG_WEBHOOK_SECRET_FILE": "s",
        "DISABLE_TLS": "true",
        "TLS_MIN_VERSION": "1.3",
        "WEBHOOK_RATELIMIT_ALLOWED": "5",
    }
    told = CliRunner().invoke(command, [*arguments, "--webhook-ratelimit-allowed", "5"])

    assert told.exit_code == 0
    assert CliRunner().invoke(command, env=variables).output == told.output
    assert "webhook_secret_file=PosixPath('s')" in told.output


def test_the_secret_is_no_flag() -> None:
    shown = CliRunner().invoke(command, ["--help"]).output

    assert "--webhook-secret " not in shown
    assert SECRET_VARIABLE in shown


def test_ports_of_other_pods_are_free_here() -> None:
    settings = settings_of(flags(webhook_bind_address="127.0.0.1:8081"), _ENVIRONMENT)

    assert settings is not None
    assert (settings.address, settings.allowed) == (Address("127.0.0.1", 8081), 3600)
    assert settings.access.allows([(b"x-webhook-secret", SECRET.encode())])


@pytest.mark.parametrize(("stated", "allowed"), [(0, 3600), (1, 1), (10**9, 1_000_000)])
def test_there_is_always_a_limit(stated: int, allowed: int) -> None:
    settings = settings_of(flags(webhook_ratelimit_allowed=stated), _ENVIRONMENT)

    assert settings is not None
    assert settings.allowed == allowed


@pytest.mark.parametrize("version", ["1.3", "TLS1.3", " tls1.3 "])
def test_versions_are_spelled_as_the_image_updater_spells_them(version: str) -> None:
    settings = settings_of(
        WebhookFlags(
            webhook_bind_address=":8082",
            webhook_tls_cert=Path("a.crt"),
            webhook_tls_key=Path("a.key"),
            tlsminversion=version,
        ),
        _ENVIRONMENT,
    )

    assert settings is not None
    assert settings.tls is not None
    assert settings.tls.lowest is ssl.TLSVersion.TLSv1_3


@pytest.mark.parametrize(
    ("stated", "environment", "code"),
    [
        pytest.param({"webhook_bind_address": "8082"}, _ENVIRONMENT, "RT248", id="address"),
        pytest.param({}, {}, "RT270", id="no secret"),
        pytest.param({}, {SECRET_VARIABLE: ""}, "RT270", id="empty secret"),
        pytest.param({}, {SECRET_VARIABLE: "short"}, "RT271", id="short secret"),
        pytest.param(
            {"webhook_secret_file": Path("nowhere")}, _ENVIRONMENT, "RT271", id="no such file"
        ),
        pytest.param({"disable_tls": False}, _ENVIRONMENT, "RT272", id="no certificate"),
        pytest.param(
            {"disable_tls": False, "webhook_tls_cert": Path("a")},
            _ENVIRONMENT,
            "RT272",
            id="no key",
        ),
        pytest.param({"webhook_tls_key": Path("a")}, _ENVIRONMENT, "RT272", id="both"),
        pytest.param(
            {
                "disable_tls": False,
                "webhook_tls_cert": Path("a"),
                "webhook_tls_key": Path("b"),
                "tlsminversion": "1.1",
            },
            _ENVIRONMENT,
            "RT272",
            id="old TLS",
        ),
    ],
)
def test_what_cannot_be_is_said(
    stated: dict[str, object], environment: dict[str, str], code: str
) -> None:
    with pytest.raises(UsageError, match=rf"\[{code}\]$"):
        settings_of(flags(**stated), environment)
