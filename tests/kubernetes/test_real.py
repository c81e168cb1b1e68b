"""The client and the mirror at a real API server: what rotates, restarts, hangs, comes late."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from sidecar.kubernetes import (
    APPLICATIONS,
    CONFIG_MAPS,
    ClusterError,
    ConflictError,
    ForbiddenError,
    GoneError,
    Kind,
    Object,
    RefusedError,
)
from sidecar.kubernetes.client import Client
from sidecar.kubernetes.mirror import Mirror, Watched
from tests.kubernetes import crds
from tests.servers.certificates import Authority
from tests.servers.kubernetes import ApiServer

RBAC = "rbac.authorization.k8s.io"


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """An API server that may be stopped."""
    with ApiServer(tmp_path_factory.mktemp("own")) as server:
        yield server


def config_map(namespace: str, name: str, value: str = "1") -> Object:
    metadata = {"namespace": namespace, "name": name}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"v": value}}


def account(server: ApiServer, namespace: str, name: str) -> None:
    meta = {"name": name, "namespace": namespace}
    server.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta})


def may(server: ApiServer, namespace: str, name: str, *verbs: str) -> None:
    """Let the account *name* do *verbs* with ConfigMaps."""
    meta = {"name": name, "namespace": namespace}
    rule = {"apiGroups": [""], "resources": ["configmaps"], "verbs": list(verbs)}
    role = {"apiGroup": RBAC, "kind": "Role", "name": name}
    subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    server.apply(
        {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": meta, "rules": [rule]},
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": meta,
            "roleRef": role,
            "subjects": [subject],
        },
    )


def mounted(folder: Path, server: ApiServer, namespace: str, token: str) -> Path:
    """What kubelet mounts."""
    folder.mkdir(exist_ok=True)
    (folder / "token").write_text(token)
    (folder / "namespace").write_text(namespace)
    shutil.copy(server.ca_file, folder / "ca.crt")
    return folder


def in_pod(folder: Path, server: ApiServer) -> Client:
    parts = urlsplit(server.url)
    environment = {
        "KUBERNETES_SERVICE_HOST": str(parts.hostname),
        "KUBERNETES_SERVICE_PORT": str(parts.port),
        "HTTPS_PROXY": "http://127.0.0.1:1",  # loopback has none
    }
    return Client.of_account(folder, environment=environment)


@asynccontextmanager
async def opened(client: Client) -> AsyncIterator[Client]:
    try:
        yield client
    finally:
        await client.aclose()


@asynccontextmanager
async def mirroring(client: Client, kind: Kind, *namespaces: str) -> AsyncIterator[Mirror[Object]]:
    """A mirror that waits a twentieth of what it would."""

    async def sleep(seconds: float) -> None:
        await asyncio.sleep(seconds / 20)

    watched = Watched(kind, namespaces, _kept)
    mirror: Mirror[Object] = Mirror(client, watched, sleep=sleep)
    task = asyncio.create_task(mirror.run())
    try:
        yield mirror
    finally:
        task.cancel()
        await asyncio.wait([task])


def _kept(manifest: Object) -> Object:
    return {"data": manifest.get("data"), "spec": manifest.get("spec")}


async def until(condition: Callable[[], Any]) -> None:
    """Return once *condition* holds, which waits on what a process does."""
    async with asyncio.timeout(30):
        for _ in iter(lambda: bool(condition()), True):
            await asyncio.sleep(0.01)


def names(mirror: Mirror[Object]) -> set[str]:
    return {name for _, name in mirror.objects}


def test_objects_are_made_changed_and_deleted(api_server: ApiServer) -> None:
    own = api_server.namespace("verbs")

    async def test() -> None:
        async with opened(Client.of_kubeconfig(api_server.kubeconfig)) as client:
            assert client.namespace == "argocd"
            made = await client.create(CONFIG_MAPS, own, config_map(own, "a"))
            assert [each["manager"] for each in made["metadata"]["managedFields"]] == ["retag"]
            with pytest.raises(ConflictError, match="RT654"):
                await client.create(CONFIG_MAPS, own, made | {"metadata": {"name": "a"}})
            made["data"]["v"] = "2"
            replaced = await client.replace(CONFIG_MAPS, own, made)
            with pytest.raises(ConflictError):
                await client.replace(CONFIG_MAPS, own, made | {"data": {"v": "3"}})
            version = replaced["metadata"]["resourceVersion"]
            test = {"op": "test", "path": "/metadata/resourceVersion", "value": version}
            change = {"op": "replace", "path": "/data/v", "value": "4"}
            patched = await client.patch(CONFIG_MAPS, own, "a", [test, change])
            assert patched["data"] == {"v": "4"}
            with pytest.raises(RefusedError, match="RT656"):
                await client.patch(CONFIG_MAPS, own, "a", [test, change])
            await client.delete(CONFIG_MAPS, own, "a")
            with pytest.raises(ClusterError, match="RT652"):
                await client.get(CONFIG_MAPS, own, "a")

    asyncio.run(test())


def test_more_objects_than_a_page_has_are_listed_and_their_labels_select(
    api_server: ApiServer,
) -> None:
    own = api_server.namespace("pages")
    for number in range(60):
        made = config_map(own, f"c{number}")
        made["metadata"]["labels"] = {"odd": str(number % 2)}
        api_server.request("POST", f"/api/v1/namespaces/{own}/configmaps", made)

    async def test() -> None:
        async with opened(Client.of_kubeconfig(api_server.kubeconfig)) as client:
            pages = [page async for page in client.list_pages(CONFIG_MAPS, own)]
            assert [len(page.objects) for page in pages] == [50, 10]
            odd = [page async for page in client.list_pages(CONFIG_MAPS, own, labels="odd=1")]
            assert sum(len(page.objects) for page in odd) == 30

    asyncio.run(test())


def test_a_token_that_is_refused_is_read_again_from_its_file(
    api_server: ApiServer, tmp_path: Path
) -> None:
    own = api_server.namespace("rotating")
    account(api_server, own, "pod")
    may(api_server, own, "pod", "get", "list")
    api_server.apply(config_map(own, "a"))
    folder = mounted(tmp_path / "mounted", api_server, own, api_server.token_of(own, "pod"))
    # The API server remembers a token that it has seen for ten seconds, and this one it has not.
    api_server.request("DELETE", f"/api/v1/namespaces/{own}/serviceaccounts/pod")
    account(api_server, own, "pod")

    async def test() -> None:
        async with opened(in_pod(folder, api_server)) as client:
            assert client.namespace == own
            with pytest.raises(ForbiddenError, match=r"may not read configmaps.*RT651"):
                await client.get(CONFIG_MAPS, own, "a")
            (folder / "token").write_text(api_server.token_of(own, "pod") + "\n")
            assert await client.get(CONFIG_MAPS, own, "a")

    asyncio.run(test())


def test_a_client_certificate_is_an_account(api_server: ApiServer, tmp_path: Path) -> None:
    own = api_server.namespace("certificates")
    issued = api_server.authority.client("somebody")
    config = json.loads(api_server.kubeconfig.read_text())
    as_files = {
        "client-certificate": str(issued.certificate_file),
        "client-key": str(issued.key_file),
    }
    as_data = {
        f"{name}-data": base64.b64encode(Path(path).read_bytes()).decode()
        for name, path in as_files.items()
    }
    cluster = config["clusters"][0]["cluster"]
    ca = base64.b64encode(Path(cluster.pop("certificate-authority")).read_bytes()).decode()
    cluster["certificate-authority-data"] = ca

    async def test() -> None:
        for user in (as_files, as_data):
            config["users"][0]["user"] = user
            path = tmp_path / "kubeconfig"
            path.write_text(json.dumps(config))
            async with opened(Client.of_kubeconfig(path)) as client:
                with pytest.raises(ForbiddenError, match='User "somebody" cannot'):
                    await client.get(CONFIG_MAPS, own, "a")

    asyncio.run(test())


def test_another_authority_in_the_file_counts_from_the_next_connection(
    api_server: ApiServer, tmp_path: Path
) -> None:
    own = api_server.namespace("authority")
    api_server.apply(config_map(own, "a"))
    folder = mounted(tmp_path / "mounted", api_server, own, api_server.token)
    right = (folder / "ca.crt").read_bytes()
    other = tmp_path / "other"
    other.mkdir()
    (folder / "ca.crt").write_bytes(Authority(other).file.read_bytes())

    async def test() -> None:
        async with opened(in_pod(folder, api_server)) as client:
            with pytest.raises(ClusterError, match=r"CERTIFICATE_VERIFY_FAILED.*RT650"):
                await client.get(CONFIG_MAPS, own, "a")
            (folder / "ca.crt").write_bytes(b"half of")
            with pytest.raises(ClusterError, match=r"certificates cannot be used.*RT657"):
                await client.get(CONFIG_MAPS, own, "a")
            (folder / "ca.crt").write_bytes(right)
            assert await client.get(CONFIG_MAPS, own, "a")

    asyncio.run(test())


def test_a_right_that_is_granted_later_is_noticed(api_server: ApiServer) -> None:
    own = api_server.namespace("granted")
    account(api_server, own, "pod")
    api_server.apply(config_map(own, "a"))
    kubeconfig = api_server.kubeconfig_for(api_server.token_of(own, "pod"), "granted", own)

    async def test() -> None:
        async with (
            opened(Client.of_kubeconfig(kubeconfig)) as client,
            mirroring(client, CONFIG_MAPS, own) as mirror,
        ):
            await until(lambda: mirror.error)
            assert isinstance(mirror.error, ForbiddenError)
            assert not mirror.is_synced
            may(api_server, own, "pod", "list", "watch")
            await until(lambda: mirror.is_synced and mirror.error is None)
            assert "a" in names(mirror)

    asyncio.run(test())


def test_an_api_server_that_hangs_is_given_up_and_one_that_restarts_is_found_again(
    own_server: ApiServer,
) -> None:
    own = own_server.namespace("restarts")
    own_server.apply(config_map(own, "a"))

    async def test() -> None:
        async with (
            opened(Client.of_kubeconfig(own_server.kubeconfig, timeout=1)) as client,
            mirroring(client, CONFIG_MAPS, own) as mirror,
        ):
            await mirror.synced()
            own_server.pause()
            with pytest.raises(ClusterError, match=r"RT650"):
                await client.get(CONFIG_MAPS, own, "a")
            own_server.resume()
            own_server.kill()
            await until(lambda: mirror.error)
            assert "a" in names(mirror)
            await asyncio.to_thread(own_server.start)
            own_server.apply(config_map(own, "b"))
            await until(lambda: "b" in names(mirror))
            assert mirror.error is None

    asyncio.run(test())


def test_an_api_server_that_starts_late_and_a_kind_that_comes_later_are_waited_for(
    own_server: ApiServer,
) -> None:
    own = own_server.namespace("late")
    own_server.kill()

    async def test() -> None:
        async with (
            opened(Client.of_kubeconfig(own_server.kubeconfig)) as client,
            mirroring(client, APPLICATIONS, own) as mirror,
        ):
            await until(lambda: mirror.error)
            await asyncio.to_thread(own_server.start)
            await until(lambda: mirror.error and mirror.error.code == "RT653")
            crds.install(own_server)
            meta = {"name": "web", "namespace": own}
            manifest = {
                "apiVersion": "argoproj.io/v1alpha1",
                "kind": "Application",
                "metadata": meta,
                "spec": {"project": "default"},
            }
            own_server.apply(manifest)
            await until(lambda: names(mirror) == {"web"} and mirror.is_synced)

    asyncio.run(test())


def test_what_etcd_has_forgotten_is_listed_anew(own_server: ApiServer) -> None:
    own = own_server.namespace("compacted")
    path = f"/api/v1/namespaces/{own}/configmaps"
    first = own_server.request("POST", path, config_map(own, "a"))
    version = first["metadata"]["resourceVersion"]
    for number in range(5):
        own_server.apply(config_map(own, "a", str(number)))
    latest = own_server.request("GET", path)["metadata"]["resourceVersion"]
    own_server.compact(int(latest))
    own_server.kill()  # the API server's own memory of what happened goes as well
    own_server.start()

    async def test() -> None:
        async with opened(Client.of_kubeconfig(own_server.kubeconfig)) as client:
            with pytest.raises(GoneError, match="RT655"):
                async for _ in client.watch(CONFIG_MAPS, own, version):
                    pass

    asyncio.run(test())


def test_a_cluster_that_was_restored_from_a_backup_is_mirrored_as_it_is(
    own_server: ApiServer,
) -> None:
    own = own_server.namespace("restored")
    own_server.apply(config_map(own, "both", "old"))
    backup = own_server.back_up()
    for number in range(5):
        own_server.apply(config_map(own, "both", str(number)))
    own_server.apply(config_map(own, "late"))

    async def test() -> None:
        async with opened(Client.of_kubeconfig(own_server.kubeconfig)) as client:
            mirror = Mirror(client, Watched(CONFIG_MAPS, (own,), lambda each: each["data"]))
            watching = asyncio.create_task(mirror.run())
            try:
                await mirror.synced()
                assert mirror.objects.keys() == {(own, "both"), (own, "late")}
                await asyncio.to_thread(own_server.restore, backup)
                async with asyncio.timeout(20):
                    for _ in iter(lambda: mirror.was_restored and mirror.error is None, True):
                        await asyncio.sleep(0.02)
                assert mirror.objects == {(own, "both"): {"v": "old"}}
            finally:
                watching.cancel()
                await asyncio.wait([watching])

    asyncio.run(test())


def test_a_proxy_of_the_environment_is_not_used_for_loopback(api_server: ApiServer) -> None:
    async def test() -> None:
        environment = {"HTTPS_PROXY": "http://127.0.0.1:1"}
        client = Client.of_kubeconfig(api_server.kubeconfig, environment=environment)
        async with opened(client):
            assert await client.get(CONFIG_MAPS, "default", "kube-root-ca.crt")

    with pytest.raises(ClusterError, match="RT652"):  # no controller makes it here
        asyncio.run(test())
