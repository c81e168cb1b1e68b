"""The older form means the same in the official schema, and the official CRD takes it whole."""

from __future__ import annotations

from typing import Any

import pytest

from cmp.errors import Place, Severity
from cmp.located import locate
from cmp.migrate import Migrated, migrate
from cmp.policy import compile_policy
from cmp.rules.crd import definition
from cmp.rules.pruning import dropped_fields, schema_of
from cmp.rules.read import rules_of
from cmp.rules.ruleset import rules_for
from tests.crd.forms import OFFICIAL, OLDER, OURS, WEB, image, with_image
from tests.crd.official import official
from tests.crd.server import in_namespace, refusal
from tests.migrate.test_annotations import meaning
from tests.rules.updaters import application, manifest, ref
from tests.servers.kubernetes import ApiServer

FORMS = OFFICIAL | OLDER
KEY = {"cosignKey": {"secretName": "cosign", "key": "cosign.pub"}}
OTHER = {"cosignKey": {"secretName": "other", "key": "cosign.pub"}}


def migrated(*resources: Any) -> Migrated:
    return migrate([locate(each, Place("file")) for each in resources], [])


def rules(*resources: Any, labels: dict[str, str] | None = None) -> list[Any]:
    ruleset = rules_of([locate(each, Place("file")) for each in resources])
    return meaning(rules_for(ruleset, application("web", labels=labels or {"team": "a"})))


@pytest.mark.parametrize("form", [name for name in FORMS if name != "allowTags as a list"])
def test_each_form_means_the_same(form: str) -> None:
    made = migrated(FORMS[form])

    assert all(each.severity is Severity.WARNING for each in made.findings)
    assert rules(*made.manifests) == rules(FORMS[form])
    assert migrated(*made.manifests).manifests == made.manifests


@pytest.mark.parametrize("form", FORMS)
def test_both_crds_take_what_is_made(
    api_server: ApiServer, official_server: ApiServer, form: str
) -> None:
    for each in migrated(FORMS[form]).manifests:
        for server in (api_server, official_server):
            name = each["metadata"]["name"]
            namespace = server.namespace("migrated")
            assert refusal(server, in_namespace(each, namespace, name)) == ""
        for crd in (official(), definition()):
            assert dropped_fields(schema_of(crd), each) == []


@pytest.mark.parametrize(
    ("listed", "allowed", "refused"),
    [
        (["^v[0-9]", "^main-"], ["v1", "main-a"], ["1", "x-main-"]),
        (["(?i)A$", "b"], ["a", "cA", "abc"], ["ac", "B"]),
        (["a|^b", "c"], ["xa", "b", "xc"], ["xb"]),
        (["^v"], ["v1"], ["1"]),
        (["(?P<a>1)", "(?P<a>2)"], ["1", "2"], ["3"]),
    ],
    ids=["two", "flags of one", "alternatives in one", "one", "a name twice"],
)
def test_a_list_of_expressions_allows_the_same_as_one(
    listed: list[str], allowed: list[str], refused: list[str]
) -> None:
    given = with_image(allowTags=[{"regex": each} for each in listed])

    [made] = migrated(given).manifests

    settings = made["spec"]["applicationRefs"][0]["images"][0]["commonUpdateSettings"]
    assert isinstance(settings["allowTags"], str)
    for resource in (given, made):
        [(_, _, policy_settings, *_)] = rules(resource)
        filters = compile_policy(policy_settings).filters
        assert [tag for tag in allowed + refused if filters.refusal(tag) is None] == allowed


@pytest.mark.parametrize(
    "listed", [["(", "a"], ["\\Qa", "b"]],
    ids=["no expression", "an open quotation"],
)  # fmt: skip
def test_expressions_that_cannot_be_one_leave_the_resource_out(listed: list[str]) -> None:
    made = migrated(with_image(allowTags=[{"regex": each} for each in listed]))

    assert made.manifests == []
    assert [each.code for each in made.findings] == ["RT398", "RT399"]


def test_a_faulty_resource_is_left_out_whole() -> None:
    made = migrated(
        manifest(ref("web", image(), {"alias": "api"}), name="one"), with_image(pin=1.1)
    )

    assert made.manifests == []
    assert [each.code for each in made.findings].count("RT399") == 2


def test_what_is_no_imageupdater_is_told() -> None:
    made = migrated(with_image() | {"kind": "ImageUpdate"})

    assert [each.code for each in made.findings] == ["RT309"]


