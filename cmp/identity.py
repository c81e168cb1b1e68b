"""Whether a request that names an Application can be Argo CD's own for it.

What runs beside the plugin could claim any name, and Argo CD itself renders for others too: it
validates an Application that does not exist yet under its bare name, whatever its namespace.
"""

from __future__ import annotations

from cmp.request import Request
from cmp.rules.application import Application, Source

_DEFAULT_PROJECT = "default"  # Argo CD's ApplicationSpec.GetProject


def instance_name(application: Application, control_namespace: str) -> str:
    """What Argo CD calls *application*, its own namespace being *control_namespace*.

    Argo CD's Application.InstanceName: names of Kubernetes hold no `_`, so it is unambiguous.
    """
    if application.namespace in ("", control_namespace):
        return application.name
    return f"{application.namespace}_{application.name}"


def can_be(request: Request, application: Application, control_namespace: str) -> bool:
    """Whether *request* can be for a source of *application*: by name, project and source.

    The source hydrator's dry source is one. A request without a project, as Argo CD makes for
    parameters, is not recognised: nothing is rendered by it that would be applied.
    """
    if request.name != instance_name(application, control_namespace):
        return False
    if request.project != (application.project or _DEFAULT_PROJECT):
        return False
    return any(_is_of(request, source) for source in application.sources)


def _is_of(request: Request, source: Source) -> bool:
    """Whether *source* is that of *request*, as Argo CD's variables tell it."""
    url = request.build.get("ARGOCD_APP_SOURCE_REPO_URL", "")
    path = request.build.get("ARGOCD_APP_SOURCE_PATH", "")
    same = bool(url) and _normal(url) == _normal(source.repository)
    return same and path == source.path


def _normal(url: str) -> str:
    """The form in which Argo CD compares URLs (NormalizeGitURL in its util/git).

    It passes the URL of the repository's Secret, which need not be spelled as in the Application.
    """
    url = url.strip().lower()
    if "://" not in url and "@" in url.partition("/")[0]:
        url = url.replace(":", "/", 1)  # git@host:path
    return url.removeprefix("ssh://").removesuffix(".git")
