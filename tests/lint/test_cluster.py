"""`lint --cluster`: what the CRD that is installed does to rules, and what lies in the cluster."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cmp.cli.lint import command
from cmp.errors import Finding, Severity
from cmp.lint import ClusterObjects, lint
from cmp.rules.crd import definition
from tests.crd.forms import OLDER, OURS, image, with_image
from tests.crd.install import install, uninstall
from tests.crd.official import official
from tests.crd.server import create, in_namespace
from tests.rules.updaters import manifest, ref
from tests.servers.kubernetes import ApiServer

_NOTE = "kubectl.kubernetes.io/last-applied-configuration"


def found(cluster: ClusterObjects, *files: Path) -> list[Finding]:
    return lint(files, None, environment={}, cluster=cluster)


def stored(resource: Any, **metadata: Any) -> Any:
    """*resource* as it comes out of a cluster."""
    held = {"uid": "1", "managedFields": [{"manager": "kubectl"}], **metadata}
    return resource | {"metadata": resource["metadata"] | held, "status": {"imagesManaged": 1}}


def test_a_missing_crd_is_an_error() -> None:
    [finding] = found(ClusterObjects(crd=None))

    assert (finding.code, finding.severity) == ("RT395", Severity.ERROR)
    assert "kubectl apply --server-side" in finding.remedy


def test_a_crd_that_may_not_be_read_is_a_warning() -> None:
    [finding] = found(ClusterObjects(crd=None, unread="the API server says 403"))

    assert (finding.code, finding.severity) == ("RT395", Severity.WARNING)
    assert "the API server says 403" in finding.what


def test_retags_own_crd_and_sound_rules_are_no_finding() -> None:
    assert found(ClusterObjects(crd=definition(), updaters=[stored(with_image())])) == []


def test_the_official_crd_is_told_with_what_it_drops() -> None:
    [finding] = found(ClusterObjects(crd=official()))

    assert finding.code == "RT396"
    assert "spec.applicationRefs[].commonUpdateSettings.denyTags" in finding.what
    assert " more without a word" in finding.what


def test_a_crd_that_lacks_little_is_told_whole() -> None:
    crd = definition()
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    del schema["properties"]["spec"]["properties"]["namespace"]

    [finding] = found(ClusterObjects(crd=crd))

    assert finding.what == "this is not Retag's: the cluster drops spec.namespace without a word"


def test_a_crd_without_our_version_drops_all() -> None:
    crd = definition()
    crd["spec"]["versions"][0]["name"] = "v1beta1"

    [finding] = found(ClusterObjects(crd=crd))

    assert "drops spec, status without a word" in finding.what


@pytest.mark.parametrize("form", OURS)
def test_a_field_of_a_file_that_the_cluster_drops_is_told_where_it_stands(
    tmp_path: Path, form: str
) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(json.dumps(OURS[form], indent=1))

    findings = found(ClusterObjects(crd=official()), path)

    [finding] = [each for each in findings if each.code == "RT397"]
    assert finding.severity is Severity.ERROR
    assert finding.path.endswith(form.partition(" ")[0])
    assert finding.place.line > 1


def test_a_typing_error_is_no_field_that_the_crd_should_have(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(json.dumps(with_image(colour="blue")))

    assert "RT397" not in {each.code for each in found(ClusterObjects(crd=official()), path)}


def test_a_file_that_holds_no_mapping_has_no_fields(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text("- kind: ImageUpdater\n  apiVersion: argocd-image-updater.argoproj.io/v1\n")

    assert "RT397" not in {each.code for each in found(ClusterObjects(crd=official()), path)}


def test_what_kubectl_applied_and_the_cluster_dropped_is_told() -> None:
    note = json.dumps(OURS["denyTags of an image"])
    updater = stored(with_image(commonUpdateSettings={}), annotations={_NOTE: note})

    findings = found(ClusterObjects(crd=official(), updaters=[updater]))

    [finding] = [each for each in findings if each.code == "RT397"]
    assert str(finding.place) == "ImageUpdater argocd/updater"
    assert "drops denyTags without a word" in finding.what


@pytest.mark.parametrize("note", ["{", "[]"])
def test_a_note_that_is_none_says_nothing(note: str) -> None:
    updater = stored(with_image(), annotations={_NOTE: note})

    findings = found(ClusterObjects(crd=official(), updaters=[updater]))

    assert [each.code for each in findings] == ["RT396"]


def test_defaults_that_the_crd_of_v1_3_stored_are_told_with_what_they_hide() -> None:
    block = {"updateStrategy": "semver", "forceUpdate": False}
    updater = manifest(
        ref("web", image(commonUpdateSettings=block)),
        commonUpdateSettings={"updateStrategy": "newest-build"},
    )

    [finding] = found(ClusterObjects(crd=definition(), updaters=[stored(updater)]))

    assert finding.code == "RT384"
    assert "hide newest-build above" in finding.what
    assert str(finding.place) == "ImageUpdater argocd/updater"


def test_the_annotations_of_an_application_are_looked_at() -> None:
    name = "argocd-image-updater.argoproj.io/web.allow-tag"
    listed = "argocd-image-updater.argoproj.io/image-list"
    annotations = {listed: "web=registry.example.com/web", name: "regexp:^v"}
    application = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": "shop", "namespace": "argocd", "annotations": annotations},
        "status": {"sourceType": "Plugin"},
    }

    findings = found(ClusterObjects(crd=definition(), applications=[application]))

    places = {str(each.place) for each in findings if each.code == "RT390"}
    assert places == {"Application argocd/shop"}


def in_cluster(server: ApiServer, *arguments: str) -> Any:
    """`retag lint --cluster` there."""
    kubeconfig = ["--cluster", "--kubeconfig", str(server.kubeconfig)]
    return CliRunner().invoke(command, [*kubeconfig, *arguments], standalone_mode=False)


def test_a_cluster_is_read(other_server: ApiServer) -> None:
    install(other_server, "ours")
    namespace = other_server.namespace("linted")
    create(other_server, in_namespace(with_image(), namespace))

    sound = in_cluster(other_server, "--watch-namespaces", namespace)
    create(other_server, in_namespace(OLDER["no alias"], namespace, "older"))
    odd = in_cluster(other_server, "--watch-namespaces", namespace, "-o", "json")

    assert (sound.return_value, sound.stdout) == (0, "")
    assert sound.stderr == "1 ImageUpdater, 0 Applications, nothing found\n"
    assert odd.return_value == 1
    findings = json.loads(odd.stdout)["findings"]
    told = {(each["code"], each["file"]) for each in findings}
    assert ("RT312", "ImageUpdater linted/older") in told


def test_a_cluster_without_the_crd_and_an_account_that_may_not_read_it_are_told(
    other_server: ApiServer,
) -> None:
    namespace = other_server.namespace("linted-as")
    install(other_server, "ours")
    account = {"metadata": {"name": "reader", "namespace": namespace}}
    other_server.apply({"apiVersion": "v1", "kind": "ServiceAccount", **account})
    rights = "rbac.authorization.k8s.io"
    resources = ["imageupdaters", "applications"]
    rule = {"apiGroups": ["*"], "resources": resources, "verbs": ["list"]}
    role = {"apiVersion": f"{rights}/v1", "kind": "Role", **account, "rules": [rule]}
    subject = {"kind": "ServiceAccount", "name": "reader", "namespace": namespace}
    bound = {
        "roleRef": {"apiGroup": rights, "kind": "Role", "name": "reader"},
        "subjects": [subject],
    }
    binding = {"apiVersion": f"{rights}/v1", "kind": "RoleBinding", **account, **bound}
    other_server.apply(role, binding)
    token = other_server.token_of(namespace, "reader")
    kubeconfig = other_server.kubeconfig_for(token, "reader", namespace)

    done = in_cluster(other_server, "--kubeconfig", str(kubeconfig))
    uninstall(other_server)
    missing = in_cluster(other_server)

    assert done.return_value == 1
    assert "warning: CustomResourceDefinition" in done.stdout
    assert missing.return_value == 1
    assert "the cluster has no such kind" in missing.stdout
