"""Windows of global projects, against what Argo CD's own code says of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from sidecar.controller import globalprojects, projects, records
from sidecar.controller.globalprojects import GlobalProjects, keep_global_projects
from sidecar.controller.projects import Projects, keep_project
from sidecar.kubernetes import CONFIG_MAPS, PROJECTS, Kind
from sidecar.kubernetes.mirror import Mirror
from tests.cluster.fake import AWAY, FakeCluster
from tests.metering import Metered

# From Argo CD 3.6's `GetAppVirtualProject`, of projects and a ConfigMap like these.
DATA = json.loads((Path(__file__).parents[1] / "data" / "global_projects.json").read_text())
ALL = "- projectName: global\n"


def settings(text: str | None) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "argocd-cm", "namespace": "argocd"},
        "data": {} if text is None else {"globalProjects": text},
    }


def project(name: str, *windows: str, labels: dict[str, str] | None = None) -> dict[str, Any]:
    stated = [{"kind": "deny", "description": each} for each in windows]
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AppProject",
        "metadata": {"name": name, "namespace": "argocd", "labels": labels},
        "spec": {"syncWindows": stated} if windows else {},
    }


def kept(text: str | None) -> GlobalProjects:
    found = keep_global_projects(settings(text))
    assert found is not None
    return found


def described(found: projects.Project | None) -> list[str] | None:
    windows = found["spec"]["syncWindows"] if found else None
    return None if windows is None else [each["description"] for each in windows]


@pytest.mark.parametrize("case", DATA["cases"], ids=lambda case: case["id"])
def test_windows_are_those_that_argo_cd_merges(case: dict[str, Any]) -> None:
    said = kept(case["globalProjects"])
    stated = {
        name: keep_project(project(name, *each["windows"], labels=each["labels"]))
        for name, each in DATA["projects"].items()
    }

    assert said.listed is not None
    found = {name: described(projects.virtual(name, stated, said.listed)) for name in stated}

    own = {name: each["windows"] for name, each in DATA["projects"].items()}
    assert found == own | case["windows"]
    assert (not said.fault) == case["isRead"]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(ALL + "#" * 64 * 1024, id="too long"),
        pytest.param("[" * 200 + "]" * 200, id="too deep"),
        pytest.param(ALL + "  projectName: other\n", id="a name that stands twice"),
        pytest.param(ALL + "  projectname: other\n", id="twice, in letters of other cases"),
        pytest.param("- projectName: 1.23456789\n", id="a number of many digits"),
        pytest.param("- projectName: .inf\n", id="a number without end"),
    ],
)
def test_what_argo_cd_may_read_otherwise_is_not_known(
    text: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert kept(text).listed is None
    assert "globalProjects of argocd-cm are not known, so syncs wait: " in caplog.text


def test_why_they_are_ignored_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    assert kept("\n- global\n").listed == ()
    assert caplog.messages == [
        "globalProjects of argocd-cm are ignored, as Argo CD does: a mapping is expected in line 2"
    ]


def test_no_other_config_map_is_kept() -> None:
    other = settings(ALL)
    other["metadata"]["name"] = "argocd-rbac-cm"

    assert keep_global_projects(other) is None


@asynccontextmanager
async def mirrored(cluster: FakeCluster) -> AsyncIterator[Projects]:
    """The projects of *cluster*, as far as they are known when nothing is on its way."""

    async def sleep(_: float) -> None:
        await asyncio.get_running_loop().create_future()

    own = Mirror(cluster, projects.watched("argocd"), sleep=sleep)
    listed = Mirror(cluster, globalprojects.watched("argocd"), sleep=sleep)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(each.run()) for each in (own, listed)]
        await settle()
        yield Projects(own, listed, "argocd")
        for task in tasks:
            task.cancel()


async def settle() -> None:
    for _ in range(30):
        await asyncio.sleep(0)


def seen(cluster: FakeCluster, name: str = "shop") -> list[str] | None:
    async def look() -> list[str] | None:
        async with mirrored(cluster) as subject:
            return described(subject.get(name))

    return asyncio.run(look())


def test_windows_follow_the_cluster() -> None:
    cluster = FakeCluster()
    cluster.put(project("shop", "own"), project("global", "all"))
    found = []

    async def follow() -> None:
        async with mirrored(cluster) as subject:
            found.append(described(subject.get("shop")))
            for change in (settings(ALL), project("global", "all", "more"), None):
                if change:
                    cluster.put(change)
                else:
                    cluster.remove(settings(ALL))
                await settle()
                found.append(described(subject.get("shop")))

    asyncio.run(follow())

    assert found == [["own"], ["own", "all"], ["own", "all", "more"], ["own"]]


@pytest.mark.parametrize("kind", [PROJECTS, CONFIG_MAPS], ids=str)
def test_nothing_is_known_before_both_kinds_are(kind: Kind) -> None:
    cluster = FakeCluster()
    cluster.put(project("shop", "own"))
    cluster.fail(kind, AWAY)

    assert seen(cluster) is None


def test_what_was_read_stays_known_while_the_api_server_is_away() -> None:
    cluster = FakeCluster()
    cluster.put(project("shop"), project("global", "all"), settings(ALL))

    async def lose() -> list[str] | None:
        async with mirrored(cluster) as subject:
            cluster.fail(CONFIG_MAPS, AWAY)
            await settle()
            return described(subject.get("shop"))

    assert asyncio.run(lose()) == ["all"]


def test_a_project_is_not_known_while_its_global_ones_are_not() -> None:
    cluster = FakeCluster()
    cluster.put(project("shop", "own"), settings(ALL + "  projectName: global\n"))

    assert seen(cluster) is None


def test_a_project_that_is_not_there_is_not_known() -> None:
    cluster = FakeCluster()
    cluster.put(project("shop", "own"), settings(ALL))

    assert seen(cluster, "other") is None


def test_its_watch_is_told_from_that_of_records() -> None:
    meter = Metered()
    mirrors = [
        Mirror(FakeCluster(), each, meter=meter)
        for each in (globalprojects.watched("argocd"), records.watched("argocd"))
    ]

    async def watch() -> None:
        tasks = [asyncio.create_task(each.run()) for each in mirrors]
        await settle()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    asyncio.run(watch())

    assert list(meter.of("retag_watch_connected")) == [
        ({"kind": "argocd-cm"}, 1.0),
        ({"kind": "ConfigMap"}, 1.0),
    ]
