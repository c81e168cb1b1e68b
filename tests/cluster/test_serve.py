"""`retag serve` beside a real API server: rules and Applications of the cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from cmp.plugin import wire
from cmp.store.open import open_persistent
from cmp.store.persistent import Contents
from examples.zot_storage import PROFANITY_API, both, write_repository
from sidecar.cluster import record_format
from sidecar.cluster.record import Record, Recorded, State
from tests.cluster.world import World, application, resolving, until, updater
from tests.kubernetes import crds
from tests.servers.kubernetes import ApiServer
from tests.servers.resolver import ResolverProcess
from tests.sidecar.mounts import registries, rules, zot_storage
from tests.sidecar.place import IMAGE, pod

PREFIX = "argocd-image-updater.argoproj.io"


@pytest.fixture
def world(api_server: ApiServer, request: pytest.FixtureRequest, tmp_path: Path) -> World:
    """A namespace of Argo CD's with the Application web, and no rules."""
    name = request.node.name.removeprefix("test_").replace("_", "-")[:60].strip("-")
    namespace = api_server.namespace(name)
    api_server.apply(application(namespace, labels={"tier": "web"}))
    return World(api_server, namespace, tmp_path)


@pytest.fixture
def fragile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """An API server that may be killed."""
    with ApiServer(tmp_path_factory.mktemp("fragile")) as server:
        yield server


def path_of(namespace: str, name: str = "web") -> str:
    return f"/apis/argoproj.io/v1alpha1/namespaces/{namespace}/applications/{name}"


def contents(store: Path) -> Contents:
    """All that the store remembers."""
    persistent = open_persistent(str(store), make=False)
    assert persistent is not None

    async def shown() -> Contents:
        try:
            return await persistent.contents()
        finally:
            await persistent.aclose()

    return asyncio.run(shown())


def test_a_rule_that_is_created_is_used_by_the_next_render(world: World) -> None:
    with resolving(world):
        assert world.tag() == "v1.0.0"
        world.server.apply(updater(world.namespace))
        until(lambda: world.tag() == "v1.10.0")
        world.server.apply(updater(world.namespace, constraint="1.2.x"))
        until(lambda: world.tag() == "v1.2.0")


def test_a_rule_that_is_deleted_rules_nothing(world: World) -> None:
    world.server.apply(updater(world.namespace))
    with resolving(world):
        assert world.tag() == "v1.10.0"
        path = world.server.path_of(updater(world.namespace))
        world.server.request("DELETE", f"{path}/web")
        until(lambda: world.tag() == "v1.0.0")


@pytest.mark.parametrize(
    ("selector", "tag"),
    [
        pytest.param({"matchLabels": {"tier": "web"}}, "v1.10.0", id="that match"),
        pytest.param({"matchLabels": {"tier": "db"}}, "v1.0.0", id="that do not match"),
    ],
)
def test_rules_select_by_labels(
    api_server: ApiServer, tmp_path: Path, selector: dict[str, Any], tag: str
) -> None:
    namespace = api_server.namespace(f"labels-{tag.replace('.', '-')}")
    api_server.apply(application(namespace, labels={"tier": "web"}))
    api_server.apply(updater(namespace, labelSelectors=selector))
    with resolving(World(api_server, namespace, tmp_path)) as world:
        assert world.tag() == tag


def test_rules_of_annotations_are_used(world: World) -> None:
    annotations = {f"{PREFIX}/image-list": f"api={IMAGE}:1.2.x"}
    world.server.apply(application(world.namespace, annotations=annotations))
    world.server.apply(updater(world.namespace, useAnnotations=True))
    with resolving(world):
        assert world.tag() == "v1.2.0"


def test_what_runs_stays_while_the_registry_is_silent(world: World) -> None:
    world.silent = True
    world.__post_init__()
    world.server.apply(application(world.namespace, images=[f"{IMAGE}:v1.2.0", "other:1"]))
    world.server.apply(updater(world.namespace))
    with resolving(world):
        assert world.tag() == "v1.2.0"


