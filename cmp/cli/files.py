"""Files that a command's options name: an Application's manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cmp.errors import UsageError, error_of, raise_together
from cmp.located import load_documents, read_text
from cmp.options import Options, parse_environment, parse_items
from cmp.rules.application import Application

_PLUGIN = "retag"


def read_application(path: Path) -> tuple[Application, Options]:
    """The Application in *path*, and the parameters that it gives the plugin.

    Of several sources the first whose plugin is `retag` counts. Raises `UsageError` where there is
    not one Application, and `RuleError` for what is no YAML.
    """
    manifests = [
        each
        for each in load_documents(read_text(path), str(path))
        if each.get("kind") is not None and each.fields["kind"].value == "Application"
    ]
    if len(manifests) != 1:
        raise UsageError(
            "RT243", f"{path} holds {len(manifests)} Applications", remedy="name a file with one"
        )
    raise_together([error_of(fault) for fault in manifests[0].all_faults()])
    manifest = manifests[0].data
    plugin = _plugin(manifest)
    options = parse_environment(_variables(plugin)) | parse_items(plugin.get("parameters"))
    return Application.from_manifest(manifest), options


def _variables(plugin: dict[str, Any]) -> dict[str, str]:
    """What Argo CD makes of `plugin.env`."""
    items = plugin.get("env") or []
    if not isinstance(items, list) or not all(isinstance(each, dict) for each in items):
        raise UsageError("RT221", "plugin.env is not a list of {name, value}")
    return {f"ARGOCD_ENV_{each.get('name')}": _text(each.get("value")) for each in items}


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _plugin(manifest: dict[str, Any]) -> dict[str, Any]:
    """The `plugin` of the first source that names ours; empty without one."""
    spec = manifest.get("spec")
    spec = spec if isinstance(spec, dict) else {}
    sources = spec.get("sources")
    for source in sources if isinstance(sources, list) else [spec.get("source")]:
        plugin = source.get("plugin") if isinstance(source, dict) else None
        if isinstance(plugin, dict) and plugin.get("name") == _PLUGIN:
            return plugin
    return {}
