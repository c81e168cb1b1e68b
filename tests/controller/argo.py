"""What Argo CD's application-controller does in answer to annotations and operations, played.

It works on a real API server, a step at a time, when a test says so. As
`processAppRefreshQueueItem` and `autoSync` (controller/appcontroller.go): a hard refresh renders
anew, another one compares with what was rendered last; `reconciledAt` is when it began, in whole
seconds; with selfHeal it starts a sync before it writes the status.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from tests.servers.kubernetes import ApiServer

REFRESH = "argocd.argoproj.io/refresh"
STAMP = "argocd.argoproj.io/refresh-timestamp"
SOURCE = {
    "repoURL": "https://git.example.com/team/deploy",
    "path": ".",
    "targetRevision": "main",
    "plugin": {"name": "retag"},
}
REVISION = "made-up-revision"


class ArgoCD:
    """Argo CD for the Applications of *namespace*; up to 3.5 if *is_old*.

    `newest` is what the plugin renders for each Application at the next hard refresh. `hard`
    counts these by Application.
    """

    def __init__(
        self,
        server: ApiServer,
        namespace: str,
        wall: Callable[[], float],
        *,
        is_old: bool = False,
    ) -> None:
        self._server = server
        self._wall = wall
        self._is_old = is_old
        self._path = f"/apis/argoproj.io/v1alpha1/namespaces/{namespace}/applications"
        self._rendered: dict[str, str] = {}
        self._operations = 0
        self.newest: dict[str, str] = {}
        self.hard: dict[str, int] = {}
        self.syncs: list[dict[str, Any]] = []

    def make(
        self, name: str, image: str, *, live: bool = True, automated: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """An Application that runs *image*, or would if it ran anything, and is in sync."""
        policy = {} if automated is None else {"automated": automated}
        result = {"revision": REVISION, "source": SOURCE}
        made = self._server.request(
            "POST",
            self._path,
            {
                "apiVersion": "argoproj.io/v1alpha1",
                "kind": "Application",
                "metadata": {"name": name},
                "spec": {"project": "default", "source": SOURCE, "syncPolicy": policy},
                "status": {
                    "sync": {"status": "Synced", "revision": REVISION},
                    "reconciledAt": self._time(-60),
                    "summary": {"images": [image] if live else []},
                    "operationState": {
                        "phase": "Succeeded",
                        "startedAt": self._time(-90),
                        "operation": {"sync": {}},
                        "syncResult": result,
                    },
                    "resources": [{"kind": "Deployment", "name": "it", "status": "Synced"}],
                },
            },
        )
        self._rendered[name] = self.newest[name] = image
        self.hard[name] = 0
        return made

    def get(self, name: str) -> dict[str, Any]:
        """The Application *name*."""
        return self._server.request("GET", f"{self._path}/{name}")

    def patch(self, name: str, patch: dict[str, Any]) -> None:
        """Change it, as somebody would."""
        self._server.patch(f"{self._path}/{name}", patch)

    def delete(self, name: str) -> None:
        """Delete it."""
        self._server.request("DELETE", f"{self._path}/{name}")

    def is_asked(self, name: str) -> bool:
        """Whether it waits for a refresh."""
        return REFRESH in (self.get(name)["metadata"].get("annotations") or {})

    def is_operating(self, name: str) -> bool:
        """Whether it has an operation."""
        return "operation" in self.get(name)

    def refresh(self, name: str, *, error: str = "", closed: bool = False) -> None:
        """Answer to the refresh that it waits for, or to none: a periodic one.

        With *error* it cannot be rendered; *closed* is whether a sync window is.
        """
        found = self.get(name)
        annotations = found["metadata"].get("annotations") or {}
        if annotations.get(REFRESH) == "hard":
            self.hard[name] += 1
            self._rendered[name] = self.newest[name]
        status = self._compared(name, found, error)
        if status["sync"]["status"] == "OutOfSync" and _heals(found) and not closed:
            body = {"initiatedBy": {"automated": True}, "sync": {"revision": REVISION}}
            self.patch(name, {"operation": body})
        gone = {"metadata": {"annotations": {REFRESH: None}}}
        if self._is_old:
            self.patch(name, {"status": status, **(gone if annotations else {})})
            return
        self.patch(name, {"status": status})
        if REFRESH in annotations:
            gone["metadata"]["annotations"][STAMP] = None
            self.patch(name, gone)

    def operate(self, name: str) -> None:
        """Do the operation that it has."""
        found = self.get(name)
        self.syncs.append(found["operation"])
        self._operations += 1
        live = found["status"]["summary"]["images"]
        state = {
            "phase": "Succeeded",
            "startedAt": self._time(self._operations),
            "operation": found["operation"],
            "syncResult": {"revision": REVISION, "source": SOURCE},
        }
        status = {
            "operationState": state,
            "sync": {"status": "Synced"},
            "summary": {"images": [self._rendered[name]] if live else []},
            "resources": [{"kind": "Deployment", "name": "it", "status": "Synced"}],
        }
        self.patch(name, {"operation": None, "status": status})

    def _compared(self, name: str, found: dict[str, Any], error: str) -> dict[str, Any]:
        live = found["status"]["summary"]["images"]
        same = self._rendered[name] in live
        word = "Unknown" if error else "Synced" if same else "OutOfSync"
        condition = {"type": "ComparisonError", "message": error}
        return {
            "reconciledAt": self._time(0),
            "sync": {"status": word, "revision": REVISION},
            "conditions": [condition] if error else [],
            "resources": [{"kind": "Deployment", "name": "it", "status": word}],
        }

    def _time(self, seconds: float) -> str:
        at = datetime.fromtimestamp(self._wall() + seconds, UTC)
        return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _heals(found: dict[str, Any]) -> bool:
    automated = found["spec"]["syncPolicy"].get("automated") or {}
    return bool(automated.get("selfHeal"))
