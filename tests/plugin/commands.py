"""plugin.yaml, read strictly, and its commands as Argo CD's argocd-cmp-server starts them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from cmp.errors import error_of, raise_together
from cmp.located import load_documents
from tests.plugin.double import PATIENCE

ROOT = Path(__file__).parents[2]
# What Argo CD hands to a plugin, for Applications as people write them.
CASES: dict[str, dict[str, str]] = {
    each["case"]: each["env"]
    for each in json.loads((Path(__file__).parent / "data/generate.json").read_text("utf-8"))
}
_IN_THE_IMAGE = {"/usr/local/bin/python3": sys.executable, "/opt/retag/lib": str(ROOT)}


class _Strict(BaseModel):
    """argocd-cmp-server takes any unknown field without a word, and any case of a known one."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Command(_Strict):
    """Without a shell, and of nothing but what it says."""

    command: list[str] = Field(min_length=1)
    args: list[str] = []


class Announcement(_Strict):
    """ParameterAnnouncement of Argo CD's reposerver/repository/repository.proto."""

    name: str = Field(min_length=1)
    title: str = ""
    tooltip: str = ""
    required: bool = False
    itemType: Literal["string", "number", "boolean"] = "string"  # noqa: N815  # Argo CD's name
    collectionType: Literal["string", "array", "map"] = "string"  # noqa: N815  # the same
    string: str = ""
    array: list[str] = []
    map: dict[str, str] = {}


class Parameters(_Strict):
    """Both are shown in Argo CD's Parameters tab."""

    static: list[Announcement]
    dynamic: Command


class Metadata(_Strict):
    """The name is what an Application states."""

    name: Literal["retag"]


class Spec(_Strict):
    """No version, which would be part of the name, and no discovery."""

    generate: Command
    parameters: Parameters


class Plugin(_Strict):
    """A whole plugin.yaml."""

    apiVersion: Literal["argoproj.io/v1alpha1"]  # noqa: N815  # Kubernetes' name
    kind: Literal["ConfigManagementPlugin"]
    metadata: Metadata
    spec: Spec


def plugin_yaml() -> Plugin:
    """The project's own."""
    return read((ROOT / "plugin.yaml").read_text("utf-8"))


def read(text: str) -> Plugin:
    """A plugin.yaml whose text is *text*.

    Raises `RuleError` also for a key that stands twice, of which Argo CD takes the last.
    """
    [document] = load_documents(text, "plugin.yaml")
    raise_together([error_of(fault) for fault in document.all_faults()])
    return Plugin.model_validate(document.data)


def arguments(command: Command) -> list[str]:
    """*command* with what is in the image replaced by what is here."""
    return [_here(each) for each in [*command.command, *command.args]]


def _here(argument: str) -> str:
    for there, here in _IN_THE_IMAGE.items():
        if argument == there or argument.startswith(f"{there}/"):
            return here + argument.removeprefix(there)
    return argument


def start(
    command: Command, source: Path, environment: Mapping[str, str], *, umask: int = -1
) -> subprocess.Popen[bytes]:
    """*command* as argocd-cmp-server starts it: in the source's folder, in a group of its own."""
    return subprocess.Popen(
        arguments(command),
        cwd=source,
        env={"PATH": os.environ["PATH"], **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        process_group=0,
        umask=umask,
    )


def run(
    command: Command, source: Path, environment: Mapping[str, str], *, umask: int = -1
) -> tuple[int, str, bytes]:
    """Exit code, stderr and stdout of *command*."""
    with start(command, source, environment, umask=umask) as process:
        stdout, stderr = process.communicate(timeout=PATIENCE)
    return process.returncode, stderr.decode(), stdout
