"""A rule's pull secret is of the resource's own namespace, as the Image Updater has it."""

from __future__ import annotations

import pytest

from cmp.rules import Application, rules_for, rules_in

TEXT = """\
apiVersion: argocd-image-updater.argoproj.io/v1alpha1
kind: ImageUpdater
metadata: {{name: updater{namespace}}}
spec:
  applicationRefs:
    - namePattern: web
      images:
        - {{alias: a, imageName: example.com/a, commonUpdateSettings: {{pullSecret: '{secret}'}}}}
        - {{alias: b, imageName: example.com/b}}
"""
WEB = Application(name="web", namespace="team")


@pytest.mark.parametrize(
    "secret",
    [
        "secret:other/zot#login",
        "pullsecret:argocd/zot",
        "Secret:other/zot#a",
        "x=secret:other/z#a",
    ],
)
def test_a_secret_of_another_namespace_disables_its_image_alone(secret: str) -> None:
    rules = rules_in(TEXT.format(secret=secret, namespace=", namespace: team"), "r")
    matched = rules_for(rules, WEB)

    told = [finding.code for each in rules.resources for finding in each.all_findings()]
    assert told.count("RT358") == 1  # whether or not there is an Application for it
    assert [rule.alias for rule in matched.rules] == ["b"]
    (unit,) = matched.disabled
    assert "and the resource is in team" in unit.what
    assert [finding.code for finding in unit.findings] == ["RT358"]


@pytest.mark.parametrize(
    ("secret", "namespace"),
    [
        pytest.param("secret:team/zot#login", ", namespace: team", id="its own"),
        pytest.param("pullsecret:team/zot", ", namespace: team", id="its own, whole"),
        pytest.param("pullsecret:other/zot", "", id="a file of the operator without a namespace"),
    ],
)
def test_other_secrets_are_named_as_they_are(secret: str, namespace: str) -> None:
    matched = rules_for(rules_in(TEXT.format(secret=secret, namespace=namespace), "r"), WEB)

    assert [rule.pull_secret for rule in matched.rules] == [secret, ""]
