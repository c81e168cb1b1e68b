"""Files to lint, written short, in which a mark `▸` stands where a finding is expected."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cmp.errors import Finding
from cmp.lint import lint

MARK = "▸"
WEB = "registry.example.com/team/web"


def updater(spec: str, name: str = "rules") -> str:
    """An ImageUpdater whose spec is *spec*, in block style from the first column."""
    head = (
        "apiVersion: argocd-image-updater.argoproj.io/v1alpha1\n"
        f"kind: ImageUpdater\nmetadata: {{name: {name}, namespace: argocd}}\nspec:\n"
    )
    return head + "".join(f"  {line}\n" for line in spec.splitlines())


def ref(fields: str, name: str = "rules") -> str:
    """An ImageUpdater with one ref of these *fields*."""
    return updater(f"applicationRefs:\n- {{{fields}}}", name)


def images(items: str, name: str = "rules") -> str:
    """An ImageUpdater whose one ref, for `web`, has these images."""
    return ref(f"namePattern: web, images: [{items}]", name)


def image(fields: str = "", name: str = "rules") -> str:
    """An ImageUpdater with one image: `web`, of versions 1.x, and *fields*."""
    return images(f"{{alias: web, imageName: '{WEB}:1.x', {fields}}}", name)


def settings(fields: str) -> str:
    """An ImageUpdater with one image, whose settings are *fields*."""
    return image(f"commonUpdateSettings: {{{fields}}}")


def application(*annotations: str, plugin: str = "") -> str:
    """An Application with *annotations*, less their prefix, and fields of the plugin retag."""
    lines = "".join(f"    {_prefixed(each)}\n" for each in annotations)
    return (
        "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata:\n  name: web\n"
        f"  annotations:\n{lines}spec:\n  source: {{plugin: {{name: retag, {plugin}}}}}\n"
    )


def _prefixed(annotation: str) -> str:
    mark = MARK if annotation.startswith(MARK) else ""
    return f"{mark}argocd-image-updater.argoproj.io/{annotation.removeprefix(MARK)}"


def registries(fields: str = "api_url: https://registry.example.com") -> str:
    """A registries.conf with one registry."""
    return f"registries:\n- {{name: example, prefix: registry.example.com, {fields}}}\n"


def lint_text(
    folder: Path,
    text: str,
    *,
    file: str = "rules.yaml",
    registries: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> list[Finding]:
    """What is found in *text*, less its marks, as the file *file* in *folder*."""
    path = folder / file
    path.write_text(text.replace(MARK, ""), encoding="utf-8")
    return lint([path], registries, environment=environment or {})


def marked(text: str) -> list[tuple[int, int]]:
    """Line and column of each mark in *text*."""
    lines = enumerate(text.split("\n"), 1)
    return [(number, line.index(MARK) + 1) for number, line in lines if MARK in line]
