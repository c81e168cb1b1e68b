"""docs/rules.md names every field there is, and its examples are what it says they are."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest
from pydantic import BaseModel

from cmp.policy.constraint import Constraint
from cmp.policy.version import parse_version
from cmp.registry.endpoint import Endpoint
from cmp.rules import model
from tests.lint.files import WEB, lint_text, updater

PAGE = (Path(__file__).parents[2] / "docs" / "rules.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """What stands under the heading *title*."""
    return re.split(r"\n#+ ", PAGE.partition(f"# {title}\n")[2])[0]


def listed(title: str) -> set[str]:
    """The fields in the first column of the table under *title*."""
    cells = re.findall(r"^\| (`.*?) \|", section(title), re.MULTILINE)
    return {name for cell in cells for name in re.findall("`(.*?)`", cell)}


def fields(of: type[BaseModel]) -> set[str]:
    """The names of the fields of a model, as they are written."""
    return {field.alias or name for name, field in of.model_fields.items()}


@pytest.mark.parametrize(
    ("title", "of"),
    [
        ("spec", model.SpecFields),
        ("applicationRefs[]", model.RefFields),
        ("images[]", model.ImageFields),
        ("Settings", model.CommonUpdateSettings),
        ("registries.conf", Endpoint),
    ],
)
def test_each_table_has_the_fields_of_its_model(title: str, of: type[BaseModel]) -> None:
    assert listed(title) == fields(of)


@pytest.mark.parametrize(
    "of",
    [
        model.FilterTags,
        model.CosignKey,
        model.ImagesVerification,
        model.ManifestTargets,
        model.PluginTarget,
        model.HelmTarget,
        model.LabelSelector,
        model.MatchExpression,
    ],
)
def test_the_fields_of_smaller_blocks_are_named(of: type[BaseModel]) -> None:
    assert all(f"`{name}`" in PAGE for name in fields(of))


EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def whole(example: str) -> str:
    """*example*, or the resource that it is a part of."""
    ref = "applicationRefs:\n- namePattern: web\n"
    if example.startswith("images:"):
        return updater(ref + textwrap.indent(example, "  "))
    if example.startswith("commonUpdateSettings:"):
        return updater(f"{example}{ref}  images: [{{alias: web, imageName: '{WEB}:1.x'}}]")
    return example


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_the_examples_are_sound(tmp_path: Path, number: int) -> None:
    found = lint_text(tmp_path, whole(EXAMPLES[number]), file="example.yaml")

    assert {each.code for each in found} <= {"RT310", "RT312", "RT313"}  # the older form


ROWS = re.findall(r"^\| (`.*`) \| (`.*`) \| (`.*`) \|$", section("Constraints"), re.MULTILINE)


@pytest.mark.parametrize(("constraints", "allowed", "refused"), ROWS, ids=[row[0] for row in ROWS])
def test_constraints_allow_what_the_table_says(
    constraints: str, allowed: str, refused: str
) -> None:
    for text in re.findall("`(.*?)`", constraints):
        constraint = Constraint.parse(text.replace("\\|", "|"))
        answers = {
            version: constraint.refusal(parsed) is None
            for version in re.findall("`(.*?)`", allowed + refused)
            for parsed in [parse_version(version)]
            if parsed is not None
        }
        assert answers == dict.fromkeys(re.findall("`(.*?)`", allowed), True) | dict.fromkeys(
            re.findall("`(.*?)`", refused), False
        )
