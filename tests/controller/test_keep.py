"""What is kept of all Applications, and what is said of those that are left alone."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.controller.keep import MOST_NAMED, Keeper, LeftAlone
from sidecar.controller.model import LARGEST, Target
from tests.controller.argo import SOURCE

SAID = "Application team/{} is left alone: it is too large"


def manifest(name: str = "app", *, uid: str = "7", size: int = 0, **spec: Any) -> dict[str, Any]:
    metadata = {"namespace": "team", "name": name, "uid": uid}
    return {"metadata": metadata, "spec": {"source": SOURCE, "padding": "x" * size, **spec}}


def test_an_application_of_argo_cds_own_namespace_is_named_without_it() -> None:
    kept, own = Keeper("argocd")(manifest()), Keeper("team")(manifest())

    assert isinstance(kept, Target)
    assert isinstance(own, Target)
    assert (kept.instance, own.instance) == ("team_app", "app")


def test_one_that_is_too_large_is_named_once(caplog: pytest.LogCaptureFixture) -> None:
    keeper = Keeper("argocd")

    for _ in range(3):
        assert keeper(manifest("app", size=LARGEST)) == LeftAlone()
        assert keeper(manifest("job", size=LARGEST)) == LeftAlone()

    assert caplog.messages == [SAID.format("app"), SAID.format("job")]


@pytest.mark.parametrize(
    "between",
    [manifest(), manifest(source={"repoURL": "https://git.example.com/app"}, size=LARGEST)],
    ids=["it was small enough", "it was not the plugin's"],
)
def test_it_is_named_again_once_it_was_well(
    caplog: pytest.LogCaptureFixture, between: dict[str, Any]
) -> None:
    keeper = Keeper("argocd")

    for each in (manifest(size=LARGEST), between, manifest(size=LARGEST)):
        keeper(each)

    assert caplog.messages == [SAID.format("app")] * 2


def test_another_application_of_its_name_is_named(caplog: pytest.LogCaptureFixture) -> None:
    keeper = Keeper("argocd")

    keeper(manifest(size=LARGEST))
    keeper(manifest(uid="8", size=LARGEST))

    assert caplog.messages == [SAID.format("app")] * 2


def test_what_is_remembered_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    keeper = Keeper("argocd")
    names = [f"app-{number}" for number in range(MOST_NAMED + 1)]

    for name in (*names, names[-1], names[0]):
        keeper(manifest(name, size=LARGEST))

    assert caplog.messages == [SAID.format(name) for name in (*names, names[0])]
