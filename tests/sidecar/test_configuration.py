"""A configuration is read whole; what is broken in it touches only those that need it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from cmp.errors import RegistryError, RuleError
from cmp.pipeline import Generated, resolve
from cmp.reference import Repository
from cmp.request import Request
from cmp.rules import Application, RuleSet, read_rules, rules_for
from cmp.tags import Needs
from sidecar.configuration import Configuration, Paths
from sidecar.sources import Files
from tests.memory import MemoryStore, OneApplication, last_good
from tests.sidecar.mounts import Mount, registries, rules
from tests.sidecar.place import IMAGE, Place, answer, pod

REPOSITORY = Repository("registry.example.com", "profanity-api")
UNRULED = pod("docker.io/library/nginx:1.0")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A sound configuration."""
    return Place(tmp_path)


def answers(configuration: Configuration, *manifests: bytes) -> list[str]:
    """What Pods get, each an image or an error."""

    async def run() -> list[str]:
        try:
            return [await answer(configuration, each) for each in manifests]
        finally:
            await configuration.aclose()

    return asyncio.run(run())


def test_a_sound_configuration_gives_the_newest_allowed_tag(place: Place) -> None:
    configuration = place.load()

    assert (configuration.faults, configuration.broken) == ((), ())
    assert answers(configuration, pod(), UNRULED) == [
        f"{IMAGE}:v1.10.0",
        "docker.io/library/nginx:1.0",
    ]


def missing(place: Place) -> None:
    place.paths = Paths((place.folder / "nowhere",), place.paths.files)


def loop(place: Place) -> None:
    path = place.folder / "loop"
    path.symlink_to(path)
    place.paths = Paths((path,), place.paths.files)


def bug(place: Place) -> None:
    def read(_paths: Iterable[Path]) -> RuleSet:
        raise RecursionError

    place.read = read


def bad_fields(place: Place) -> None:
    path = place.folder / "fields.yaml"
    path.write_text("images: 3\n")
    place.paths = Paths(place.paths.rules, place.paths.files, path)


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (missing, "[RT308]"),
        (loop, "[RT308]"),
        (bug, "unexpected RecursionError"),
        (bad_fields, "[RT352]"),
    ],
    ids=["no rules there", "a link to itself", "a bug", "image fields that are none"],
)
def test_what_may_touch_any_image_is_the_answer_to_each_request(
    place: Place, break_it: Callable[[Place], None], said: str
) -> None:
    break_it(place)

    configuration = place.load()

    assert [said in str(fault) for fault in configuration.faults] == [True]
    assert configuration.broken == configuration.faults
    assert all(said in each for each in answers(configuration, pod(), UNRULED))


def test_without_rules_nothing_is_rendered_even_by_who_does_not_look_at_faults(
    place: Place,
) -> None:
    missing(place)

    [unreadable] = place.load().operator.rules.unreadable

    assert "RT308" in str(unreadable)


def test_a_file_of_rules_that_is_no_yaml_touches_all(place: Place) -> None:
    place.rules.swap({"rules.yaml": rules(), "more.yaml": "a: [\n"})

    configuration = place.load()

    assert configuration.faults == ()
    assert [type(error) for error in configuration.broken] == [RuleError]
    assert all("more.yaml" in each for each in answers(configuration, pod(), UNRULED))


def test_a_broken_unit_touches_its_own_image_alone(place: Place) -> None:
    broken = rules(image="registry.example.com/other").replace("alias: api", "alias: 3")
    place.rules.swap({"rules.yaml": rules(), "more.yaml": broken.replace("name: all", "name: b")})

    configuration = place.load()

    assert configuration.broken == ()
    assert len(configuration.findings) == 1
    image, other = answers(configuration, pod(), UNRULED)
    assert (image, other) == (f"{IMAGE}:v1.10.0", "docker.io/library/nginx:1.0")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("registries: [", "registries.conf:"),
        ("registries:\n- {name: r, prefix: registry.example.com}\n", "api_url"),
        (None, "[RT308]"),
    ],
    ids=["no YAML", "a field is missing", "no file"],
)
def test_a_broken_registries_conf_touches_who_needs_a_registry(
    place: Place, text: str | None, said: str
) -> None:
    place.config.swap({} if text is None else {"registries.conf": text})

    configuration = place.load()

    assert configuration.faults == ()
    assert [said in str(error) for error in configuration.broken] == [True]
    needs, free = answers(configuration, pod(), UNRULED)
    assert said in needs
    assert free == "docker.io/library/nginx:1.0"


def test_with_a_broken_registries_conf_the_last_good_choice_stays(place: Place) -> None:
    place.config.swap({"registries.conf": "registries: ["})
    configuration = place.load()
    application = Application(name="app")
    [rule] = rules_for(configuration.operator.rules, application).rules
    store = MemoryStore([last_good(rule, "v1.4.2")])

    async def run() -> Generated:
        request = Request(name="app")
        operator = replace(configuration.operator, lookups=configuration.lookups)
        return await resolve(request, pod(), operator, OneApplication(application), store)

    [decision] = asyncio.run(run()).decisions
    assert str(decision.after) == f"{IMAGE}:v1.4.2"
    assert "registries.conf" in decision.warning
    assert place.sample("retag_last_good_served_total", reason="unreachable") == 1


