"""`retag tags`: the choice for one image and policy, as the Image Updater's `test` shows it."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import click

from cmp import report
from cmp.cli.options import FILE, load_registries
from cmp.cli.output import output_option, print_json, print_lines, print_warnings
from cmp.cli.progress import progress
from cmp.decide import judge
from cmp.errors import UsageError
from cmp.policy import Chosen, Keep, Kept, Settings, compile_policy
from cmp.reference import ImageName
from cmp.registry import RoutedSource


@click.command("tags")
@click.argument("image")
@click.option("--registries", "--registries-conf-path", type=FILE, required=True)
@click.option("--update-strategy", default="semver", help="semver, newest-build, alphabetical, …")
@click.option("--semver-constraint", help="Instead of the tag part of IMAGE.")
@click.option("--allow-tags", multiple=True, help="any, or regexp:EXPRESSION. One must match.")
@click.option("--ignore-tags", multiple=True, help="A glob of tags to leave out. Repeatable.")
@click.option("--platforms", multiple=True, help="os/arch[/variant]. Repeatable.")
@output_option
def command(  # noqa: PLR0913  # one for each option of the command
    *,
    image: str,
    registries: Path,
    update_strategy: str,
    semver_constraint: str | None,
    allow_tags: tuple[str, ...],
    ignore_tags: tuple[str, ...],
    platforms: tuple[str, ...],
    output: str,
) -> int:
    """Choose the newest allowed tag of IMAGE, and say why each other is refused.

    The tag part of IMAGE is the constraint, as in a rule's imageName. Exits with 1 where nothing
    is chosen.

    \b
      retag tags registry.example.com/app --registries registries.conf
      retag tags 'registry.example.com/app:~1.4' --registries registries.conf
      retag tags registry.example.com/app --registries registries.conf \\
        --update-strategy newest-build --allow-tags 'regexp:^main-' --platforms linux/arm64
    """
    name = ImageName.parse(image)
    if name.fault:
        raise UsageError("RT241", f"{image!r} names no repository: {name.fault}")
    settings = Settings(
        strategy=update_strategy,
        constraint=semver_constraint if semver_constraint is not None else name.constraint,
        allow_tags=allow_tags,
        ignore_tags=ignore_tags,
        platforms=platforms,
    )
    source = RoutedSource(load_registries(registries))
    policy = compile_policy(settings)
    print_warnings(map(str, policy.faults))
    with progress(f"reading the tags of {name.repository}"):
        verdict = asyncio.run(judge(name.repository, policy, source))
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
