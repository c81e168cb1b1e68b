"""Writes the table of rights in docs/security.md from the Roles of deploy/.

    python -m scripts.rights_docs [--check]

With --check nothing is written, and a page that differs exits with 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from scripts.tables import main, table

_DEPLOY = Path(__file__).parent.parent / "deploy"
_HERE = "Argo CD's namespace"
_WHERE = {"Role": _HERE, "ClusterRole": "all, with `components/all-namespaces`"}

Object = dict[str, Any]


def _objects() -> list[Object]:
    """All that is about rights in deploy/, in the order of the files' names."""
    files = [*sorted((_DEPLOY / "base").glob("rbac-*.yaml"))]
    files += sorted((_DEPLOY / "components").glob("*/rbac.yaml"))
    return [each for path in files for each in yaml.safe_load_all(path.read_text()) if each]


def _rights(objects: list[Object]) -> Iterator[tuple[str, str, str, str]]:
    """Account, verbs, kind and place of each rule that is bound, in that order."""
    roles = {(each["kind"], each["metadata"]["name"]): each for each in objects}
    for binding in objects:
        if not binding["kind"].endswith("RoleBinding"):
            continue
        ref = binding["roleRef"]
        for subject in binding["subjects"]:
            for rule in roles[ref["kind"], ref["name"]]["rules"]:
                yield subject["name"], ", ".join(rule["verbs"]), _what(rule), _WHERE[ref["kind"]]


def _what(rule: Object) -> str:
    kinds = ", ".join(f"`{kind}`" for kind in rule["resources"])
    names = ", ".join(f"`{name}`" for name in rule.get("resourceNames", ()))
    return f"{kinds}: only {names}" if names else kinds


def tables() -> dict[str, list[str]]:
    """The table of the page."""
    rows = sorted(_rights(_objects()), key=lambda row: (row[0], row[3] != _HERE))
    shown = ((f"`{account}`", verbs, what, where) for account, verbs, what, where in rows)
    return {"rights": table(("account", "may", "of", "in"), shown)}


if __name__ == "__main__":
    main(__doc__ or "", "security.md", tables())
