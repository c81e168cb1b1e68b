"""The Dockerfile states what it should, and names nothing that is not there."""

from __future__ import annotations

import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

from scripts.tools import TOOLS
from tests.image.dockerfile import PROJECT, Dockerfile, Stage

_PREDEFINED = {"TARGETARCH", "BUILDPLATFORM"}  # by BuildKit


def _ignored(path: str) -> bool:
    """Whether .dockerignore hides *path*: the last line that matches it, or a folder of it."""
    hidden = False
    parts = Path(path).parts
    above = ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]
    for line in (PROJECT / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!")
        if not pattern or pattern.startswith("#"):
            continue
        anywhere = pattern.removeprefix("**/")
        names = above if anywhere == pattern else parts
        if any(fnmatch(each, anywhere) for each in names):
            hidden = not line.startswith("!")
    return hidden


def _final(dockerfile: Dockerfile) -> Stage:
    return dockerfile.stages[-1]


def _value(stage: Stage, name: str) -> list[str]:
    [stated] = stage.all(name)
    return stated.words


def test_only_known_instructions_are_used(dockerfile: Dockerfile) -> None:
    used = {each.name for stage in dockerfile.stages for each in stage.instructions}

    assert {each.name for each in dockerfile.head} == {"ARG"}
    assert used == {
        *("ARG", "WORKDIR", "COPY", "RUN", "LABEL", "ENV"),
        *("USER", "HEALTHCHECK", "ENTRYPOINT", "CMD"),
    }


def test_base_images_are_named_once_at_the_top_with_a_whole_version(
    dockerfile: Dockerfile,
) -> None:
    named = {f"${{{each.words[0].partition('=')[0]}}}" for each in dockerfile.head}

    for stage in dockerfile.stages:
        assert stage.start.text.partition(" AS ")[0] in named
    for each in dockerfile.head:
        assert re.fullmatch(r"[A-Z_]+_IMAGE=[a-z]+:\d+\.\d+\.\d+-(slim-)?bookworm", each.text)


def test_all_but_the_image_itself_is_built_without_emulation(dockerfile: Dockerfile) -> None:
    *stages, final = dockerfile.stages

    assert {stage.start.flags["platform"] for stage in stages} == {"$BUILDPLATFORM"}
    assert not final.start.flags
    assert not final.all("RUN")


def test_each_argument_that_is_used_is_declared_and_the_other_way_round(
    dockerfile: Dockerfile,
) -> None:
    head = {each.words[0].partition("=")[0] for each in dockerfile.head}
    used_by_from = {name for stage in dockerfile.stages for name in stage.start.variables}

    assert head == used_by_from - _PREDEFINED
    for stage in dockerfile.stages:
        declared = {each.words[0].partition("=")[0] for each in stage.all("ARG")}
        used = {name for each in stage.instructions for name in each.variables}
        scripts = "".join(
            (PROJECT / word).read_text()
            for copy in stage.all("COPY")
            for word in copy.words[:-1]
            if word.endswith(".sh")
        )
        assert used <= declared
        assert all(name in used or f"${name}" in scripts for name in declared)


def test_the_renderers_are_those_that_the_tests_use(dockerfile: Dockerfile) -> None:
    [stage] = [each for each in dockerfile.stages if each.name == "renderers"]
    stated = dict(each.words[0].split("=") for each in stage.all("ARG") if "=" in each.text)
    script = (PROJECT / "scripts/image/renderers.sh").read_text()
    tools = [tool for tool in TOOLS if tool.go]

    assert stated == {f"{tool.name.upper()}_VERSION": tool.version for tool in tools}
    assert all(f'"{tool.go}@${tool.name.upper()}_VERSION"' in script for tool in tools)


def test_what_is_copied_is_there_and_gets_to_the_builder(dockerfile: Dockerfile) -> None:
    names = {stage.name for stage in dockerfile.stages}
    copies = [copy for stage in dockerfile.stages for copy in stage.all("COPY")]

    assert {copy.flags["from"] for copy in copies if copy.flags} <= names
    for source in (word for copy in copies if not copy.flags for word in copy.words[:-1]):
        path = PROJECT / source
        files = [path] if path.is_file() else list(path.rglob("*.py"))
        assert files
        assert not any(_ignored(str(each.relative_to(PROJECT))) for each in files)


@pytest.mark.parametrize(
    "path",
    [
        *(".git/config", ".venv/bin/python", ".tools/bin/helm", "tests/conftest.py", ".env"),
        *("cmp/__pycache__/tags.cpython-311.pyc", "cmp/old.pyc", "requirements/dev.txt"),
    ],
)
def test_what_is_not_copied_is_hidden_from_the_builder(path: str) -> None:
    assert _ignored(path)


def test_nothing_comes_from_the_network_but_what_is_pinned(dockerfile: Dockerfile) -> None:
    runs = [each for stage in dockerfile.stages for each in stage.all("RUN")]
    scripts = {"renderers.sh", "libraries.py", "tree.py"}

    for run in runs:
        assert run.words[0] in ("sh", "python3")
        assert scripts & {Path(word).name for word in run.words}
        assert not {"|", "&&", ";", "curl", "wget", "apt-get"} & set(run.words)
    libraries = (PROJECT / "scripts/image/libraries.py").read_text()
    assert '"--require-hashes", "--only-binary=:all:"' in libraries


def test_the_image_says_what_it_is(dockerfile: Dockerfile) -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    [label] = _final(dockerfile).all("LABEL")
    said = dict(word.split("=", 1) for word in label.words)

    assert all(name.startswith("org.opencontainers.image.") for name in said)
    told = {name.removeprefix("org.opencontainers.image."): text for name, text in said.items()}
    assert told["description"] == project["description"]
    assert told["licenses"] == project["license"]
    assert (told["version"], dockerfile.arguments["VERSION"]) == ("${VERSION}", project["version"])
    assert (told["revision"], told["created"]) == ("${REVISION}", "${CREATED}")
    assert told["base.name"] == "${PYTHON_IMAGE}"


def test_the_image_runs_as_argo_cds_user_and_without_a_shell(dockerfile: Dockerfile) -> None:
    final = _final(dockerfile)

    assert _value(final, "USER") == ["999:999"]
    assert _value(final, "HEALTHCHECK") == ["NONE"]
    assert _value(final, "ENTRYPOINT") == ["/opt/retag/bin/retag"]
    assert final.all("ENTRYPOINT")[0].text.startswith("[")
    assert final.all("CMD")[0].text.startswith("[")