def test_a_pin_needs_no_registries_conf(place: Place) -> None:
    place.config.swap({})
    place.rules.swap({"rules.yaml": rules() + "          pin: v1.4.1\n"})

    assert answers(place.load(), pod()) == [f"{IMAGE}:v1.4.1"]


def test_a_broken_registries_conf_exits_as_its_code_says(place: Place) -> None:
    place.config.swap({})

    async def run() -> list[int]:
        configuration = place.load()
        tags = configuration.sources.tags.authorised("").since(0)
        codes = []
        for asked in (
            lambda: tags.list_tags(REPOSITORY),
            lambda: tags.describe(REPOSITORY, ["v1"], Needs(created=True)),
            lambda: tags.signatures(REPOSITORY, "sha256:0"),
        ):
            with pytest.raises(RegistryError, match="RT308") as caught:
                await asked()
            codes.append(caught.value.exit_code)
        await configuration.aclose()
        return codes

    assert asyncio.run(run()) == [3, 3, 3]


def test_a_bug_while_registries_conf_is_read_touches_who_needs_a_registry(
    place: Place,
) -> None:
    place.paths = Paths(place.paths.rules, Files(Path("\0")))

    configuration = place.load()

    assert "unexpected ValueError" in str(configuration.broken[0])


def test_the_sources_are_kept_while_their_files_are_the_same(place: Place) -> None:
    first = place.load()
    place.rules.swap({"rules.yaml": rules("~1.4")})

    second = place.load(first)

    assert second.sources is first.sources
    assert second.operator.memo is first.operator.memo
    assert answers(second, pod()) == [f"{IMAGE}:v1.4.2"]


def touch_conf(place: Place) -> None:
    place.registries(registries(place.url, ", limit: 5"))


def add_certificate(place: Place) -> None:
    (place.folder / "certificates").mkdir()
    (place.folder / "certificates" / "registry.example.com").write_text("x")


def add_secret(place: Place) -> None:
    Mount(place.folder / "secrets" / "argocd" / "login", {"password": "made-up"})


def change_client_key(place: Place) -> None:
    (place.folder / "client.key").write_text("another")


def change_login(place: Place) -> None:
    (place.folder / "login").write_text("another")


CHANGES = [touch_conf, add_certificate, add_secret, change_client_key, change_login]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_the_sources_are_new_where_one_of_their_files_changed(
    place: Place, change: Callable[[Place], None]
) -> None:
    for name in ("client.key", "client.crt", "login"):
        (place.folder / name).write_text("x")
    more = (
        f", client_key: {place.folder}/client.key, client_cert: {place.folder}/client.crt"
        f", credentials: 'file:{place.folder}/login'"
    )
    place.registries(registries(place.url, more))
    first = place.load()
    assert first.is_current

    change(place)

    assert not first.is_current
    assert place.load(first).sources is not first.sources


def test_credentials_of_no_form_name_no_file(place: Place) -> None:
    place.registries(registries(place.url, ", credentials: nonsense"))

    assert place.load().sources.named == ()


def test_broken_sources_are_never_kept(place: Place) -> None:
    place.config.swap({})
    first = place.load()

    assert place.load(first).sources is not first.sources


def test_a_swap_in_the_middle_of_a_load_gives_no_mixture(place: Place) -> None:
    """Rules and registries.conf of one mount always belong together."""
    old = {"rules.yaml": rules("~1.0"), "registries.conf": registries(place.url)}
    new = {"rules.yaml": rules("~1.4"), "registries.conf": registries(place.url, ", limit: 7")}
    mount = Mount(place.folder / "both", old)
    folder = place.folder / "both"
    place.paths = Paths((folder,), Files(folder / "registries.conf"))
    versions = [new]

    def read(paths: Iterable[Path]) -> RuleSet:
        ruleset = read_rules(paths)
        if versions:
            mount.swap(versions.pop())
        return ruleset

    place.read = read

    configuration = place.load()

    assert configuration.broken == ()
    assert [each.limit for each in configuration.sources.registries.endpoints] == [7]
    assert answers(configuration, pod()) == [f"{IMAGE}:v1.4.2"]


def test_files_that_never_come_to_rest_are_a_fault(place: Place) -> None:
    def read(paths: Iterable[Path]) -> RuleSet:
        ruleset = read_rules(paths)
        place.rules.swap({"rules.yaml": rules()})
        return ruleset

    place.read = read

    configuration = place.load()

    assert [fault.code for fault in configuration.faults] == ["RT630"]
    assert "RT630" in answers(configuration, pod())[0]
    assert not configuration.is_current


def test_image_fields_are_found_in_custom_resources(place: Place) -> None:
    path = place.folder / "fields.yaml"
    path.write_text("images:\n- {path: spec/image, kind: MyKind}\n")
    place.paths = Paths(place.paths.rules, place.paths.files, path)
    text = f"apiVersion: v1\nkind: MyKind\nmetadata: {{name: m}}\nspec:\n  image: {IMAGE}:v1.0.0\n"

    assert answers(place.load(), text.encode()) == [f"{IMAGE}:v1.10.0"]


def test_a_change_of_rights_is_noticed(place: Place) -> None:
    configuration = place.load()

    os.chmod(place.folder / "rules" / "rules.yaml", 0o600)  # noqa: PTH101

    assert not configuration.is_current