def test_what_the_controller_recorded_stays_while_the_registry_is_silent(world: World) -> None:
    store = world.folder / "store.db"
    world.options = ["--store", str(store)]
    world.__post_init__()
    world.server.apply(updater(world.namespace, constraint="1.2.x"))
    with resolving(world):
        assert world.tag() == "v1.2.0"
    (good,) = contents(store).choices["web"]
    store.unlink()
    recorded = Recorded(choice=good, good=good, state=State.DELIVERED, after=f"{IMAGE}:v1.2.0")
    record = Record(namespace=world.namespace, name="web", uid="1", choices=(recorded,))
    world.server.apply(record_format.config_map(record, world.namespace))
    world.silent = True
    world.__post_init__()
    with resolving(world):
        assert world.tag() == "v1.2.0"


def test_after_a_hard_refresh_nothing_older_is_used(world: World) -> None:
    world.server.apply(updater(world.namespace))
    with resolving(world):
        assert world.tag() == "v1.10.0"
        tags = {**PROFANITY_API, "v1.11.0": both("2026-01-01T00:00:00Z")}
        write_repository(world.folder / "zot", "profanity-api", tags)
        assert world.tag() == "v1.10.0"  # it was seen a moment ago
        asked = {"argocd.argoproj.io/refresh": "hard"}
        patch = {"metadata": {"annotations": asked}}
        world.server.patch(path_of(world.namespace), patch)
        gone = {"metadata": {"annotations": dict.fromkeys(asked)}}
        world.server.patch(path_of(world.namespace), gone)  # as Argo CD does
        until(lambda: world.tag() == "v1.11.0")


def test_a_hundred_broken_resources_leave_the_others_alone(world: World) -> None:
    broken = [
        updater(world.namespace, f"broken-{number}", allowed, namePattern=pattern)
        for number in range(50)
        for allowed, pattern in (("not a constraint !!", "other"), ("1.x", f"web-{number}-["))
    ]
    for number, each in enumerate(broken):
        each["metadata"]["name"] = f"broken-{number}"
    world.server.apply(*broken, updater(world.namespace))
    world.server.apply(application(world.namespace, "other"))
    with resolving(world):
        assert world.tag() == "v1.10.0"
        reply = world.ask(ARGOCD_APP_NAME="other")
        assert reply.exit_code == 3
        assert f"ImageUpdater {world.namespace}/broken-" in reply.stderr.decode()


@pytest.mark.parametrize(
    ("claim", "recorded"),
    [
        pytest.param({}, ["web"], id="its own"),
        pytest.param({"ARGOCD_APP_PROJECT_NAME": "other"}, [], id="of another project"),
        pytest.param({"ARGOCD_APP_SOURCE_PATH": "elsewhere"}, [], id="of another source"),
        pytest.param({"ARGOCD_APP_NAME": "absent"}, [], id="of an Application that is not there"),
    ],
)
def test_a_claim_records_only_what_can_be_the_applications_own(
    api_server: ApiServer, tmp_path: Path, claim: dict[str, str], recorded: Sequence[str]
) -> None:
    namespace = api_server.namespace(f"claims-{abs(hash(str(claim))) % 10**8}")
    api_server.apply(application(namespace), updater(namespace, namePattern="*"))
    store = tmp_path / "store.db"
    world = World(api_server, namespace, tmp_path, options=["--store", str(store)])
    with resolving(world):
        assert world.tag(**claim) == "v1.10.0"
    assert list(contents(store).choices) == recorded


_ROLE = Path(__file__).parent.parent.parent / "deploy" / "base" / "rbac-resolver.yaml"


def account(world: World, *, without: str = "") -> Path:
    """A kubeconfig of the account that deploy/ gives the resolver, but for the kind *without*."""
    namespace = world.namespace
    role, binding = yaml.safe_load_all(_ROLE.read_text())
    role["rules"] = [each for each in role["rules"] if without not in each["resources"]]
    (subject,) = binding["subjects"]
    for each in (role["metadata"], binding["metadata"], subject):
        each["namespace"] = namespace
    account = {"name": subject["name"], "namespace": namespace}
    world.server.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account})
    world.server.apply(role, binding)
    token = world.server.token_of(namespace, subject["name"])
    return world.server.kubeconfig_for(token, namespace, namespace)


def test_it_needs_no_rights_but_those_that_deploy_gives(world: World) -> None:
    world.kubeconfig = account(world)
    world.__post_init__()
    world.server.apply(updater(world.namespace))
    with resolving(world):
        assert world.tag() == "v1.10.0"
        assert world.metric('retag_watch_connected{kind="ConfigMap"}') == 1


