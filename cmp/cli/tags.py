"""`retag tags`: the choice for one image and policy, as the Image Updater's `test` shows it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from cmp import report
from cmp.cli.options import FILE, FOLDER, SECRETS_HELP, TLS_HELP, closing, load_registries
from cmp.cli.output import output_option, print_json, print_lines, print_warnings
from cmp.cli.progress import progress
from cmp.cosign import PublicKey, read_keys
from cmp.errors import UsageError
from cmp.judge import Verdict, judge, with_facts
from cmp.policy import Chosen, FilterTags, Keep, Kept, Output, Policy, Settings, compile_policy
from cmp.policy.gates import LIMITS
from cmp.reference import ImageName, Repository
from cmp.registry import RoutedSource
from cmp.registry.cache import CachedTags
from cmp.registry.port import TagSource

Command = TypeVar("Command", bound=Callable[..., Any])

_OUTPUTS = [each.value for each in Output]
# The fields of a rule, by their names.
_POLICY = (
    click.option("--update-strategy", default="semver", help="semver, newest-build, name, …"),
    click.option("--semver-constraint", help="Instead of the tag part of IMAGE."),
    click.option("--allow-tags", multiple=True, help="any, or regexp:EXPRESSION. One must match."),
    click.option("--ignore-tags", multiple=True, help="A glob of tags to leave out. Repeatable."),
    click.option("--deny-tags", multiple=True, help="The same, and no pin may name one."),
    click.option("--platforms", multiple=True, help="os/arch[/variant]. Repeatable."),
    click.option("--filter-tags", metavar="PATTERN", help="Must match; see --extract."),
    click.option("--extract", metavar="TEMPLATE", default="", help="What of a tag is compared."),
    click.option("--order-by", type=click.Choice(["built", "pushed"]), default="built",
                 help="What newest-build goes by."),
    click.option("--min-age", metavar="AGE", help="Pushed so long ago at least, as 12h or 7d."),
    click.option("--max-severity", type=click.Choice(LIMITS), help="The worst a scan may find."),
    click.option("--require-trusted", is_flag=True, help="Only what the registry trusts."),
    click.option("--cosign-key", type=FILE, help="Only what one of these public keys signed."),
    click.option("--write", type=click.Choice(_OUTPUTS), default=Output.TAG.value,
                 help="How the choice is written (a rule's output)."),
    click.option("--pin", metavar="TAG", help="This tag, if no gate refuses it."),
)  # fmt: skip


def _policy_options(command: Command) -> Command:
    for option in reversed(_POLICY):
        command = option(command)
    return command


@click.command("tags")
@click.argument("image")
@click.option("--registries", "--registries-conf-path", type=FILE, required=True)
@click.option("--secrets", type=FOLDER, help=SECRETS_HELP)
@click.option("--tls-certs", type=FOLDER, help=TLS_HELP)
@_policy_options
@click.option("--pull-secret", default="", help="As in a rule: secret:… or pullsecret:….")
@output_option
def command(
    *,
    image: str,
    registries: Path,
    secrets: Path | None,
    tls_certs: Path | None,
    pull_secret: str,
    output: str,
    **fields: Any,
) -> int:
    """Choose the newest allowed tag of IMAGE, and say why each other is refused.

    The tag part of IMAGE is the constraint, as in a rule's imageName; the options for the policy
    have the names of the rule's fields. Exits with 1 where nothing is chosen.

    \b
      retag tags registry.example.com/app --registries registries.conf
      retag tags 'registry.example.com/app:~1.4' --registries registries.conf
      retag tags registry.example.com/app --registries registries.conf \\
        --update-strategy newest-build --allow-tags 'regexp:^main-' --platforms linux/arm64
      retag tags registry.example.com/app --registries registries.conf \\
        --min-age 24h --max-severity medium --cosign-key cosign.pub
    """
    name = ImageName.parse(image)
    if name.fault:
        raise UsageError("RT241", f"{image!r} names no repository: {name.fault}")
    policy = compile_policy(_settings(name, **fields))
    print_warnings(map(str, policy.faults))
    key_file: Path | None = fields["cosign_key"]
    keys = read_keys(key_file.read_bytes(), label=str(key_file)) if key_file else ()
    asked = load_registries(registries, secrets, tls_certs)
    tags = CachedTags(RoutedSource(asked)).authorised(pull_secret)
    with progress(f"reading the tags of {name.repository}"):
        judging = _judge(name.repository, policy, tags, keys)
        verdict = asyncio.run(closing(asked, judging))
    if verdict.error is not None:
        raise verdict.error
    if isinstance(verdict.choice, Kept) and verdict.choice.keep is Keep.DISABLED:
        raise UsageError("RT247", f"the policy cannot be followed: {verdict.choice.why}")
    if output == "json":
        print_json(report.verdict_as_json(verdict))
    else:
        lines = [
            *report.explain_verdict(verdict, now=time.time()),
            *report.others(verdict),
        ]
        print_lines(lines)
    return 0 if isinstance(verdict.choice, Chosen) else 1


async def _judge(
    repository: Repository, policy: Policy, tags: TagSource, keys: Sequence[PublicKey]
) -> Verdict:
    return await with_facts(await judge(repository, policy, tags, keys), tags)


def _settings(name: ImageName, **fields: Any) -> Settings:
    """The policy that the options spell, as a rule for *name* would."""
    constraint, pattern = fields["semver_constraint"], fields["filter_tags"]
    return Settings(
        strategy=fields["update_strategy"],
        constraint=name.constraint if constraint is None else constraint,
        allow_tags=fields["allow_tags"],
        ignore_tags=fields["ignore_tags"],
        deny_tags=fields["deny_tags"],
        platforms=fields["platforms"],
        filter_tags=None if pattern is None else FilterTags(pattern, fields["extract"]),
        order_by=fields["order_by"],
        min_age=fields["min_age"],
        max_severity=fields["max_severity"],
        require_trusted=fields["require_trusted"],
        verify=fields["cosign_key"] is not None,
        output=fields["write"],
        pin=fields["pin"],
    )
