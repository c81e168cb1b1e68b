"""Each trouble of an installation, made on the real API server; before it, all is well."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from cmp.cli.doctor import judged
from sidecar.doctor.installation import leads
from sidecar.doctor.result import State, told_in_a_pod
from tests.doctor.conftest import NOW, Installation, application, lease, updater

SERVER = "apis/apps/v1/deployments/argocd-repo-server"
CONTROLLER = "apis/apps/v1/deployments/retag-controller"
LEASE = "apis/coordination.k8s.io/v1/leases/retag-controller"
POD = "/spec/template/spec"


def test_nothing_is_found_where_all_is_well(installation: Installation) -> None:
    assert installation.troubles() == {}


def _replace(path: str, value: Any) -> dict[str, Any]:
    return {"op": "replace", "path": path, "value": value}


def _index(installation: Installation, path: str, name: str) -> str:
    pod = installation.get(path)["spec"]["template"]["spec"]
    for kind in ("initContainers", "containers"):
        names = [each["name"] for each in pod.get(kind, [])]
        if name in names:
            return f"{POD}/{kind}/{names.index(name)}"
    raise AssertionError(name)


def _without_account_rights(it: Installation) -> None:
    it.delete("apis/rbac.authorization.k8s.io/v1/roles/retag-resolver")


def _without_leases(it: Installation) -> None:
    path = "apis/rbac.authorization.k8s.io/v1/roles/retag-controller"
    rules = it.get(path)["rules"]
    kept = [rule for rule in rules if "leases" not in rule["resources"]]
    it.patch(path, _replace("/rules", kept))


def _without_repo_server(it: Installation) -> None:
    it.delete(SERVER)


def _without_resolver(it: Installation) -> None:
    it.patch(SERVER, {"op": "remove", "path": _index(it, SERVER, "retag-resolver")})


def _without_plugin(it: Installation) -> None:
    it.patch(SERVER, {"op": "remove", "path": _index(it, SERVER, "retag")})


def _with_a_socket_to_write(it: Installation) -> None:
    place = _index(it, SERVER, "retag")
    mounts = [
        {key: value for key, value in each.items() if key != "readOnly"}
        for each in it.get(SERVER)["spec"]["template"]["spec"]["containers"][-1]["volumeMounts"]
    ]
    assert any(each["mountPath"] == "/run/retag" for each in mounts)
    it.patch(SERVER, _replace(f"{place}/volumeMounts", mounts))


def _with_the_token_in_the_plugin(it: Installation) -> None:
    it.patch(SERVER, _replace(f"{POD}/automountServiceAccountToken", True))


def _as_one_user(it: Installation) -> None:
    place = _index(it, SERVER, "retag-resolver")
    it.patch(SERVER, _replace(f"{place}/securityContext/runAsUser", 999))


def _without_the_config_map(it: Installation) -> None:
    it.delete("api/v1/configmaps/retag-registries")


def _without_its_key(it: Installation) -> None:
    it.patch("api/v1/configmaps/retag-registries", _replace("/data", {"other": ""}))


def _without_the_mount(it: Installation) -> None:
    place = _index(it, CONTROLLER, "controller")
    tls = [{"name": "tls-certs", "mountPath": "/app/config/tls"}]
    it.patch(CONTROLLER, _replace(f"{place}/volumeMounts", tls))


def _give(it: Installation, flag: str) -> None:
    place = _index(it, SERVER, "retag-resolver")
    it.patch(SERVER, {"op": "add", "path": f"{place}/args/-", "value": flag})


def _with_an_old_flag(it: Installation) -> None:
    _give(it, "--match-application-label=a")


def _with_a_flag_of_nobody(it: Installation) -> None:
    _give(it, "--registrys=x")


def _with_both(it: Installation) -> None:
    _with_a_flag_of_nobody(it)
    _with_an_old_flag(it)


def _with_cached_errors(it: Installation) -> None:
    place = _index(it, SERVER, "argocd-repo-server")
    it.patch(SERVER, {"op": "remove", "path": f"{place}/env"})


def _with_history(it: Installation) -> None:
    it.patch("api/v1/configmaps/argocd-cmd-params-cm", {"op": "remove", "path": "/data"})


def _with_an_empty_folder(it: Installation) -> None:
    data = {"reposerver.plugin.tar.exclusions": ".git/*"}
    it.patch("api/v1/configmaps/argocd-cmd-params-cm", _replace("/data", data))


def _with_replicas(it: Installation) -> None:
    it.patch(SERVER, _replace("/spec/replicas", 3))


def _with_replicas_alone(it: Installation) -> None:
    _with_replicas(it)
    _without_controller(it)


def _without_controller(it: Installation) -> None:
    it.delete(CONTROLLER)


def _without_leader(it: Installation) -> None:
    it.delete(LEASE)


def _with_a_leader_that_died(it: Installation) -> None:
    it.put(lease(renewed="2026-06-01T11:55:00.000000Z"))


def _scaled_to_none(it: Installation) -> None:
    it.patch(CONTROLLER, _replace("/spec/replicas", 0))


def _with_no_pod_that_is_ready(it: Installation) -> None:
    path = f"/apis/apps/v1/namespaces/{it.name}/deployments/retag-controller/status"
    status = {"observedGeneration": 1, "replicas": 2, "unavailableReplicas": 2}
    it.server.patch(path, [{"op": "add", "path": "/status", "value": status}])


def _without_plugin_name(it: Installation) -> None:
    source = {"repoURL": "https://git.example.com/a.git", "path": "a", "plugin": {}}
    it.put(application("my-unnamed", source=source))


def _without_self_heal(it: Installation) -> None:
    it.put(application("my-manual", syncPolicy={"automated": {}}))
    _without_leader(it)


def _hydrated(it: Installation) -> None:
    dry = {"repoURL": "https://git.example.com/a.git", "plugin": {"name": "retag"}}
    it.put(application("my-dry", source=None, sourceHydrator={"drySource": dry}))


def _with_a_cached_error(it: Installation) -> None:
    message = "rpc error: Manifest generation error (cached): made up"
    conditions = [{"type": "ComparisonError", "message": message}]
    it.put(application("my-cached", status={"conditions": conditions}))


def _with_hooks(it: Installation) -> None:
    hook = {"kind": "Job", "name": "migrate", "hook": True}
    it.put(application("my-hooked", status={"resources": [hook]}))


def _without_what_a_wave_makes(it: Installation) -> None:
    missing = {"kind": "ImageUpdater", "namespace": it.name, "name": "late", "status": "OutOfSync"}
    state = {"phase": "Running", "message": "waiting for healthy state of apps/Deployment/x"}
    status = {"resources": [missing], "operationState": state}
    it.put(application("platform", source={}, status=status))


RBAC = "apis/rbac.authorization.k8s.io/v1"
POLICY = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolic"
CONF = "api/v1/configmaps/retag-registries"


def _without_the_login(it: Installation) -> None:
    it.delete("api/v1/secrets/zot-login")


def _without_the_key_of_the_login(it: Installation) -> None:
    it.patch("api/v1/secrets/zot-login", _replace("/data", {"other": "YTpi"}))


def _with_a_pull_secret_without_its_key(it: Installation) -> None:
    _name(it, f"pullsecret:{it.name}/zot-login", f"secret:{it.name}/zot-login#zot.credentials")


def _without_the_role_for_it(it: Installation) -> None:
    it.delete(f"{RBAC}/roles/retag-credentials")


def _without_the_binding_for_it(it: Installation) -> None:
    it.delete(f"{RBAC}/rolebindings/retag-credentials")


def _bound_to_the_controller_only(it: Installation) -> None:
    path = f"{RBAC}/rolebindings/retag-credentials"
    subjects = [each for each in it.get(path)["subjects"] if each["name"] == "retag-controller"]
    it.patch(path, _replace("/subjects", subjects))


def _with_a_pull_secret_of_nobody(it: Installation) -> None:
    _name(it, f"pullsecret:{it.name}/made-up", f"secret:{it.name}/zot-login#zot.credentials")


def _name(it: Installation, *credentials: Any) -> None:
    entries = [
        {"name": str(number), "prefix": f"{number}.example.com", "credentials": each}
        for number, each in enumerate(credentials)
    ]
    it.patch(CONF, _replace("/data/registries.conf", json.dumps({"registries": entries})))


def _without_the_policy_for_applications(it: Installation) -> None:
    it.server.request("DELETE", f"{POLICY}ies/retag-controller-applications")


def _without_the_binding_for_applications(it: Installation) -> None:
    it.server.request("DELETE", f"{POLICY}ybindings/retag-controller-applications")


def _without_anything_for_records(it: Installation) -> None:
    it.server.request("DELETE", f"{POLICY}ies/retag-controller-records")
    it.server.request("DELETE", f"{POLICY}ybindings/retag-controller-records")


def _state(it: Installation, global_projects: str) -> None:
    metadata = {"name": "argocd-cm", "namespace": it.name}
    data = {"globalProjects": global_projects}
    it.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})


def _with_global_projects_of_nobody(it: Installation) -> None:
    _state(it, "global")


def _with_a_global_project_twice(it: Installation) -> None:
    _state(it, "[{projectName: a, projectName: b}]")


Broken = Callable[[Installation], None]
APPLICATIONS = "retag-controller-applications, so"
TROUBLES: list[tuple[Broken, dict[str, str]]] = [
    (_without_the_login, {"RT129": "/zot-login"}),
    (_without_the_key_of_the_login, {"RT129": "/zot-login#zot.credentials"}),
    (_with_a_pull_secret_without_its_key, {"RT129": "/zot-login#.dockerconfigjson"}),
    (_without_the_role_for_it, {"RT130": "account argocd-repo-server may not get doctor-"}),
    (_without_the_binding_for_it, {"RT130": "account argocd-repo-server may not get doctor-"}),
    (_bound_to_the_controller_only, {"RT130": "account argocd-repo-server may not get doctor-"}),
    (
        _with_a_pull_secret_of_nobody,
        {"RT129": "/made-up", "RT130": "account argocd-repo-server may not get doctor-"},
    ),
    (
        _without_the_policy_for_applications,
        {"RT131": f"there is no ValidatingAdmissionPolicy {APPLICATIONS}"},
    ),
    (
        _without_the_binding_for_applications,
        {"RT131": f"there is no ValidatingAdmissionPolicyBinding {APPLICATIONS}"},
    ),
    (
        _without_anything_for_records,
        {"RT131": "Policy and no ValidatingAdmissionPolicyBinding retag-controller-records"},
    ),
    (_with_global_projects_of_nobody, {"RT132": "Argo CD ignores globalProjects of argocd-cm"}),
    (_with_a_global_project_twice, {"RT132": "the controller starts no sync"}),
    (_without_account_rights, {"RT112": "the resolver's account argocd-repo-server may not get"}),
    (_without_leases, {"RT112": "create leases.coordination.k8s.io, get leases.coordination"}),
    (_without_repo_server, {"RT124": "there is no Deployment of argocd-repo-server"}),
    (_without_resolver, {"RT125": "argocd-repo-server has no container of the resolver"}),
    (_without_plugin, {"RT125": "argocd-repo-server has no container of the plugin"}),
    (_with_a_socket_to_write, {"RT126": "the plugin may write /run/retag"}),
    (_with_the_token_in_the_plugin, {"RT126": "the token of its account is mounted"}),
    (_as_one_user, {"RT126": "run as the same user"}),
    (_without_the_config_map, {"RT100": "the ConfigMap retag-registries is not there"}),
    (_without_its_key, {"RT100": "the ConfigMap retag-registries has no registries.conf"}),
    (_without_the_mount, {"RT100": "nothing is mounted at /etc/retag/registries/registries.conf"}),
    (_with_an_old_flag, {"RT108": "--match-application-label of the Image Updater"}),
    (_with_a_flag_of_nobody, {"RT105": "--registrys, which Retag does not know"}),
    (_with_both, {"RT105": "--registrys, which Retag", "RT108": "--match-application-label of"}),
    (_with_cached_errors, {"RT119": "ATTEMPTS is not set"}),
    (_with_history, {"RT120": "does not have .git"}),
    (_with_an_empty_folder, {"RT120": "leaves an empty folder"}),
    (
        _with_replicas_alone,
        {"RT122": "3 replicas of argocd-repo-server", "RT123": "there is no controller"},
    ),
    (_without_controller, {"RT123": "there is no controller"}),
    (_without_leader, {"RT127": "no replica of the controller leads"}),
    (_with_a_leader_that_died, {"RT127": "no replica of the controller leads"}),
    (_scaled_to_none, {"RT127": "the Deployment retag-controller is scaled to 0"}),
    (_with_no_pod_that_is_ready, {"RT127": "no Pod of the Deployment retag-controller is ready"}),
    (_without_plugin_name, {"RT114": "my-unnamed, whose sources do not name the plugin"}),
    (_without_self_heal, {"RT115": "my-manual: without selfHeal", "RT127": "no replica"}),
    (_hydrated, {"RT116": "my-dry: the source hydrator"}),
    (_with_a_cached_error, {"RT117": "my-cached: Argo CD repeats an earlier failure"}),
    (_with_hooks, {"RT118": "my-hooked: selfHeal applies a new tag without running hooks"}),
    (
        _without_what_a_wave_makes,
        {"RT128": "platform has not made ImageUpdater late; Argo CD says: waiting for healthy"},
    ),
]


@pytest.mark.parametrize(
    ("broken", "told"), TROUBLES, ids=[each.__name__.strip("_") for each, _ in TROUBLES]
)
def test_a_trouble_is_told_and_no_other(
    installation: Installation, broken: Broken, told: dict[str, str]
) -> None:
    broken(installation)

    found = installation.troubles()

    assert found.keys() == told.keys()
    for code, words in told.items():
        assert words in found[code]


def test_global_projects_are_counted(installation: Installation) -> None:
    _state(installation, "[{projectName: all}]")

    told = [each.what for each in judged(installation.facts(), NOW) if each.state is State.OK]

    assert "1 global projects may add sync windows" in told


def test_a_controller_scaled_to_none_is_well_besides_one_that_runs(
    installation: Installation,
) -> None:
    other = installation.get(CONTROLLER)
    spec = other["spec"] | {"replicas": 0}
    named = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "another"}}
    installation.put({**named, "spec": spec})

    assert installation.troubles() == {}


def test_an_application_without_self_heal_is_well_while_the_controller_delivers(
    installation: Installation,
) -> None:
    installation.put(application("my-manual", syncPolicy={"automated": {}}))

    assert installation.troubles() == {}


def test_replicas_are_well_while_there_is_a_controller_that_records(
    installation: Installation,
) -> None:
    _with_replicas(installation)

    assert installation.troubles() == {}


def test_an_application_that_no_rule_matches_is_none_of_ours(installation: Installation) -> None:
    installation.put(application("other", source={"path": "a"}, sourceHydrator={}))

    assert installation.troubles() == {}


@pytest.mark.parametrize(
    "text",
    ["", "[", "1", "registries: 1", "registries: [1, {credentials: 1}]"],
    ids=["empty", "no YAML", "a number", "no list", "no text"],
)
def test_registries_conf_that_names_no_secret_needs_none(
    installation: Installation, text: str
) -> None:
    installation.patch(CONF, _replace("/data/registries.conf", text))
    _without_the_login(installation)

    assert installation.troubles() == {}


def test_credentials_that_are_no_secrets_are_not_looked_for(installation: Installation) -> None:
    _name(installation, "env:LOGIN", "file:/login", "secret:made-up", None)
    _without_the_login(installation)

    assert installation.troubles() == {}


def test_secrets_of_a_folder_are_not_looked_for_in_the_cluster(
    installation: Installation,
) -> None:
    for path, container in ((SERVER, "retag-resolver"), (CONTROLLER, "controller")):
        place = _index(installation, path, container)
        flag = {"op": "add", "path": f"{place}/args/-", "value": "--secrets=/secrets"}
        installation.patch(path, flag)
    _without_the_login(installation)

    assert installation.troubles() == {}


def _may(it: Installation, account: str, *resources: str) -> str:
    """A token of *account*, which may read *resources* besides what it may anyway."""
    kind = "rbac.authorization.k8s.io"
    name = {"metadata": {"name": "extra"}, "apiVersion": f"{kind}/v1"}
    groups = ["", "apps", "coordination.k8s.io", "argoproj.io"]
    rule = {"apiGroups": groups, "resources": [*resources], "verbs": ["get", "list"]}
    it.put({**name, "kind": "Role", "rules": [rule]})
    subject = {"kind": "ServiceAccount", "name": account, "namespace": it.name}
    role = {"apiGroup": kind, "kind": "Role", "name": "extra"}
    it.put({**name, "kind": "RoleBinding", "roleRef": role, "subjects": [subject]})
    it.put({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account}})
    return it.server.token_of(it.name, account)


_EVERYTHING = {
    "kind",
    "rights",
    "repo-server",
    "mounts",
    "settings",
    "controller",
    "policies",
    "Applications",
    "ImageUpdaters",
}


@pytest.mark.parametrize(
    ("readable", "unreadable"),
    [
        (["pods"], _EVERYTHING - {"mounts", "rights"}),
        (["deployments"], _EVERYTHING - {"repo-server"}),
        (
            ["deployments", "configmaps"],
            (_EVERYTHING | {"Secrets"}) - {"repo-server", "mounts", "settings"},
        ),
        (
            ["deployments", "configmaps", "leases", "applications", "secrets"],
            {"kind", "rights", "policies", "ImageUpdaters"},
        ),
    ],
)
def test_what_may_not_be_read_is_told(
    installation: Installation, readable: list[str], unreadable: set[str]
) -> None:
    token = _may(installation, "nobody", *readable)

    results = list(judged(installation.facts(token), NOW))

    assert {each.subject for each in results if each.code == "RT113"} == unreadable
    assert {each.code for each in results} <= {"RT113", ""}


def test_the_resolver_itself_sees_what_concerns_it(installation: Installation) -> None:
    token = installation.server.token_of(installation.name, "argocd-repo-server")

    results = list(judged(installation.facts(token), NOW))

    seen = {each.subject for each in results if each.state is State.OK}
    assert seen == {"Applications"}
    assert {each.code for each in results} == {"RT113", ""}


def test_who_may_not_read_the_lease_does_not_say_that_nobody_leads(
    installation: Installation,
) -> None:
    installation.put(application("my-manual", syncPolicy={"automated": {}}))
    token = installation.server.token_of(installation.name, "argocd-repo-server")

    results = told_in_a_pod(judged(installation.facts(token), NOW))

    assert {each.code for each in results} == {""}
    assert results[-1].subject == "cluster"
    assert "controller, kind, policies, repo-server" in results[-1].what


def test_what_the_account_of_a_pod_lacks_itself_is_told(installation: Installation) -> None:
    results = told_in_a_pod(judged(installation.facts(_may(installation, "nobody", "pods")), NOW))

    unread = {each.subject for each in results if each.code == "RT113"}
    assert unread == {"Applications", "ImageUpdaters"}


@pytest.mark.parametrize(
    ("found", "leading"),
    [
        (lease(), True),
        (lease(holder=""), False),
        (lease(renewed="2026-06-01T11:59:00.000000Z"), True),
        (lease(renewed="2026-06-01T11:58:00.000000Z"), False),
        ({"spec": {"holderIdentity": "a"}}, False),
        (None, False),
    ],
)
def test_a_lease_is_held_a_little_longer_than_it_says(
    found: dict[str, Any] | None, *, leading: bool
) -> None:
    assert leads(found, NOW) is leading


def test_many_names_are_counted(installation: Installation) -> None:
    for number in range(8):
        installation.put(application(f"my-{number}", source={}))
    installation.put(updater("more", "other-*"))

    found = installation.troubles()

    assert "my-0, " in found["RT114"]
    assert "and 3 more" in found["RT114"]