def test_without_the_right_to_read_records_it_renders(world: World) -> None:
    world.kubeconfig = account(world, without="configmaps")
    world.__post_init__()
    world.server.apply(updater(world.namespace))
    with resolving(world):
        assert world.tag() == "v1.10.0"
        assert world.metric('retag_watch_connected{kind="ConfigMap"}') == 0


def refusal(world: World, path: str = wire.GENERATE) -> str:
    """The only line that a request gets."""
    reply = world.resolver.ask(b"a: 1\n", path, ARGOCD_APP_PROJECT_NAME="default")
    assert reply.exit_code == 6
    (line,) = reply.stderr.decode().splitlines()
    return line


def test_without_the_crd_a_line_says_so_until_it_is_installed(
    fragile: ApiServer, tmp_path: Path
) -> None:
    world = World(fragile, fragile.namespace("argocd"), tmp_path)
    with resolving(world), ThreadPoolExecutor() as threads:
        for line in threads.map(lambda path: refusal(world, path), [wire.GENERATE, wire.EXPLAIN]):
            assert "install the CustomResourceDefinition" in line
            assert line.endswith("[RT662]")
        crds.install(fragile)
        fragile.apply(application("argocd", labels={"tier": "web"}), updater("argocd"))
        until(lambda: world.ask().stdout.endswith(b"v1.10.0}\n"))


def test_without_the_api_server_it_goes_on_as_last_seen(
    fragile: ApiServer, tmp_path: Path
) -> None:
    crds.install(fragile)
    fragile.apply(application(fragile.namespace("argocd")), updater("argocd"))
    for name in ("stored", "fresh"):
        (tmp_path / name).mkdir()
    options = ["--store", str(tmp_path / "store.db")]
    stored = World(fragile, "argocd", tmp_path / "stored", options=options)
    fresh = World(fragile, "argocd", tmp_path / "fresh")
    with resolving(stored):
        assert stored.tag() == "v1.10.0"
        fragile.kill()
        until(lambda: stored.metric('retag_watch_connected{kind="ImageUpdater"}') == 0)
        assert stored.tag() == "v1.10.0"
        assert stored.resolver.get("/readyz")[0] == 200
    with resolving(stored), resolving(fresh), ThreadPoolExecutor() as threads:
        line = threads.submit(refusal, fresh)
        assert stored.tag() == "v1.10.0"
        assert not line.done()
        assert "were not read since the resolver began: cannot" in line.result()
        fragile.start()
        fragile.apply(updater("argocd", constraint="1.2.x"))
        until(lambda: stored.tag() == "v1.2.0")
        until(lambda: fresh.tag() == "v1.2.0")


IN_POD = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": "1"}


def test_in_a_pod_without_a_token_it_ends_with_a_line(tmp_path: Path) -> None:
    resolver = ResolverProcess(tmp_path, environment=IN_POD, rules=False)

    with pytest.raises(RuntimeError, match=r"exit code 6.*no token .* is mounted.*\[RT660\]"):
        resolver.start()


def test_in_a_pod_without_a_token_it_has_the_rules_that_are_named(tmp_path: Path) -> None:
    zot_storage(tmp_path / "zot")
    (tmp_path / "registries.conf").write_text(registries(f"file://{tmp_path}/zot"))
    (tmp_path / "rules").write_text(rules())
    with ResolverProcess(tmp_path, environment=IN_POD) as resolver:
        assert b"v1.10.0" in resolver.ask(pod()).stdout


def test_files_of_rules_count_beside_those_of_the_cluster(world: World) -> None:
    path = world.folder / "more.yaml"
    path.write_text(rules().replace('"*"', "filed"))
    world.options = ["--rules", str(path)]
    world.__post_init__()
    world.server.apply(updater(world.namespace, constraint="1.2.x"))
    world.server.apply(application(world.namespace, "filed"))
    path.write_text(path.read_text().replace("namespace: argocd", f"namespace: {world.namespace}"))
    with resolving(world):
        assert world.tag() == "v1.2.0"
        assert world.tag(ARGOCD_APP_NAME="filed") == "v1.10.0"
