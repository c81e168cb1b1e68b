"""Secrets of the cluster: by name, where allowed, one request at a time, as long as it helps."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from cmp.errors import DeniedError, UnreachableError
from cmp.registry.credentials import Login
from cmp.registry.endpoint import Endpoint
from cmp.registry.logins import Logins
from cmp.registry.secrets import NoSecrets, SecretFiles
from sidecar.cluster.secrets import ClusterSecrets, secrets_of
from sidecar.kubernetes import (
    SECRETS,
    AbsentError,
    ClusterError,
    ForbiddenError,
    Kind,
    Object,
    UnknownAccountError,
    UnservedError,
)
from sidecar.kubernetes.client import Client
from tests.kubernetes.held import HeldCluster
from tests.servers.kubernetes import ApiServer

OWN = frozenset({"argocd"})
AWAY = ClusterError("RT650", "cannot read secrets: away", remedy="see that it runs")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Held(HeldCluster):
    """Has one Secret, unless there is an *error*; it lists and watches nothing."""

    def __init__(self, **data: str) -> None:
        super().__init__()
        self.data = {key: base64.b64encode(each.encode()).decode() for key, each in data.items()}
        self.error: ClusterError | None = None
        self.asked: list[tuple[Kind, str, str]] = []

    async def get(self, kind: Kind, namespace: str, name: str, /) -> Object:
        self.asked.append((kind, namespace, name))
        await asyncio.sleep(0)
        if self.error:
            raise self.error
        return {"metadata": {"namespace": namespace, "name": name}, "data": self.data}

    def set(self, **data: str) -> None:
        self.data = {key: base64.b64encode(each.encode()).decode() for key, each in data.items()}


Test = Callable[[ClusterSecrets, Held, Clock], Coroutine[Any, Any, None]]


def run(test: Test) -> None:
    async def all_of_it() -> None:
        held, clock = Held(login="alice:made-up"), Clock()
        await test(ClusterSecrets(held, OWN, clock), held, clock)

    asyncio.run(all_of_it())


def test_a_secret_is_asked_for_by_its_name_and_remembered_for_a_minute() -> None:
    async def test(secrets: ClusterSecrets, held: Held, clock: Clock) -> None:
        for clock.now in (1000.0, 1030.0, 1059.9):
            assert await secrets.data("argocd", "zot") == {"login": "alice:made-up"}
        assert held.asked == [(SECRETS, "argocd", "zot")]
        held.set(login="alice:another")
        clock.now = 1060.0
        assert await secrets.data("argocd", "zot") == {"login": "alice:another"}
        assert len(held.asked) == 2

    run(test)


def test_a_hundred_that_ask_at_once_make_one_request() -> None:
    async def test(secrets: ClusterSecrets, held: Held, _clock: Clock) -> None:
        found = await asyncio.gather(*(secrets.data("argocd", "zot") for _ in range(100)))
        assert all(each == {"login": "alice:made-up"} for each in found)
        assert len(held.asked) == 1

    run(test)


def test_who_asks_first_and_is_cancelled_takes_nothing_from_the_others() -> None:
    async def test(secrets: ClusterSecrets, held: Held, _clock: Clock) -> None:
        first = asyncio.create_task(_wait(secrets.data("argocd", "zot")))
        other = asyncio.create_task(_wait(secrets.data("argocd", "zot")))
        await asyncio.sleep(0)
        first.cancel()
        assert await other == {"login": "alice:made-up"}
        assert len(held.asked) == 2

    run(test)


async def _wait(what: Awaitable[Any]) -> Any:
    return await what


@pytest.mark.parametrize("namespace", ["other", "argocd-other", "kube-system"])
def test_a_namespace_that_is_not_allowed_is_never_asked_for(namespace: str) -> None:
    async def test(secrets: ClusterSecrets, held: Held, _clock: Clock) -> None:
        with pytest.raises(DeniedError, match=rf"{namespace}/zot.*--secret-namespaces.*RT569"):
            await secrets.data(namespace, "zot")
        assert held.asked == []
        assert secrets.stamp(namespace, "zot") is None

    run(test)


def test_where_no_namespace_is_allowed_none_is_asked_for() -> None:
    async def test(_secrets: ClusterSecrets, held: Held, clock: Clock) -> None:
        with pytest.raises(DeniedError, match="RT569"):
            await ClusterSecrets(held, frozenset(), clock).data("argocd", "zot")
        assert held.asked == []

    run(test)


def test_without_a_limit_all_namespaces_are_allowed() -> None:
    async def test(_secrets: ClusterSecrets, held: Held, clock: Clock) -> None:
        assert await ClusterSecrets(held, None, clock).data("other", "zot")

    run(test)


@pytest.mark.parametrize(
    ("namespace", "name"), [("argocd", "../x"), ("argocd", ""), ("argocd/..", "x"), ("", "x")]
)
def test_what_is_no_name_of_a_secret_is_never_asked_for(namespace: str, name: str) -> None:
    async def test(secrets: ClusterSecrets, held: Held, _clock: Clock) -> None:
        with pytest.raises(DeniedError, match="RT563"):
            await secrets.data(namespace, name)
        assert held.asked == []

    run(test)


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        pytest.param(AWAY, UnreachableError, r"cannot be read: .*away.*RT566", id="away"),
        pytest.param(
            ForbiddenError("RT651", "no"), DeniedError, "resourceNames.*RT567", id="no right"
        ),
        pytest.param(
            UnknownAccountError("RT651", "no", remedy="mend the token"),
            DeniedError,
            r"not know the account; mend the token \[RT567",
            id="unknown account",
        ),
        pytest.param(
            AbsentError("RT652", "no"), DeniedError, "no Secret argocd/zot.*RT568", id="absent"
        ),
        pytest.param(UnservedError("RT653", "no"), UnreachableError, "RT566", id="nonsense"),
    ],
)
def test_what_is_not_there_is_a_line_and_asked_for_again_a_moment_later(
    error: ClusterError, kind: type[Exception], words: str
) -> None:
    async def test(secrets: ClusterSecrets, held: Held, clock: Clock) -> None:
        held.error = error
        for clock.now in (1000.0, 1004.9):
            with pytest.raises(kind, match=words):
                await secrets.data("argocd", "zot")
        assert len(held.asked) == 1
        held.error = None
        clock.now = 1005.0
        assert await secrets.data("argocd", "zot")

    run(test)


def test_while_the_api_server_is_away_what_was_read_serves() -> None:
    async def test(secrets: ClusterSecrets, held: Held, clock: Clock) -> None:
        await secrets.data("argocd", "zot")
        held.error = AWAY
        for clock.now in (1060.0, 1062.0, 1e6):
            assert await secrets.data("argocd", "zot") == {"login": "alice:made-up"}
        assert len(held.asked) == 3

    run(test)


@pytest.mark.parametrize(
    "error", [ForbiddenError("RT651", "no"), AbsentError("RT652", "no")], ids=["right", "secret"]
)
def test_once_the_secret_or_the_right_is_gone_nothing_serves_not_even_later(
    error: ClusterError,
) -> None:
    async def test(secrets: ClusterSecrets, held: Held, clock: Clock) -> None:
        await secrets.data("argocd", "zot")
        for clock.now, held.error in ((1060.0, error), (1070.0, AWAY)):
            with pytest.raises((DeniedError, UnreachableError)):
                await secrets.data("argocd", "zot")

    run(test)


def test_what_was_refused_is_read_afresh_and_not_each_time() -> None:
    async def test(secrets: ClusterSecrets, held: Held, clock: Clock) -> None:
        await secrets.data("argocd", "zot")
        held.set(login="alice:another")
        clock.now = 1004.9
        assert await secrets.data("argocd", "zot", afresh=True) == {"login": "alice:made-up"}
        clock.now = 1005.0
        assert await secrets.data("argocd", "zot", afresh=True) == {"login": "alice:another"}
        assert len(held.asked) == 2

    run(test)


@pytest.mark.parametrize("data", [None, "x", {"login": 7}, {"login": "no base64!"}, {}])
def test_data_that_are_none_are_left_out(data: Any) -> None:
    async def test(secrets: ClusterSecrets, held: Held, _clock: Clock) -> None:
        held.data = data
        assert await secrets.data("argocd", "zot") == {}

    run(test)


def test_what_is_no_text_is_left_out() -> None:
    async def test(secrets: ClusterSecrets, held: Held, _clock: Clock) -> None:
        held.data["binary"] = base64.b64encode(b"\xff\xfe").decode()
        assert await secrets.data("argocd", "zot") == {"login": "alice:made-up"}

    run(test)


def test_a_login_is_another_within_a_minute_also_after_the_api_server_was_away() -> None:
    async def test(secrets: ClusterSecrets, held: Held, clock: Clock) -> None:
        logins = Logins(secrets, environment={}, clock=clock)
        at = Endpoint(
            name="lab",
            api_url="https://registry.example.com",
            credentials="secret:argocd/zot#login",
        )
        assert await logins.login(at, "", "app") == Login("alice", "made-up")
        held.error = AWAY
        clock.now = 1061.0
        assert await logins.login(at, "", "app") == Login("alice", "made-up")
        held.set(login="bob:another")
        held.error = None
        clock.now = 1067.0
        assert await logins.login(at, "", "app") == Login("bob", "another")
        requests = len(held.asked)
        assert await logins.login(at, "", "app") == Login("bob", "another")
        assert len(held.asked) == requests

    run(test)


def test_a_folder_goes_before_the_cluster_and_without_both_there_are_none(tmp_path: Path) -> None:
    held, clock = Held(), Clock()
    assert isinstance(secrets_of(tmp_path, held, OWN, clock), SecretFiles)
    assert isinstance(secrets_of(None, held, OWN, clock), ClusterSecrets)
    assert isinstance(secrets_of(None, None, OWN, clock), NoSecrets)


def test_those_of_the_cluster_are_those_of_the_allowed_namespaces() -> None:
    held, clock = Held(), Clock()
    with pytest.raises(DeniedError, match="RT569"):
        asyncio.run(_wait(secrets_of(None, held, OWN, clock).data("other", "zot")))
    assert held.asked == []


def test_no_more_than_a_thousand_are_remembered() -> None:
    async def test(secrets: ClusterSecrets, held: Held, _clock: Clock) -> None:
        for number in range(1001):
            await secrets.data("argocd", f"zot-{number}")
        await secrets.data("argocd", "zot-1000")
        assert len(held.asked) == 1001, "the last is known"
        await secrets.data("argocd", "zot-0")
        assert len(held.asked) == 1002, "the first is not"

    run(test)


def test_a_stamp_is_another_once_the_secret_is_to_be_read_again_and_once_it_was() -> None:
    async def test(secrets: ClusterSecrets, _held: Held, clock: Clock) -> None:
        await secrets.data("argocd", "zot")
        read = secrets.stamp("argocd", "zot")
        clock.now += 30
        assert secrets.stamp("argocd", "zot") == read
        clock.now += 31
        due = secrets.stamp("argocd", "zot")
        await secrets.data("argocd", "zot")
        assert len({read, due, secrets.stamp("argocd", "zot")}) == 3

    run(test)


def test_a_role_that_names_one_secret_is_enough_and_no_other_is_read(
    api_server: ApiServer,
) -> None:
    own = api_server.namespace("secrets")
    rbac = "rbac.authorization.k8s.io"
    meta = {"name": "reader", "namespace": own}
    rule = {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["zot", "absent"]}
    subject = {"kind": "ServiceAccount", "name": "reader", "namespace": own}
    api_server.apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta},
        *(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": name, "namespace": own},
                "stringData": {"login": "alice:made-up"},
            }
            for name in ("zot", "other")
        ),
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "Role",
            "metadata": meta,
            "rules": [{**rule, "verbs": ["get"]}],
        },
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": meta,
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": "reader"},
            "subjects": [subject],
        },
    )
    kubeconfig = api_server.kubeconfig_for(api_server.token_of(own, "reader"), "reader", own)

    async def test() -> None:
        client = Client.of_kubeconfig(kubeconfig)
        try:
            secrets = ClusterSecrets(client, frozenset({own}), Clock())
            assert await secrets.data(own, "zot") == {"login": "alice:made-up"}
            with pytest.raises(DeniedError, match="RT567"):
                await secrets.data(own, "other")
            with pytest.raises(DeniedError, match="RT568"):
                await secrets.data(own, "absent")
        finally:
            await client.aclose()

    asyncio.run(test())