@pytest.mark.parametrize("form", OURS)
def test_retags_own_fields_are_told_to_be_lost(form: str) -> None:
    made = migrated(OURS[form])

    [finding] = [each for each in made.findings if each.severity is Severity.ERROR]
    name = form.partition(" ")[0]
    assert finding.what == f"{name} is left behind: the official schema has no such field"
    assert finding.path.endswith(name)
    assert dropped_fields(schema_of(official()), made.manifests[0]) == []


VERIFIED = {
    "a key above": ({"enabled": True}, None, {}),
    "a key of each": (KEY, KEY, {}),
    "another key below": (KEY, OTHER, {"enabled": True}),
    "off above, a key below": ({"enabled": False}, KEY, {}),
    "off above, on below": ({"enabled": False} | KEY, {"enabled": True}, {}),
    "on above without a key": ({"enabled": True}, KEY, {}),
    "off below": (KEY, {"enabled": False}, {}),
}


@pytest.mark.parametrize("case", VERIFIED)
def test_signatures_are_asked_for_as_before(official_server: ApiServer, case: str) -> None:
    of_spec, of_ref, of_image = VERIFIED[case]
    if case == "a key above":
        of_spec, of_image = KEY, {"enabled": True}
    fields = {"imagesVerification": of_ref} if of_ref else {}
    item = image(imagesVerification=of_image) if of_image else image()
    given = manifest(ref("web", item, **fields)) | {}
    given["spec"]["imagesVerification"] = of_spec

    [made] = migrated(given).manifests

    assert rules(made) == rules(given)
    namespace = official_server.namespace("verified")
    assert refusal(official_server, in_namespace(made, namespace)) == ""


@pytest.mark.parametrize("above", ["spec", "ref"])
def test_a_credential_of_the_operators_is_left_behind_and_hides_that_above(above: str) -> None:
    secret: dict[str, Any] = {"commonUpdateSettings": {"pullSecret": "secret:argocd/a#b"}}
    given = manifest(ref("web", image(pullSecret="env:NAME")))
    (given["spec"] if above == "spec" else given["spec"]["applicationRefs"][0]).update(secret)

    made = migrated(given)

    assert rules(*made.manifests) == rules(given)
    assert [each.what for each in made.findings] == [
        "env:, file: and ext: are not honoured in rules"
    ]
    [alone] = migrated(with_image(pullSecret="env:NAME")).manifests
    assert "commonUpdateSettings" not in alone["spec"]["applicationRefs"][0]["images"][0]


def test_the_metadata_that_people_wrote_stays() -> None:
    given = with_image()
    note = "kubectl.kubernetes.io/last-applied-configuration"
    given["metadata"] |= {
        "uid": "1",
        "resourceVersion": "2",
        "labels": {"team": "web"},
        "annotations": {note: "{}", "argocd.argoproj.io/sync-wave": "1"},
    }

    [made] = migrated(given).manifests

    assert made["metadata"] == {
        "name": "updater",
        "namespace": "argocd",
        "labels": {"team": "web"},
        "annotations": {"argocd.argoproj.io/sync-wave": "1"},
    }
    assert made["spec"]["applicationRefs"][0]["images"][0]["imageName"] == f"{WEB}:1.x"


def test_refs_of_one_pattern_are_resources_of_two_names() -> None:
    given = manifest(ref("web", image(alias="a")), ref("web", image(alias="b")))

    made = migrated(given).manifests

    assert [each["metadata"]["name"] for each in made] == ["updater", "updater-2"]

    made = migrated(given, manifest(ref("job", image()), name="updater-2")).manifests
    names = [each["metadata"]["name"] for each in made]
    assert names == ["updater", "updater-2", "updater-2-2"]
    assert made[1]["spec"]["applicationRefs"][0]["namePattern"] == "job"


def test_the_older_namespace_is_where_the_resource_is_put() -> None:
    given = manifest(ref("web", image()), name="rules")
    given["metadata"].pop("namespace")
    given["spec"]["namespace"] = "shops"

    [made] = migrated(given).manifests

    assert made["metadata"] == {"name": "rules", "namespace": "shops"}


def test_aliases_that_become_one_are_told_apart() -> None:
    images = (
        image(alias=alias, imageName=f"{WEB}{ord(alias[1])}{len(alias)}")
        for alias in ("a_b", "a/b", "-b")
    )

    made = migrated(manifest(ref("web", *images)))

    [of_ref] = made.manifests[0]["spec"]["applicationRefs"]
    assert [each["alias"] for each in of_ref["images"]] == ["a_b", "a_b-2", "b"]
    assert [each.code for each in made.findings] == ["RT398", "RT398"]
