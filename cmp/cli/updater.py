"""Flags of the Image Updater's `run` that `serve` and `controller` take without effect.

A Pod with the old arguments starts, and each of them is told once, with what to do instead. Flags
that mean the same here are the command's own. The list has all flags of `run` from v0.1 to
v1.3 (cmd/run.go, before v0.11 cmd/main.go), and `--log-level`, as guides write one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class WithoutEffect:
    """A flag, with the variable that sets it there; *switch* is one that may have no value."""

    name: str
    instead: str
    variable: str = ""
    switch: bool = False


_PROBES = "metrics and probes are served at --health-probe-bind-address"
_NO_LEADER = "there is no leader: each resolver answers for its own repo-server"
_BOUNDED = "the resolver bounds by itself how much is in work"
_RULES = "the rules say which Applications they are for"
_NO_GIT = "nothing is written to Git"
_NO_WEBHOOK = "no webhook is served"
_NO_API = "Argo CD asks Retag, which asks neither Argo CD nor its API"
_NO_EVENTS = "no Events are written"

FLAGS = (
    WithoutEffect("metrics-bind-address", _PROBES),
    WithoutEffect("metrics-secure", f"{_PROBES}, over plain HTTP", switch=True),
    WithoutEffect("enable-http2", "HTTP/1.1 is spoken", switch=True),
    WithoutEffect("leader-election", _NO_LEADER, switch=True),
    WithoutEffect("leader-election-namespace", _NO_LEADER),
    WithoutEffect("dry-run", "retag render --diff shows what would change", switch=True),
    WithoutEffect(
        "interval",
        "tags are looked up when Argo CD renders, and remembered for a minute",
        "IMAGE_UPDATER_INTERVAL",
    ),
    WithoutEffect("once", "retag render does it once, without a resolver", switch=True),
    WithoutEffect("max-concurrent-apps", _BOUNDED, "MAX_CONCURRENT_APPS"),
    WithoutEffect("max-concurrent-reconciles", _BOUNDED, "MAX_CONCURRENT_RECONCILES"),
    WithoutEffect(
        "warmup-cache", "what was seen outlives a restart with --store PATH", switch=True
    ),
    WithoutEffect("disable-kube-events", _NO_EVENTS, "IMAGE_UPDATER_KUBE_EVENTS", switch=True),
    WithoutEffect("git-commit-user", _NO_GIT, "GIT_COMMIT_USER"),
    WithoutEffect("git-commit-email", _NO_GIT, "GIT_COMMIT_EMAIL"),
    WithoutEffect("git-commit-signing-key", _NO_GIT, "GIT_COMMIT_SIGNING_KEY"),
    WithoutEffect("git-commit-signing-method", _NO_GIT, "GIT_COMMIT_SIGNING_METHOD"),
    WithoutEffect("git-commit-sign-off", _NO_GIT, "GIT_COMMIT_SIGN_OFF", switch=True),
    WithoutEffect("git-commit-message-path", _NO_GIT),
    WithoutEffect("git-commit-method", _NO_GIT, "GIT_COMMIT_METHOD"),
    WithoutEffect("enable-webhook", _NO_WEBHOOK, "ENABLE_WEBHOOK", switch=True),
    WithoutEffect("webhook-require-secret", _NO_WEBHOOK, "WEBHOOK_REQUIRE_SECRET", switch=True),
    WithoutEffect("webhook-port", _NO_WEBHOOK, "WEBHOOK_PORT"),
    *(
        WithoutEffect(
            f"{name}-webhook-secret",
            _NO_WEBHOOK,
            f"{name.upper().replace('-', '_')}_WEBHOOK_SECRET",
        )
        for name in ("docker", "ghcr", "quay", "harbor", "aliyun-acr", "acr", "cloudevents")
    ),
    WithoutEffect("webhook-ratelimit-allowed", _NO_WEBHOOK, "WEBHOOK_RATELIMIT_ALLOWED"),
    WithoutEffect("disable-tls", _NO_WEBHOOK, "DISABLE_TLS", switch=True),
    WithoutEffect("tlsminversion", _NO_WEBHOOK, "TLS_MIN_VERSION"),
    WithoutEffect("tlsmaxversion", _NO_WEBHOOK, "TLS_MAX_VERSION"),
    WithoutEffect("tlsciphers", _NO_WEBHOOK, "TLS_CIPHERS"),
    # Until v0.18:
    WithoutEffect("applications-api", _NO_API, "APPLICATIONS_API"),
    WithoutEffect("argocd-server-addr", _NO_API, "ARGOCD_SERVER"),
    WithoutEffect("argocd-grpc-web", _NO_API, "ARGOCD_GRPC_WEB", switch=True),
    WithoutEffect("argocd-insecure", _NO_API, "ARGOCD_INSECURE", switch=True),
    WithoutEffect("argocd-plaintext", _NO_API, "ARGOCD_PLAINTEXT", switch=True),
    WithoutEffect("argocd-auth-token", _NO_API, "ARGOCD_TOKEN"),
    WithoutEffect("log-level", "use --loglevel"),
    WithoutEffect("health-port", "use --health-probe-bind-address :PORT"),
    WithoutEffect("metrics-port", _PROBES),
    WithoutEffect("disable-kubernetes", "the cluster has the rules", switch=True),
    WithoutEffect("max-concurrency", _BOUNDED),
    WithoutEffect("application-namespace", _RULES),
    WithoutEffect("match-application-name", _RULES),
    WithoutEffect("match-application-label", _RULES),
    WithoutEffect("disable-kubernetes-events", _NO_EVENTS, switch=True),
)

_CONTROLLERS = frozenset(
    (
        *("interval", "once", "dry-run", "disable-kube-events", "disable-tls", "tlsminversion"),
        *("leader-election", "leader-election-namespace", "webhook-ratelimit-allowed"),
    )
)
_WEBHOOK = "the webhook is served at --webhook-bind-address, with one secret for all"
_OTHERWISE = {
    "max-concurrent-apps": "the controller bounds by itself how much is in work",
    "max-concurrent-reconciles": "the controller bounds by itself how much is in work",
    "max-concurrency": "the controller bounds by itself how much is in work",
    "warmup-cache": "all repositories are looked at when the controller begins to lead",
    "disable-kubernetes": "the cluster has the rules",
    "disable-kubernetes-events": "use --disable-kube-events",
    "argocd-auth-token": "the cluster is asked, and not Argo CD",
}


def _of_controller(flag: WithoutEffect) -> WithoutEffect:
    if flag.instead == _NO_WEBHOOK:
        return replace(flag, instead=_WEBHOOK)
    return replace(flag, instead=_OTHERWISE.get(flag.name, flag.instead))


# The same of `controller`, which has more of the peer's flags for its own.
CONTROLLER_FLAGS = tuple(_of_controller(each) for each in FLAGS if each.name not in _CONTROLLERS)

# As with Go's flags, a switch may be `--once` and `--once=false`.
_SWITCH = {"is_flag": False, "flag_value": "true"}


def accept(flags: Iterable[WithoutEffect]) -> Callable[[Command], Command]:
    """Let a command take *flags*; the help is silent about them, and `warnings` tells."""

    def accepting(command: Command) -> Command:
        for flag in flags:
            extra: dict[str, Any] = _SWITCH if flag.switch else {}
            command = click.option(
                f"--{flag.name}",
                hidden=True,
                multiple=True,
                expose_value=False,
                callback=_keep,
                **extra,
            )(command)
        return command

    return accepting


accept_flags = accept(FLAGS)


def _keep(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> None:
    """Remember that the flag was given; never its value, which may be a token."""
    if given:
        context.meta.setdefault(__name__, set()).add(parameter.opts[0])


def warnings(context: click.Context, flags: Iterable[WithoutEffect] = FLAGS) -> list[str]:
    """A line for each of *flags* that was given."""
    given = context.meta.get(__name__, set())
    return [
        f"--{flag.name} of the Image Updater has no effect here: {flag.instead}"
        for flag in flags
        if f"--{flag.name}" in given
    ]
