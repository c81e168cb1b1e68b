"""Which requests can be Argo CD's own for an Application that is watched."""

from __future__ import annotations

from typing import Any

import pytest

from cmp.identity import can_be
from cmp.request import Request
from cmp.rules import Application

URL = "https://git.example.com/team/deploy.git"


def request(
    name: str = "web", project: str = "shop", url: str = URL, path: str = "app"
) -> Request:
    """What Argo CD's variables say."""
    build = {"ARGOCD_APP_SOURCE_REPO_URL": url, "ARGOCD_APP_SOURCE_PATH": path}
    return Request(name, project=project, build=build)


def application(namespace: str = "argocd", project: str = "shop", **spec: Any) -> Application:
    """The Application web; its source is that of `request` if *spec* has no other."""
    source = spec or {"source": {"repoURL": URL, "path": "app"}}
    metadata = {"name": "web", "namespace": namespace}
    return Application.from_manifest({"metadata": metadata, "spec": {"project": project} | source})


SOURCES = [{"repoURL": "https://charts.example.com"}, {"repoURL": URL, "path": "app"}]
HYDRATED = {"drySource": {"repoURL": URL, "path": "app"}}

ITS_OWN = {
    "in Argo CD's namespace": (request(), application()),
    "in another": (request("team_web"), application("team")),
    "without a namespace": (request(), application("")),
    "of no project, which is the default one": (
        request(project="default"),
        application(project=""),
    ),
    "one of several sources": (request(), application(sources=SOURCES)),
    "the source that a hydrator reads": (request(), application(sourceHydrator=HYDRATED)),
    "a URL in the spelling of the repository's Secret": (
        request(url="https://GIT.example.com/team/deploy"),
        application(),
    ),
    "the same by SSH, in both of its spellings": (
        request(url="git@git.example.com:team/deploy"),
        application(
            source={"repoURL": "ssh://git@git.example.com/team/deploy.git", "path": "app"}
        ),
    ),
}

ANOTHERS = {
    "the bare name, by which Argo CD validates": (request(), application("team")),
    "the long name of one in Argo CD's namespace": (request("argocd_web"), application()),
    "another project": (request(project="other"), application()),
    "no project, as where parameters are asked for": (request(project=""), application()),
    "no project for the default one": (request(project=""), application(project="")),
    "another repository": (request(url="https://git.example.com/other"), application()),
    "a URL that SSH would read in another way": (
        request(url="git.example.com:team/deploy"),
        application(source={"repoURL": "git.example.com/team/deploy", "path": "app"}),
    ),
    "another path": (request(path="other"), application()),
    "no source at all": (request(), application(sources=[])),
    "a request that names no repository": (request(url=""), application(source={"path": "app"})),
}


@pytest.mark.parametrize(("asked", "known"), ITS_OWN.values(), ids=ITS_OWN.keys())
def test_a_request_can_be_the_applications_own(asked: Request, known: Application) -> None:
    assert can_be(asked, known, "argocd")


@pytest.mark.parametrize(("asked", "known"), ANOTHERS.values(), ids=ANOTHERS.keys())
def test_a_request_cannot_be_the_applications_own(asked: Request, known: Application) -> None:
    assert not can_be(asked, known, "argocd")
