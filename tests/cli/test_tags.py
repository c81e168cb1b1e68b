"""`retag tags`: an option for each field that chooses, and what is told of the choice."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.conftest import Laptop
from tests.cosign.cases import DATA

IMAGE = ("tags", "registry.example.com/profanity-api", "--registries", "registries.conf")


def told(laptop: Laptop, *options: str) -> dict[str, Any]:
    done = laptop.retag(*IMAGE, *options, "-o", "json")
    answer: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == int(answer["tag"] is None)
    return answer


def test_what_is_known_of_the_chosen_tag_is_shown(laptop: Laptop) -> None:
    answer = told(laptop)
    text = laptop.retag(*IMAGE).stdout.decode()

    assert answer["digest"].startswith("sha256:")
    assert f"  digest   {answer['digest']}\n" in text
    assert f"  built    {answer['built']}\n" in text
    assert (answer["pushed"], answer["severity"], answer["verified"]) == (None, None, None)


@pytest.mark.parametrize(
    ("options", "gate"),
    [
        (["--min-age", "24h"], "minAge 24h: "),
        (["--max-severity", "low"], "maxSeverity low: "),
        (["--require-trusted"], "requireTrusted: "),
        (["--update-strategy", "newest-build", "--order-by", "pushed"], "orderBy pushed: "),
        (["--cosign-key", str(DATA / "first.pub")], "imagesVerification: "),
    ],
    ids=["an age", "a severity", "trust", "push times", "a key"],
)
def test_a_gate_is_named_with_each_tag_that_it_holds_back(
    laptop: Laptop, options: list[str], gate: str
) -> None:
    answer = told(laptop, *options)

    assert answer["kept"] == "nothing-allowed"
    assert any(refusal["reason"].startswith(gate) for refusal in answer["refused"])


@pytest.mark.parametrize(
    ("options", "tag"),
    [
        (["--pin", "v1.2.0"], "v1.2.0"),
        (["--deny-tags", "v1.1?.*"], "v1.9.0"),
        (["--update-strategy", "numerical", "--filter-tags", r"^v1\.2\.(.+)$", "--extract", "$1"],
         "v1.2.0"),
    ],
)  # fmt: skip
def test_the_other_fields_have_options_too(laptop: Laptop, options: list[str], tag: str) -> None:
    assert told(laptop, *options)["tag"] == tag


def test_how_the_choice_is_written_is_told(laptop: Laptop) -> None:
    assert "output digest" in told(laptop, "--write", "digest")["policy"]


def test_what_is_wrong_with_the_policy_and_does_not_end_it_is_a_warning(laptop: Laptop) -> None:
    done = laptop.retag(*IMAGE, "--platforms", "windows")

    assert "platforms[0]: 'windows' is not os/arch" in done.stderr.decode()


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--order-by", "pushed"], "RT247"),
        (["--min-age", "yesterday"], "RT247"),
        (["--cosign-key", "registries.conf"], "RT354"),
    ],
    ids=["push times of versions", "no age", "no key"],
)
def test_a_policy_that_makes_no_sense_is_an_error(
    laptop: Laptop, options: list[str], code: str
) -> None:
    done = laptop.retag(*IMAGE, *options)

    assert done.returncode in (2, 3)
    assert f"[{code}]" in done.stderr.decode()
    assert done.stdout == b""
