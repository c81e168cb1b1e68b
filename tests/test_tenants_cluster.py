"""What tenants write in the cluster, and who may write ConfigMaps there: it rules nobody else.

What a parameter of an Application may do is in test_tenants.py, and what the controller's account
may is in controller/test_policy.py and deploy/test_in_the_cluster.py.
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest

from cmp.errors import UnreachableError
from cmp.pipeline import Generated
from cmp.rules import Application, RuleSet, rules_for
from cmp.rules.annotations import PREFIX
from cmp.rules.resource import read_resource
from cmp.store import LastGood
from sidecar.cluster.record import MOST_CHOICES, Past, Record, Recorded, State
from sidecar.cluster.record_format import config_map, parse
from sidecar.cluster.records import RecordedChoices, keep_record
from sidecar.cluster.rules import RulesReader, keep_rules
from sidecar.controller import attempts
from sidecar.controller.model import Wanted
from sidecar.controller.progress import NOT_TAKEN_UP
from sidecar.controller.status import Report, status_of
from sidecar.logs import JsonLines, TextLines
from tests.cluster.world import updater
from tests.memory import NOW, MemoryStore, MemoryTags
from tests.test_pipeline import APP, images, pod, run

NEWEST = "1.1.0"
OWN, OTHER, ARGOCD = "team-a", "team-b", "argocd"
ANY = [{"alias": "a", "imageName": APP}]
UGLY = "a\nlevel=error msg=\x1b[31mforged\u202e\u2028\x85\x00"


def ruleset(*manifests: dict[str, Any]) -> RuleSet:
    """*manifests* as the cluster's rules."""
    keys = [(each["metadata"]["namespace"], each["metadata"]["name"]) for each in manifests]
    kept = dict(zip(keys, map(keep_rules, manifests), strict=True))
    return RuleSet.of(RulesReader(ARGOCD, reader=read_resource).read(kept))


def ruled(rules: RuleSet, namespace: str, **facts: Any) -> tuple[int, int]:
    """How many rules the Application web of *namespace* has, and how many that are disabled."""
    application = Application(**{"name": "web", "namespace": namespace, "labels": {}, **facts})
    found = rules_for(rules, application)
    return len(found.rules), len(found.disabled)


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({}, id="any name"),
        pytest.param({"namespace": OTHER}, id="of another namespace, in the older form"),
        pytest.param({"namespace": ARGOCD}, id="of Argo CD's namespace, in the older form"),
        pytest.param({"namespace": "*"}, id="of all namespaces"),
        pytest.param({"namespace": ""}, id="of none"),
        pytest.param({"namespace": [OTHER]}, id="of a list"),
        pytest.param({"applicationRefs": "nonsense"}, id="nonsense"),
        pytest.param({"applicationRefs": [{"namePattern": ["*"]}]}, id="a broken pattern"),
        pytest.param(
            {"namespace": OTHER, "padding": "x" * 300_000}, id="too large, and of another one"
        ),
    ],
)
def test_a_tenants_rules_neither_rule_nor_disable_what_is_in_other_namespaces(
    spec: dict[str, Any],
) -> None:
    resource = updater(OWN, namePattern="*", images=ANY)
    resource["spec"] |= spec

    rules = ruleset(resource)

    assert [ruled(rules, each) for each in (OTHER, ARGOCD)] == [(0, 0), (0, 0)]
    assert ruled(rules, OWN) != (0, 0)


@pytest.mark.parametrize("key", ["pull-secret", "app.pull-secret"])
@pytest.mark.parametrize("stated", ["secret:team-b/login#x", "pullsecret:argocd/login"])
def test_annotations_reach_no_secret_of_another_namespace(key: str, stated: str) -> None:
    rules = ruleset(updater(OWN, namePattern="*", useAnnotations=True))
    annotations = {f"{PREFIX}image-list": f"app={APP}", f"{PREFIX}{key}": stated}

    assert ruled(rules, OWN, annotations=annotations) == (0, 1)


@pytest.mark.parametrize("stated", ["env:TOKEN", "ext:/bin/id", "file:/etc/passwd"])
def test_annotations_name_no_credential_of_the_operators(stated: str) -> None:
    rules = ruleset(updater(OWN, namePattern="*", useAnnotations=True))
    annotations = {f"{PREFIX}image-list": f"app={APP}", f"{PREFIX}app.pull-secret": stated}

    application = Application(name="web", namespace=OWN, labels={}, annotations=annotations)
    assert all(not rule.pull_secret for rule in rules_for(rules, application).rules)


def test_annotations_of_a_quarter_of_a_megabyte_disable_the_application_alone() -> None:
    rules = ruleset(updater(OWN, namePattern="*", useAnnotations=True))
    listed = ",".join(f"a{n}=registry.example.com/{n}" for n in range(8000))

    assert ruled(rules, OWN, annotations={f"{PREFIX}image-list": listed}) == (0, 1)
    few = {f"{PREFIX}image-list": f"app={APP}"}
    assert ruled(rules, OWN, annotations=few, name="shop") == (1, 0)


