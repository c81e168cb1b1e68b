"""namepattern: which names a pattern matches, and which ref governs an Application."""

from __future__ import annotations

from typing import Any

from cmp.errors import Place
from cmp.located import locate
from cmp.policy.glob import InvalidGlobError, compile_glob
from cmp.rules.application import Application
from cmp.rules.resource import read_resource
from cmp.rules.select import govern
from tests.vectors import Case


def answer(case: Case) -> Any:
    """`{match}` or `{ref}`."""
    return _match(case) if case["kind"] == "match" else _select(case)


def expected(case: Case) -> Any:
    """All of it."""
    return case["expect"]


def difference(case: Case) -> str | None:
    """A malformed pattern is told for every name, and is no error of the whole resource."""
    if case["kind"] == "match":
        told_late = case["expect"] == {"match": False} and answer(case) == {"error": "pattern"}
        return (
            "a malformed glob is told for every name, not only where it is reached"
            if told_late
            else None
        )
    if case["expect"] == {"error": "pattern"} and answer(case) == _without_malformed(case):
        return "a malformed namePattern disables its ref, not the resource"
    return None


def _match(case: Case) -> Any:
    try:
        return {"match": compile_glob(case["pattern"]).match(case["name"])}
    except InvalidGlobError:
        return {"error": "pattern"}


def _without_malformed(case: Case) -> Any:
    """The answer if the refs with malformed patterns were not there; None if there are none."""
    kept = [
        index
        for index, ref in enumerate(case["refs"])
        if "error" not in _match({"pattern": ref["namePattern"], "name": ""})
    ]
    if len(kept) == len(case["refs"]):
        return None
    index = _select({**case, "refs": [case["refs"][index] for index in kept]})["ref"]
    return {"ref": index if index is None else kept[index]}


def _select(case: Case) -> Any:
    refs = [{"images": [{"alias": "a", "imageName": "a"}], **ref} for ref in case["refs"]]
    metadata = {"name": "updater", "namespace": "argocd"}
    resource = read_resource(
        locate({"metadata": metadata, "spec": {"applicationRefs": refs}}, Place("case"))
    )
    app = case["app"]
    application = Application(
        name=app["name"],
        namespace=app.get("namespace", "argocd"),
        labels=app.get("labels", {}),
        annotations={},
    )
    ref = govern(resource, application).ref
    return {"ref": resource.refs.index(ref) if ref and resource.refs else None}
