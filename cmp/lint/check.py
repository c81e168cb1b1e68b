"""`lint`: from files to findings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path

from cmp.errors import Finding
from cmp.lint.annotations import check_annotations
from cmp.lint.cluster import ClusterObjects, check_cluster, located_objects
from cmp.lint.configs import Config, load_config, serving, tags_of
from cmp.lint.defaults import check_defaults, check_write_back
from cmp.lint.files import read_contents
from cmp.lint.gates import check_gates
from cmp.lint.numbers import TagsOf, check_numbers
from cmp.lint.overlaps import check_ref, check_resources
from cmp.lint.parameters import check_parameters
from cmp.lint.policies import check_policy
from cmp.lint.stated import Stated, stated_rules
from cmp.located import Located
from cmp.rules import Resource, RuleSet
from cmp.rules.read import rules_of


def lint(
    files: Sequence[Path],
    registries: Path | None,
    *,
    environment: Mapping[str, str],
    cluster: ClusterObjects | None = None,
) -> list[Finding]:
    """All that is wrong with what lies in *files*, by place; the same for the same files.

    *files* are files and folders, *registries* is a registries.conf besides those among them.
    Logins that it names are looked for in *environment*. What lies in a *cluster* is looked at
    too. Raises `RuleError` where a path cannot be read.
    """
    contents = read_contents(files, registries)
    if cluster is not None:
        contents.findings += check_cluster(cluster, contents.rules)
        contents.rules += located_objects("ImageUpdater", cluster.updaters)
        contents.applications += located_objects("Application", cluster.applications)
    configs = [load_config(config, environment) for config in contents.configs]
    findings = [*contents.findings]
    for config in configs:
        findings += config.findings
    stated = _check_resources(contents.rules, findings)
    written = {name: str(each.rule.identity) for each in stated for name in each.rule.variables}
    for application in contents.applications:
        stated += _check_application(application, written, findings)
    tags = cache(partial(tags_of, configs))
    for rule in stated:
        findings += [*check_policy(rule), *_check_registry(rule, configs, tags)]
    return sorted(set(findings), key=_order)


def _check_resources(documents: Iterable[Located], findings: list[Finding]) -> list[Stated]:
    """The rules of the ImageUpdaters in *documents*; what is wrong goes to *findings*."""
    resources: list[Resource] = []
    stated: list[Stated] = []
    for document in documents:
        ruleset = rules_of([document])
        findings += ruleset.findings
        resources += ruleset.resources
    for resource in resources:
        findings += [*check_defaults(resource), *check_write_back(resource)]
        for of_ref in stated_rules(resource):
            findings += check_ref(of_ref)
            stated += of_ref
    together = RuleSet.of(resources)  # in the order that decides between them
    by_place = {each.rule.place: each for each in stated}
    findings += [*together.findings, *check_resources(together.resources, by_place)]
    return stated


def _check_application(
    manifest: Located, written: Mapping[str, str], findings: list[Finding]
) -> Sequence[Stated]:
    """The rules in the annotations of an Application; what is wrong goes to *findings*.

    *written* are the variables that the Image Updater writes, with the rules that say so.
    """
    stated, faults = check_annotations(manifest)
    findings += [*manifest.all_faults(), *faults, *check_ref(stated)]
    findings += check_parameters(manifest, written)
    return stated


def _check_registry(stated: Stated, configs: list[Config], tags: TagsOf) -> Iterator[Finding]:
    repository = stated.rule.repository
    endpoint, refusal = serving(configs, repository)
    if endpoint is not None:
        yield from check_gates(stated, endpoint)
    if refusal is not None:
        where = stated.where("imageName")
        yield where.finding("RT382", refusal.what, remedy=refusal.remedy)
    yield from check_numbers(stated, tags)


def _order(finding: Finding) -> tuple[object, ...]:
    place = finding.place
    return place.file, place.line, place.column, finding.code, finding.path, finding.what