def recorded(*choices: LastGood) -> RecordedChoices:
    """What somebody wrote into the ConfigMap of the Application web."""
    record = Record(
        namespace=ARGOCD,
        name="web",
        uid="1",
        choices=tuple(
            Recorded(choice=each, good=each, state=State.DELIVERED, after=f"{APP}:1")
            for each in choices
        ),
    )
    manifest = config_map(record, ARGOCD)
    kept = keep_record(manifest)
    assert kept is not None
    records = {(ARGOCD, manifest["metadata"]["name"]): kept}
    return RecordedChoices(
        MemoryStore(), records, namespace=ARGOCD, control=ARGOCD, wall=lambda: NOW
    )


def rendered(tag: str, *, more: str = "", silent: bool = False, now: str = "1.0.0") -> Generated:
    """The Application web at *now*, after a ConfigMap said that *tag* was chosen last."""
    text = f"""\
apiVersion: argocd-image-updater.argoproj.io/v1alpha1
kind: ImageUpdater
metadata: {{name: rules, namespace: ""}}
spec:
  applicationRefs:
    - namePattern: "*"
      images: [{{alias: app, imageName: "{APP}:1.x"{more}}}]
"""
    rule = run(pod(f"{APP}:{now}"), text).matched.rules[0]
    identity = rule.identity
    choice = LastGood(identity.rule, identity.fingerprint, APP, tag, None, NOW + 1e9)
    tags = MemoryTags({APP: ["1.0.0", NEWEST]})
    if silent:
        tags.error = UnreachableError("RT501", "nobody answers")
    return run(pod(f"{APP}:{now}"), text, tags=tags, store=recorded(choice))


@pytest.mark.parametrize("tag", ["1.0.0", "0.9.0", "9.9.9", "1.0.5", "2.0.0", "latest"])
def test_a_forged_record_leads_to_no_tag_but_those_that_are_there_and_allowed(tag: str) -> None:
    assert images(rendered(tag)) == [f"{APP}:{NEWEST}"]


def test_a_forged_record_brings_no_denied_tag_back_while_the_registry_is_silent() -> None:
    denied = ", commonUpdateSettings: {denyTags: ['1.0.*']}"

    with pytest.raises(UnreachableError, match="RT501"):
        rendered("1.0.0", more=denied, silent=True)


@pytest.mark.parametrize("tag", ["2.0.0", "latest"])
def test_a_forged_record_brings_no_tag_beyond_the_rule_either(tag: str) -> None:
    with pytest.raises(UnreachableError, match="RT501"):
        rendered(tag, silent=True)


def test_an_alias_with_control_characters_ends_in_one_line_of_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO):
        logging.getLogger("retag.deliver").info("%s: %s", UGLY, UGLY)

    [record] = caplog.records
    for form in (JsonLines(), TextLines()):
        line = form.format(record)
        assert line.isprintable()
    assert json.loads(JsonLines().format(record))["level"] == "info"


@pytest.mark.parametrize(
    "errors", [("broken", [UGLY * 10_000]), ("parts", [UGLY * 10_000] * 1000)]
)
def test_a_status_is_short_and_printable_whatever_is_wrong(errors: tuple[str, list[str]]) -> None:
    how, said = errors
    broken = said[0] if how == "broken" else ""
    report = Report(generation=1, applications=1, images=1, broken=broken, errors=said)

    for condition in status_of(report, {}, NOW)["conditions"]:
        assert len(condition["message"]) < 32_768
        assert condition["message"].isprintable()


def wanted(alias: str, number: int = 0) -> Wanted:
    choice = LastGood(f"rule {number}", "f", APP, NEWEST, None, NOW)
    return Wanted(choice=choice, title="rule", alias=alias, after=f"{APP}:{NEWEST}")


@pytest.mark.parametrize(
    "alias", ["a" * 1025, "\N{GRINNING FACE}" * 300], ids=["too long", "too long as JSON"]
)
def test_a_choice_that_would_burst_the_record_is_not_delivered(alias: str) -> None:
    assert attempts.is_recordable(wanted("app"))
    assert not attempts.is_recordable(wanted(alias))


def test_what_is_delivered_fits_into_a_config_map_however_much_a_tenant_names() -> None:
    longest = next(
        alias
        for length in range(1024, 0, -1)
        if attempts.is_recordable(wanted(alias := "\N{GRINNING FACE}" * length))
    )
    each = [wanted(longest, number) for number in range(300)]
    choices = [
        Recorded(
            choice=w.choice,
            good=w.choice,
            state=State.FAILED,
            after=w.after,
            before=f"{APP}:{'1' * 128}",
            alias=w.alias,
            title=w.title,
            stamp="2026-01-01T00:00:00.000000Z",
            reason=NOT_TAKEN_UP,
        )
        for w in each
    ]
    past = Past(at=1, rule="r", alias=longest, image=APP, before="", after=f"{APP}:1", why="")
    record = Record(
        namespace=OWN, name="web", uid="1", choices=tuple(choices), history=(past,) * 99
    )

    (text,) = config_map(record, ARGOCD)["data"].values()

    assert len(text.encode()) < 1024 * 1024
    found = parse({"record": text})
    assert found is not None
    assert len(found.choices) == MOST_CHOICES


def test_the_instance_name_of_an_application_is_nobody_elses() -> None:
    records = recorded(LastGood("rule", "f", APP, "1.0.0", None, NOW))

    def choices(instance: str) -> int:
        return len(asyncio.run(records.choices(instance)))

    assert choices("web") == 1
    claims = ["team-a_web", "argocd_argocd_web", "_team_web", "../web", "web\n", "WEB", ""]
    assert not any(map(choices, claims))
