"""What the Image Updater would write back, and which configurations it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from cmp.rules import Application
from cmp.rules.application import Source
from cmp.rules.model import WriteBackConfig
from cmp.rules.writeback import WriteBack, write_back, write_back_fault


def config(method: str | None = "git", **git: Any) -> WriteBackConfig:
    return WriteBackConfig.model_validate({"method": method, "gitConfig": git})


def source(path: str = "deploy", *tools: str) -> Source:
    return Source("https://git.example.com/r", path, frozenset(tools))


def application(*sources: Source, types: tuple[str, ...] = ("Helm",), **facts: Any) -> Application:
    known: dict[str, Any] = {"name": "shop", "namespace": "argocd", "source_types": types}
    return Application(**known | facts, sources=sources or (source(),))


def written(settings: WriteBackConfig, who: Application | None = None) -> WriteBack:
    target = write_back(settings, who or application(), "argocd")
    assert target is not None
    return target


@pytest.mark.parametrize(
    "sound",
    [
        config(None),
        config("argocd", branch="a:b:c"),
        config(" git "),
        config("git:repocreds"),
        config("git:secret:ns/name"),
        config(branch="main:template", writeBackTarget="kustomization:/base"),
        config(branch="main", pullRequest={"github": {}}),
    ],
)
def test_sound_write_back(sound: WriteBackConfig) -> None:
    assert write_back_fault(sound) is None


@pytest.mark.parametrize(
    ("faulty", "says"),
    [
        (config("svn"), "'svn' is not argocd, git"),
        (config(""), "'' is not argocd, git"),
        (config("argocd:x"), "'argocd:x' is not argocd, git"),
        (config("git:"), "git credentials are repocreds or secret:<name>"),
        (config("git:token"), "git credentials are repocreds"),
        (config(branch="a:b:c"), "'a:b:c' is not a branch"),
        (config(writeBackTarget="sub/kustomization.yaml"), "would discard its content"),
        (config(writeBackTarget="Kustomization/"), "would discard its content"),
        (config(branch="a:b", pullRequest={"github": {}}), "takes its base branch alone"),
        (config(pullRequest={}), "for github or for gitlab"),
        (config(pullRequest={"github": {}, "gitlab": {}}), "for github or for gitlab"),
    ],
)
def test_faulty_write_back(faulty: WriteBackConfig, says: str) -> None:
    assert says in (write_back_fault(faulty) or "")


def test_the_default_is_an_override_file_in_the_application() -> None:
    assert written(config(None)) == WriteBack("argocd", "deploy/.argocd-source-shop.yaml", "Helm")
    elsewhere = application(namespace="team")
    assert written(config(None), elsewhere).target == "deploy/.argocd-source-team_shop.yaml"


@pytest.mark.parametrize(
    ("target", "path", "base"),
    [
        ("kustomization", "deploy/.argocd-source-shop.yaml", "deploy"),
        ("kustomization:/overlays", "deploy/.argocd-source-shop.yaml", "overlays"),
        ("kustomization:../base", "deploy/.argocd-source-shop.yaml", "base"),
        ("helmvalues", "deploy/values.yaml", ""),
        ("helmvalues:/v.yaml", "v.yaml", ""),
        ("helmvalues:../v.yaml", "v.yaml", ""),
        ("over.yaml", "over.yaml", ""),
    ],
)
def test_targets_in_git(target: str, path: str, base: str) -> None:
    result = written(config(writeBackTarget=target))
    assert (result.target, result.kustomize_base) == (path, base)


def test_branch_and_repository() -> None:
    result = written(config(branch=" main:to-{{.SHA256}} "))
    assert (result.branch, result.write_branch) == ("main", "to-{{.SHA256}}")
    assert result.repository == "https://git.example.com/r"
    assert written(config(repository="https://git.example.com/o")).repository.endswith("/o")


def test_the_root_is_a_path_too() -> None:
    result = written(config(writeBackTarget="kustomization"), application(source("")))
    assert (result.target, result.kustomize_base) == (".argocd-source-shop.yaml", ".")


def test_an_application_without_source_writes_nothing() -> None:
    assert write_back(config(), Application(name="shop"), "argocd") is None


KUSTOMIZE, HELM, PLAIN = source("k", "Kustomize"), source("h", "Helm"), source("p")


@pytest.mark.parametrize(
    ("settings", "who", "kind"),
    [
        (config("argocd"), application(types=("Plugin",)), "Plugin"),
        (config("git"), application(types=("Plugin",)), "Helm"),
        (config(writeBackTarget="kustomization"), application(types=("Plugin",)), "Kustomize"),
        (config(writeBackTarget="helmvalues"), application(types=("Kustomize",)), "Helm"),
        (config(writeBackTarget="x.txt"), application(types=("Kustomize",)), "Kustomize"),
        (config(None), application(types=("Directory",)), "Directory"),
        (config(None), application(HELM, types=("Directory",), hydrated=True), "Helm"),
        (config(None), application(PLAIN, types=("Kustomize",), hydrated=True), "Kustomize"),
        (config(None), application(types=()), ""),
    ],
)
def test_what_the_application_counts_as(
    settings: WriteBackConfig, who: Application, kind: str
) -> None:
    assert written(settings, who).source_type == kind


@pytest.mark.parametrize(
    ("sources", "types", "path"),
    [
        ([PLAIN, HELM], ("Directory", "Helm"), "h"),
        ([PLAIN, KUSTOMIZE, HELM], ("", "Helm", "Kustomize"), "h"),
        ([PLAIN, source("q")], ("", "Kustomize"), "q"),
        ([PLAIN, HELM], ("Kustomize",), "h"),
        ([PLAIN, source("q")], ("Directory", ""), "p"),
        ([PLAIN, source("q")], ("Kustomize", "", ""), "p"),
        ([PLAIN, HELM], ("", "Plugin"), "h"),
    ],
    ids=[
        "the one whose type is found",
        "the one that states the first usable type",
        "the one at the place of the type",
        "else one that states a type",
        "else the first",
        "the first, where types and sources are not as many",
        "at the place of the type before one that states another",
    ],
)
def test_which_of_several_sources(
    sources: list[Source], types: tuple[str, ...], path: str
) -> None:
    who = application(*sources, types=types, several_sources=True)
    assert written(config(None), who).target == f"{path}/.argocd-source-shop.yaml"


def test_a_target_may_ask_for_a_source_type_that_no_source_has() -> None:
    other = Source("https://git.example.com/helm", "h", frozenset({"Helm"}))
    who = application(PLAIN, other, types=("", "Helm"), several_sources=True)
    result = written(config(writeBackTarget="kustomization"), who)
    assert (result.source_type, result.repository) == ("Kustomize", "https://git.example.com/helm")
