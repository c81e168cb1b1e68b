"""From the official CRD to ours: what is stored stays valid, and what was refused is taken."""

from __future__ import annotations

import json

import pytest

from cmp.rules.crd import definition
from cmp.rules.pruning import dropped_fields, lacking_fields, schema_of
from tests.crd.forms import OFFICIAL, OLDER, OURS, image
from tests.crd.install import install
from tests.crd.official import official
from tests.crd.server import create, in_namespace, path, read, refusal
from tests.rules.updaters import manifest, ref
from tests.servers.kubernetes import ApiServer


@pytest.mark.parametrize("version", ["v1.3", "v1.4"])
def test_what_the_official_crd_stored_stays_valid_under_ours(
    other_server: ApiServer, version: str
) -> None:
    namespace = other_server.namespace(f"upgrade-{version.replace('.', '-')}")
    install(other_server, version)
    given = [
        in_namespace(each, namespace, f"object-{number}")
        for number, each in enumerate(OFFICIAL.values())
    ]
    stored = [create(other_server, each) for each in given]

    install(other_server, "ours")

    for before in stored:
        assert read(other_server, before) == before
        changed = before | {"metadata": before["metadata"] | {"labels": {"team": "web"}}}
        other_server.request("PUT", path(other_server, before), changed)
        assert read(other_server, before)["spec"] == before["spec"]


def test_an_object_applied_under_the_official_crd_is_applied_anew_under_ours(
    other_server: ApiServer,
) -> None:
    namespace = other_server.namespace("upgrade-apply")
    install(other_server, "v1.4")
    first = in_namespace(manifest(ref("web", image(), image(alias="api"))), namespace)
    other_server.apply(first)

    install(other_server, "ours")
    second = in_namespace(manifest(ref("web", image(pin="v1.4.2"))), namespace)
    other_server.apply(second)

    assert read(other_server, second)["spec"]["applicationRefs"][0]["images"] == [
        image(pin="v1.4.2")
    ]


@pytest.fixture
def officially(other_server: ApiServer) -> ApiServer:
    install(other_server, "v1.4")
    return other_server


@pytest.mark.parametrize("form", OURS)
def test_the_official_crd_drops_what_we_say_it_drops(officially: ApiServer, form: str) -> None:
    namespace = officially.namespace("dropped")
    given = in_namespace(OURS[form], namespace, f"ours-{list(OURS).index(form)}")

    stored = create(officially, given)

    dropped = dropped_fields(schema_of(official()), given)
    assert [each.rpartition(".")[2] for each in dropped] == [form.partition(" ")[0]]
    assert dropped_fields(schema_of(definition()), given) == []
    assert dropped_fields(schema_of(official()), stored) == []
    assert dropped[0].rpartition(".")[2] not in json.dumps(stored["spec"])


@pytest.mark.parametrize("form", OLDER)
def test_the_official_crd_refuses_or_drops_the_older_form(
    officially: ApiServer, form: str
) -> None:
    given = in_namespace(OLDER[form], officially.namespace("older"))

    refused = refusal(officially, given)

    assert refused
    dropped = dropped_fields(schema_of(official()), given)
    assert not dropped or "strict decoding error: unknown field" in refused


def test_the_official_crd_lacks_what_is_ours_and_what_is_older() -> None:
    lacking = lacking_fields(schema_of(official()))

    assert lacking_fields(schema_of(definition())) == []
    assert {"spec.namespace", "spec.commonUpdateSettings.denyTags"} < set(lacking)
    assert "spec.applicationRefs[].images[].pin" in lacking
    assert "spec.writeBackConfig.gitCommitUser" in lacking
    assert not any("alias" in each for each in lacking)
