"""`retag rollback`: the pin that brings back the tag that ran before. It writes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from cmp.cli.cluster import cluster_options
from cmp.cli.output import output_option, print_json, print_lines, print_warnings
from cmp.cli.pin import Pin, earlier_tag, pin_of, tag_of
from cmp.cli.recorded import asked, past_of, record_of
from cmp.errors import UsageError
from cmp.policy import compile_policy
from cmp.rules.application import Application
from cmp.rules.ruleset import RuleSet, rules_for
from cmp.tags import is_tag
from sidecar.cluster.connect import Connected
from sidecar.cluster.flags import ClusterFlags
from sidecar.cluster.rules import RulesReader, keep_rules
from sidecar.kubernetes.errors import ClusterError
from sidecar.kubernetes.kinds import APPLICATIONS, IMAGE_UPDATERS
from sidecar.kubernetes.mirror import key_of


@click.command("rollback")
@click.argument("application", metavar="APP")
@click.argument("image")
@click.option("--to", "tag", metavar="TAG", help="This tag.  [default: the one before]")
@cluster_options
@output_option
def command(
    *, application: str, image: str, tag: str | None, cluster: ClusterFlags, output: str
) -> None:
    """Print the pin that takes IMAGE of the Application APP back to the tag it had before.

    IMAGE is the alias of a rule, or a repository. Nothing is written: put the pin into Git, or run
    one of the commands. It holds until it is removed.

    \b
      retag rollback my-app api --kubeconfig ~/.kube/config --argocd-namespace argocd
      retag rollback my-app registry.example.com/team/api --to v1.4.2
    """
    if tag is not None and not is_tag(tag):
        raise UsageError("RT273", f"--to {tag!r} is no tag")
    pin, warnings = asked(cluster, lambda there: _pin(there, application, image, tag))
    print_warnings(warnings)
    if output == "json":
        print_json(_as_json(pin))
    else:
        print_lines(_lines(pin))


async def _pin(
    connected: Connected, application: str, image: str, tag: str | None
) -> tuple[Pin, list[str]]:
    """The pin, and what people should know. Raises `RetagError`."""
    record = await record_of(connected, application)
    past = past_of(record, image)
    present, target = (tag_of(past[0].after), tag) if tag else earlier_tag(past)
    manifest = await connected.client.get(APPLICATIONS, record.namespace, record.name)
    pin = pin_of(manifest, past[0].alias, present, target)
    try:
        rules = await _rules(connected)
    except ClusterError as error:
        return pin, [f"whether the rule's denyTags refuse {target} is not known: {error}"]
    _check(rules, Application.from_manifest(manifest), pin)
    return pin, []


async def _rules(connected: Connected) -> RuleSet:
    kept = {}
    for namespace in connected.rules:
        async for page in connected.client.list_pages(IMAGE_UPDATERS, namespace):
            kept.update({key_of(each): keep_rules(each) for each in page.objects})
    return RuleSet.of(RulesReader(connected.argocd).read(kept))


def _check(rules: RuleSet, application: Application, pin: Pin) -> None:
    """Raise `UsageError` RT273 if a rule for the alias refuses the tag to pins too."""
    for rule in rules_for(rules, application).rules:
        denial = compile_policy(rule.settings).filters.denial(pin.tag)
        if rule.alias == pin.alias and denial:
            raise UsageError(
                "RT273",
                f"the tag {pin.tag} would be refused: {denial}",
                where=str(rule.identity),
                remedy="name another with --to TAG",
            )


def _lines(pin: Pin) -> Iterator[str]:
    present = f" from {pin.present}" if pin.present else ""
    yield f"# {pin.alias} of {pin.namespace}/{pin.name} goes{present} to {pin.tag} by this,"
    yield "# in its source, wherever the Application is written down:"
    yield from pin.parameters.splitlines()
    if pin.owner:
        yield f"# The ApplicationSet {pin.owner} reverts changes: its template is the place."
    else:
        yield "# An Application that is written down nowhere is changed by one of these:"
        yield pin.kubectl
        yield pin.argocd
    yield f"# To end it, remove {pin.alias} from the pins: then the rule chooses again."
    yield "# Argo CD's own rollback goes back to a revision of Git, and renders that with the tags"
    yield "# of today."


def _as_json(pin: Pin) -> dict[str, Any]:
    return {
        "application": {"namespace": pin.namespace, "name": pin.name},
        "alias": pin.alias,
        "from": pin.present or None,
        "to": pin.tag,
        "pins": pin.pins,
        "patch": pin.patch,
        "applicationSet": pin.owner or None,
        "commands": {"kubectl": pin.kubectl, "argocd": pin.argocd},
    }
