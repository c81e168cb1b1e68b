"""What Argo CD's Parameters tab shows, and that showing it changes nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cmp.errors import RegistryError
from cmp.options import Options, parse_json
from cmp.parameters import ANNOUNCED
from cmp.pipeline import Generated
from sidecar.announce import announce, announce_failure
from tests.memory import MemoryTags
from tests.test_pipeline import APP, DB, SEMVER, pod, remembering, ruleset, run

# message ParameterAnnouncement of Argo CD's reposerver/repository/repository.proto, with the Go
# types into which argocd-cmp-server reads the JSON.
FIELDS: dict[str, type] = {
    "name": str,
    "title": str,
    "tooltip": str,
    "required": bool,
    "itemType": str,
    "collectionType": str,
    "string": str,
    "array": list,
    "map": dict,
}
DIGEST = "sha256:" + "0123456789ab" + "0" * 52


def announced(generated: Generated) -> dict[str, Any]:
    """The one announcement."""
    [announcement] = json.loads(announce(generated))
    assert isinstance(announcement, dict)
    return announcement


def rows(generated: Generated) -> dict[str, str]:
    """What is shown of the images."""
    shown = announced(generated)["map"]
    assert isinstance(shown, dict)
    return shown


def test_it_is_what_argo_cd_reads() -> None:
    announcement = announced(run(pod(f"{APP}:1.0.0")))

    assert {name: type(value) for name, value in announcement.items()}.items() <= FIELDS.items()
    assert announcement["collectionType"] == "map"
    assert all(isinstance(value, str) for value in announcement["map"].values())


def test_the_static_announcements_are_what_argo_cd_reads() -> None:
    for parameter in ANNOUNCED:
        shown = parameter.announcement

        assert {name: type(value) for name, value in shown.items()}.items() <= FIELDS.items()
        assert shown["collectionType"] in {"string", "array", "map"}


@pytest.mark.parametrize(
    ("image", "params", "text"),
    [
        pytest.param(
            f"{APP}:1.0.0", [], "1.0.0 → 1.1.0: newest of 2 allowed versions", id="moved"
        ),
        pytest.param(f"{APP}:1.1.0", [], "1.1.0: newest of 2 allowed versions", id="is there"),
        pytest.param(APP, [], "no tag → 1.1.0: newest of 2 allowed versions", id="no tag"),
        pytest.param(
            f"{APP}@{DIGEST}",
            [],
            "@sha256:0123456789ab → 1.1.0: newest of 2 allowed versions",
            id="a digest",
        ),
        pytest.param(
            f"{APP}:1.0.0",
            ["pins=app=0.9"],
            "1.0.0 → 0.9: pinned by the Application's parameter pins",
            id="pinned",
        ),
        pytest.param(
            f"{APP}:1.0.0",
            ["freeze=true"],
            "1.0.0: the Application is frozen; the image stays as it is",
            id="frozen",
        ),
    ],
)
def test_an_image_is_shown_with_its_tag_the_chosen_one_and_why(
    image: str, params: list[str], text: str
) -> None:
    assert rows(run(pod(image), SEMVER, *params)) == {"app": text}


def test_the_last_good_choice_is_shown_where_it_stays() -> None:
    generated = run(pod(f"{APP}:1.0.0"), SEMVER, "freeze=true", store=remembering(SEMVER, "1.0.5"))

    assert rows(generated)["app"].startswith("1.0.0 → 1.0.5: the Application is frozen; 1.0.5")


def test_an_image_under_another_name_is_shown_whole() -> None:
    rules = ruleset(
        f"- {{alias: app, imageName: {APP}, manifestTargets: {{kustomize: {{name: x}}}}}}"
    )

    assert rows(run(pod("x:1"), rules))["app"].startswith(f"x:1 → {APP}:1.1.0: ")


def test_images_that_differ_have_rows_of_their_own_and_equal_ones_share_one() -> None:
    shown = rows(run(pod(f"{APP}:1.0.0", f"{APP}:1.1.0", f"{APP}:1.0.0")))

    assert [(alias, text.partition(":")[0]) for alias, text in shown.items()] == [
        ("app", "1.0.0 → 1.1.0"),
        ("app (2)", "1.1.0"),
    ]


def test_where_nothing_is_ruled_it_says_so() -> None:
    assert rows(run(pod("x:1"))) == {"none": "web: no image in the manifests is under a rule"}


def test_it_is_bounded_in_rows_and_in_characters() -> None:
    tags = MemoryTags({APP: ["1" * 128]})
    rules = ruleset(f"- {{alias: {'a' * 500}, imageName: {APP}}}")
    shown = rows(
        run(pod(*(f"{APP}:{'t' * 120}{n}" for n in range(200))), rules, "freeze=true", tags=tags)
    )

    assert len(shown) == 51
    assert shown["…"] == "and 150 more: retag explain shows all"
    assert max(map(len, shown)) <= 310
    assert max(map(len, shown.values())) <= 300


def test_several_rules_are_told_apart_by_their_aliases() -> None:
    both = ruleset(f"- {{alias: app, imageName: {APP}}}\n- {{alias: db, imageName: '{DB}:5'}}")

    assert list(rows(run(pod(f"{APP}:1.0.0", f"{DB}:5"), both))) == ["app", "db"]


def saved(announcement: dict[str, Any], edits: dict[str, str]) -> str:
    """The parameters of an Application after *edits* in Argo CD's form.

    As its MapValueField has it: all entries that are shown, and the edits, are written.
    """
    shown = announcement.get("map", {}) | edits
    return json.dumps([{"name": announcement["name"], "map": shown}])


def test_saving_what_is_shown_pins_nothing() -> None:
    before = run(pod(f"{APP}:1.0.0"))
    options = parse_json(saved(announced(before), {"app": "edited"}))

    assert (options.pins, options.freeze) == ({}, False)
    assert options.values.keys() == {"images"}


def test_saving_an_error_that_is_shown_has_no_effect() -> None:
    [announcement] = json.loads(announce_failure(RegistryError("RT530", "nothing is chosen")))
    options = parse_json(saved(announcement, {}))

    assert announcement.keys() == announced(run(pod(f"{APP}:1.0.0"))).keys()
    assert (options.pins, options.freeze) == ({}, False)
    assert options.values.keys() == {"images"}


def test_pinning_one_image_in_the_form_pins_no_other() -> None:
    [pins] = [each.announcement for each in ANNOUNCED if each.name == "pins"]

    assert parse_json(saved(pins, {"app": "1.0.0"})) == Options({"pins": {"app": "1.0.0"}})


def test_no_announcement_is_of_a_parameter_that_plugin_yaml_announces() -> None:
    name = announced(run(pod(f"{APP}:1.0.0")))["name"]

    assert name not in {each.name for each in ANNOUNCED}


def test_user_info_in_addresses_is_not_shown() -> None:
    rules = ruleset(f"- {{alias: 'https://user:hunter-two@example.com/', imageName: {APP}}}")

    assert "hunter-two" not in announce(run(pod(f"{APP}:1.0.0"), rules)).decode()


def test_an_image_of_a_broken_rule_is_shown_with_what_it_keeps() -> None:
    broken = ruleset(f"- {{alias: app, imageName: {APP}, pin: [1]}}")
    generated = run(pod(f"{APP}:1.0.0"), broken, store=remembering(SEMVER, "1.0.5"))

    assert rows(generated)[APP].startswith("1.0.0 → 1.0.5: the rule, which may be")
