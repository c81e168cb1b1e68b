"""Reads the Dockerfile, and does what its stages say in folders instead of images.

Only what that file uses is known: another instruction or form fails. Programs of a stage's base
image are those given as *programs*; absolute paths are below the stage's folder.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
_VARIABLE = re.compile(r"\$(?:\{(?P<braced>\w+)\}|(?P<plain>\w+))")


@dataclass(frozen=True)
class Instruction:
    """One instruction: `COPY`, `{"from": "tree"}`, `/out /`."""

    name: str
    flags: Mapping[str, str]
    text: str

    @property
    def words(self) -> list[str]:
        """Its words, of the form with brackets or of that for a shell."""
        if not self.text.startswith("["):
            return shlex.split(self.text)
        words: list[str] = json.loads(self.text)
        return words

    @property
    def variables(self) -> set[str]:
        """The build arguments that it uses."""
        stated = " ".join([self.text, *self.flags.values()])
        return {match[match.lastgroup or 0] for match in _VARIABLE.finditer(stated)}


@dataclass(frozen=True)
class Stage:
    """What stands from one FROM to the next; *name* is "" for the image itself."""

    name: str
    start: Instruction
    instructions: tuple[Instruction, ...]

    def all(self, name: str) -> list[Instruction]:
        """Its instructions of that *name*."""
        return [each for each in self.instructions if each.name == name]


@dataclass(frozen=True)
class Dockerfile:
    """The arguments before the first stage, and the stages."""

    head: tuple[Instruction, ...]
    stages: tuple[Stage, ...]

    @property
    def arguments(self) -> dict[str, str]:
        """Default values of all arguments, by name."""
        stated = [*self.head, *(arg for stage in self.stages for arg in stage.all("ARG"))]
        pairs = (each.words[0].partition("=") for each in stated if each.name == "ARG")
        return {name: value for name, equals, value in pairs if equals}


def read(text: str) -> Dockerfile:
    """The Dockerfile whose content is *text*."""
    lines = [line for line in text.split("\n") if line and not line.startswith("#")]
    whole = [_instruction(line) for line in "\n".join(lines).replace("\\\n", "").split("\n")]
    starts = [index for index, each in enumerate(whole) if each.name == "FROM"]
    stages = (
        _stage(whole[start:end])
        for start, end in zip(starts, [*starts[1:], len(whole)], strict=True)
    )
    return Dockerfile(tuple(whole[: starts[0]]), tuple(stages))


def _instruction(line: str) -> Instruction:
    name, _, rest = line.partition(" ")
    flags = {}
    while match := re.match(r"--(\w+)=(\S+) +", rest):
        flags[match[1]] = match[2]
        rest = rest[match.end() :]
    return Instruction(name, flags, rest.strip())


def _stage(instructions: list[Instruction]) -> Stage:
    start, *others = instructions
    _, _, name = start.text.partition(" AS ")
    return Stage(name, start, tuple(others))


@dataclass(frozen=True)
class Build:
    """Stages done in folders below *folder*.

    *programs* is what base images hold: the path that is run for `python3`, say. *environment* is
    that of what is run.
    """

    dockerfile: Dockerfile
    folder: Path
    programs: Mapping[str, str]
    environment: Mapping[str, str]

    def run(self) -> Path:
        """Do all, and give the root of the image."""
        for stage in self.dockerfile.stages:
            self._do(stage)
        return self.root("")

    def root(self, stage: str) -> Path:
        """Where the files of the *stage* of that name are; "" is the image."""
        return self.folder / (stage or "image")

    def _do(self, stage: Stage) -> None:
        root = self.root(stage.name)
        root.mkdir()
        working = root
        for each in stage.instructions:
            if each.name == "WORKDIR":
                working = _below(root, root, each.text)
                working.mkdir(parents=True)
            elif each.name == "COPY":
                self._copy(each, root, working)
            elif each.name == "RUN":
                self._run(each, root, working)

    def _copy(self, copy: Instruction, root: Path, working: Path) -> None:
        """As Docker: a folder's content, and files into what ends with a slash."""
        *sources, target = copy.words
        origin = self.root(copy.flags["from"]) if "from" in copy.flags else PROJECT
        into = _below(root, working, target)
        for source in (_below(origin, origin, each) for each in sources):
            if source.is_dir():
                shutil.copytree(source, into, dirs_exist_ok=True, symlinks=True)
                continue
            into.mkdir(parents=True, exist_ok=True)
            assert target.endswith("/")
            shutil.copy(source, into)

    def _run(self, run: Instruction, root: Path, working: Path) -> None:
        known = {**self.dockerfile.arguments, **self.environment}
        words = (_VARIABLE.sub(lambda m: known[m[m.lastgroup or 0]], w) for w in run.words)
        command = [self.programs.get(word, _mapped(root, word)) for word in words]
        subprocess.run(command, cwd=working, env={**os.environ, **known}, check=True)


def _below(root: Path, working: Path, path: str) -> Path:
    return root / path.lstrip("/") if path.startswith("/") else working / path


def _mapped(root: Path, word: str) -> str:
    return str(_below(root, root, word)) if word.startswith("/") else word
