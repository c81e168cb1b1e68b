"""Secrets that rules name are there, with the keys that are named, for both roles to read."""

from __future__ import annotations

import pytest

from cmp.cli.doctor import judged
from sidecar.doctor.result import State
from sidecar.kubernetes import IMAGE_UPDATERS
from tests.doctor.conftest import NOW, Installation, updater
from tests.doctor.test_in_the_cluster import CONTROLLER, RBAC, SERVER, _may

PULL = "pull-secret"


def _with_a_rule(it: Installation, form: str) -> None:
    """A rule whose `pullSecret` has this *form*, and the right to read what it names."""
    rule = updater()
    image = rule["spec"]["applicationRefs"][0]["images"][0]
    image["commonUpdateSettings"] = {"pullSecret": form.format(f"{it.name}/{PULL}")}
    it.put(rule)
    it.patch(
        f"{RBAC}/roles/retag-credentials",
        {"op": "add", "path": "/rules/0/resourceNames/-", "value": PULL},
    )


def _with_the_secret(it: Installation, key: str) -> None:
    metadata = {"name": PULL}
    it.put(
        {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {key: "a:b"}}
    )


@pytest.mark.parametrize(
    ("form", "key"),
    [("secret:{}#login", "login"), ("pullsecret:{}", ".dockerconfigjson")],
    ids=["a field", "a pull secret"],
)
def test_a_secret_of_a_rule_is_there_with_its_key(
    installation: Installation, form: str, key: str
) -> None:
    _with_a_rule(installation, form)

    assert installation.troubles() == {
        "RT134": "rules name Secrets that are not there, or keys that they lack: "
        f"{installation.name}/{PULL}"
    }

    _with_the_secret(installation, "other")

    assert installation.troubles()["RT134"].endswith(f": {installation.name}/{PULL}#{key}")

    _with_the_secret(installation, key)

    assert installation.troubles() == {}


def test_a_key_of_signatures_is_one_of_them(installation: Installation) -> None:
    rule = updater()
    key = {"secretName": PULL, "key": "cosign.pub"}
    rule["spec"]["imagesVerification"] = {"cosignKey": key}
    installation.put(rule)

    troubles = installation.troubles()

    assert troubles.keys() == {"RT130", "RT134"}
    assert f"{installation.name}/{PULL}" in troubles["RT130"]
    assert f"{installation.name}/{PULL}" in troubles["RT134"]


def test_a_secret_that_may_not_be_looked_at_is_not_called_missing(
    installation: Installation,
) -> None:
    _with_a_rule(installation, "secret:{}#login")
    groups = ("deployments", "configmaps", "leases", "applications")
    token = _may(installation, "nobody", *groups, "imageupdaters")
    group = {"op": "add", "path": "/rules/0/apiGroups/-", "value": IMAGE_UPDATERS.group}
    installation.patch(f"{RBAC}/roles/extra", group)

    results = list(judged(installation.facts(token), NOW))

    hidden = {each.subject for each in results if each.code == "RT113"}
    assert "Secrets of rules" in hidden
    assert "RT134" not in {each.code for each in results}


def test_secrets_in_a_folder_are_not_looked_for_in_the_cluster(installation: Installation) -> None:
    _with_a_rule(installation, "secret:{}#login")
    for path, at in ((SERVER, "initContainers/0"), (CONTROLLER, "containers/0")):
        place = f"/spec/template/spec/{at}/args/-"
        installation.patch(path, {"op": "add", "path": place, "value": "--secrets=/secrets"})

    results = list(judged(installation.facts(), NOW))

    assert "Secrets of rules" not in {each.subject for each in results}
    assert [each for each in results if each.state is State.ERROR] == []
