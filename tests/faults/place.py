"""What a request of Argo CD's needs here: a checkout, and the plugin's own command."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.plugin.commands import CASES, plugin_yaml, run

GENERATE = plugin_yaml().spec.generate


@dataclass(frozen=True)
class Outcome:
    """What Argo CD gets of a request, and how many *seconds* it takes."""

    code: int
    stderr: str
    stdout: str
    seconds: float = field(compare=False)


@dataclass(frozen=True)
class Plugin:
    """The plugin's container, in which *folder* is for checkouts; the resolver is at *socket*."""

    folder: Path
    socket: Path

    def generate(self, application: str, *images: str) -> Outcome:
        """What comes of an Application whose manifest is a Pod with *images*."""
        source = self.folder / application
        source.mkdir(exist_ok=True)
        (source / "pod.yaml").write_text(pod(*images))
        named = {"ARGOCD_APP_NAME": application, "RETAG_SOCKET": str(self.socket)}
        began = time.monotonic()
        code, stderr, stdout = run(GENERATE, source, CASES["plain"] | named)
        return Outcome(code, stderr, stdout.decode(), time.monotonic() - began)


def pod(*images: str) -> str:
    """A manifest with *images*."""
    containers = "".join(
        f"  - {{name: c{n}, image: '{image}'}}\n" for n, image in enumerate(images)
    )
    return f"apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n  containers:\n{containers}"


def rules(images: Mapping[str, Sequence[str]]) -> str:
    """An ImageUpdater that rules, for each Application, the images given."""
    refs = "".join(_ref(name, of) for name, of in images.items())
    return (
        "apiVersion: argocd-image-updater.argoproj.io/v1alpha1\nkind: ImageUpdater\n"
        f"metadata: {{name: rules, namespace: argocd}}\nspec:\n  applicationRefs:\n{refs}"
    )


def _ref(name: str, images: Sequence[str]) -> str:
    ruled = "".join(
        f"    - {{alias: a{n}, imageName: {image}}}\n" for n, image in enumerate(images)
    )
    return f"  - namePattern: '{name}'\n    images:\n{ruled}"


def registries(urls: Mapping[str, str]) -> str:
    """A registries.conf of APIs by prefix."""
    return "registries:\n" + "".join(
        f"- {{name: {prefix.partition('.')[0]}, prefix: {prefix}, api_url: '{url}', kind: oci}}\n"
        for prefix, url in urls.items()
    )
