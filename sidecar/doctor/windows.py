"""Checks of what sync windows need that the AppProjects do not say: argocd-cm."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sidecar.controller.globalprojects import CONFIG_MAP, KEY, read_global_projects
from sidecar.doctor.result import Result, unread, warning, well, wrong
from sidecar.kubernetes import ClusterError


def check_global_projects(data: Mapping[str, Any] | ClusterError) -> Iterator[Result]:
    """Whether it is known which global projects add windows; *data* is that of argocd-cm."""
    subject = "settings"
    if isinstance(data, ClusterError):
        yield unread(subject, data)
        return
    found = read_global_projects(data.get(KEY) or "")
    remedy = f"mend {KEY} in {CONFIG_MAP}"
    if found.listed is None:
        what = f"the controller starts no sync, {KEY} of {CONFIG_MAP} is not clear: {found.fault}"
        yield wrong("RT132", subject, what, remedy)
    elif found.fault:
        what = f"Argo CD ignores {KEY} of {CONFIG_MAP}, so their windows are open: {found.fault}"
        yield warning("RT132", subject, what, remedy)
    elif found.listed:
        yield well(subject, f"{len(found.listed)} global projects may add sync windows")
