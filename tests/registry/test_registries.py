"""Only listed registries are asked, each the repository that is its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from cmp.cosign import Claim
from cmp.errors import NotFoundError, RegistryError
from cmp.judge import judge
from cmp.policy import Chosen, Settings, compile_policy
from cmp.reference import Repository
from cmp.registry import Registries, RoutedSource
from cmp.registry.cache import CachedTags
from cmp.registry.endpoint import Endpoint
from cmp.registry.http.connections import Surroundings
from cmp.registry.secrets import SecretFiles
from cmp.tags import Fault, Listing, Needs, Tag
from examples.zot_storage import Image, write_repository
from tests.registry.http.table import Answer, FakeRegistry, holding, page
from tests.servers.images import image
from tests.servers.model import Model
from tests.servers.zot import ZotServer

APP = Repository("registry.example.com", "team/app")
CONF = """\
registries:
- name: storage
  prefix: registry.example.com
  api_url: file:zot
- name: one
  prefix: oci.example.com/team/app
  api_url: file://./one
- name: sorted
  prefix: sorted.example.com
  api_url: file:zot
  tagsortmode: latest-first
- name: hub
  prefix: docker.io
  api_url: file:zot
- name: remote
  prefix: remote.example.com
  api_url: https://remote.example.com
- name: ages
  prefix: ages.example.com/team
  api_url: https://ages.example.com/registry
  tagsortmode: latest-last
  kind: oci
"""


@pytest.fixture
def registries(tmp_path: Path) -> Registries:
    """The registries of CONF, with what lies in them."""
    tags = {"v2": Image("2024-02-01T00:00:00Z"), "v1": Image("2024-01-01T00:00:00Z")}
    write_repository(tmp_path / "zot", "team/app", tags)
    write_repository(tmp_path / "zot", "library/nginx", {"1.25": Image(None)})
    write_repository(tmp_path, "one", {"o1": Image(None)})
    (tmp_path / "registries.conf").write_text(CONF)
    loaded, findings = Registries.load(tmp_path / "registries.conf", clock=lambda: 7.0)
    assert findings == []
    return loaded


@pytest.mark.parametrize(
    ("registry", "path", "names"),
    [
        ("registry.example.com", "team/app", ("v2", "v1")),
        ("oci.example.com", "team/app", ("o1",)),
        ("docker.io", "library/nginx", ("1.25",)),
    ],
)
def test_each_repository_is_listed_by_its_registry(
    registries: Registries, registry: str, path: str, names: tuple[str, ...]
) -> None:
    repository = Repository(registry, path)

    listing = asyncio.run(RoutedSource(registries).list_tags(repository))

    assert (listing.repository, listing.names, listing.observed_at) == (repository, names, 7.0)


def test_tags_are_described_by_their_registry(registries: Registries) -> None:
    source = RoutedSource(registries)

    tags = asyncio.run(source.describe(APP, ["v1", "v3"], Needs(created=True, digest=True)))

    assert tags["v1"].digest is not None
    assert tags["v3"].fault is Fault.GONE


@pytest.mark.parametrize(
    ("mode", "newest_first"), [("latest-first", True), ("latest-last", False), ("none", None)]
)
def test_a_listing_says_whether_its_order_tells_the_age(
    tmp_path: Path, registries: Registries, mode: str, *, newest_first: bool | None
) -> None:
    conf = tmp_path / "registries.conf"
    conf.write_text(CONF.replace("latest-first", mode))
    registries, _ = Registries.load(conf)

    listing = asyncio.run(
        RoutedSource(registries).list_tags(Repository("sorted.example.com", "team/app"))
    )

    assert listing.newest_first is newest_first


def test_a_registry_keeps_its_source_so_that_it_can_remember(registries: Registries) -> None:
    first, _ = registries.source(APP)
    second, asked = registries.source(Repository("registry.example.com", "other"))

    assert first is second
    assert asked == Repository("registry.example.com", "other")


@pytest.mark.parametrize(
    ("registry", "message"),
    [
        ("other.example.com", "other.example.com is not listed in registries.conf"),
        ("registry.example.com:5000", "not listed"),
    ],
)
def test_no_other_registry_is_asked(registries: Registries, registry: str, message: str) -> None:
    source = RoutedSource(registries)

    with pytest.raises(RegistryError, match=message):
        asyncio.run(source.list_tags(Repository(registry, "team/app")))
    with pytest.raises(RegistryError, match=message):
        asyncio.run(source.describe(Repository(registry, "team/app"), [], Needs()))


def test_a_mirror_that_lacks_its_namespace_is_told_to_state_it(tmp_path: Path) -> None:
    write_repository(tmp_path / "zot", "library/nginx", {"1.25": Image(None)})
    conf = tmp_path / "registries.conf"
    conf.write_text("registries: [{name: mirror, default: true, api_url: 'file:zot'}]")
    nginx = Repository("docker.io", "library/nginx")
    bare, _ = Registries.load(conf)

    with pytest.raises(RegistryError) as caught:
        asyncio.run(RoutedSource(bare).list_tags(nginx))

    assert caught.value.remedy == (
        "there is library/nginx: set the registry's defaultns to library"
    )
    conf.write_text(conf.read_text().replace("default:", "defaultns: library, default:"))
    stated, _ = Registries.load(conf)
    assert asyncio.run(RoutedSource(stated).list_tags(nginx)).names == ("1.25",)


def test_of_two_registries_with_one_prefix_the_later_is_listed(tmp_path: Path) -> None:
    conf = tmp_path / "registries.conf"
    conf.write_text("""\
registries:
- {name: first, prefix: a.example.com, api_url: https://a.example.com}
- {name: other, prefix: b.example.com, api_url: https://b.example.com}
- {name: later, prefix: a.example.com, api_url: https://c.example.com}
""")

    registries, _ = Registries.load(conf)

    assert [endpoint.name for endpoint in registries.endpoints] == ["later", "other"]


def test_a_broken_file_lists_nothing(tmp_path: Path) -> None:
    (tmp_path / "registries.conf").write_text(CONF + "other: 1\n")

    registries, findings = Registries.load(tmp_path / "registries.conf")

    assert [finding.code for finding in findings] == ["RT304"]
    with pytest.raises(RegistryError, match="not listed"):
        registries.source(APP)


REMOTE = Repository("remote.example.com", "team/app")
AGES = Repository("ages.example.com", "team/app")
DIGEST_OF_NONE = f"sha256:{'0' * 64}"
IMAGES = {f"v{number}": image(f"2026-01-0{number}T00:00:00Z") for number in (3, 1, 2)}


class Remote:
    """Makes clients, all of them the same *registry*; *made* tells for which endpoints."""

    def __init__(self, answers: Mapping[str, Answer | list[Answer]]) -> None:
        self.registry = FakeRegistry(answers)
        self.made: list[str] = []

    def __call__(self, endpoint: Endpoint) -> FakeRegistry:
        """The client for *endpoint*."""
        self.made.append(endpoint.name)
        return self.registry


def load(tmp_path: Path, remote: Remote, **given: Any) -> Registries:
    """The registries of CONF, those over HTTP asked by *remote*."""
    conf = tmp_path / "registries.conf"
    conf.write_text(given.pop("conf", CONF))
    surroundings = Surroundings(client=remote, **given)
    registries, _ = Registries.load(conf, clock=lambda: 7.0, surroundings=surroundings)
    return registries


Use = Callable[[RoutedSource], Awaitable[Any]]


def ask(registries: Registries, use: Use) -> Any:
    """What *use* gets from the registries, which are closed then."""

    async def run() -> Any:
        async with registries:
            return await use(RoutedSource(registries))

    return asyncio.run(run())


def test_a_registry_over_http_is_asked_by_one_client_that_is_closed(tmp_path: Path) -> None:
    remote = Remote(holding("team/app", IMAGES))
    registries = load(tmp_path, remote)

    async def use(source: RoutedSource) -> list[Listing]:
        return [await source.list_tags(REMOTE), await source.authorised("").list_tags(REMOTE)]

    first, second = ask(registries, use)

    assert first.names == second.names == ("v3", "v1", "v2")
    assert (first.repository, first.observed_at) == (REMOTE, 7.0)
    assert remote.made == ["remote"]
    assert remote.registry.closed == 1


def test_no_client_is_made_for_a_registry_that_nobody_asks(tmp_path: Path) -> None:
    remote = Remote({})
    write_repository(tmp_path / "zot", "team/app", {"v1": Image(None)})

    ask(load(tmp_path, remote), lambda source: source.list_tags(APP))

    assert remote.made == []


def test_what_was_closed_is_opened_anew_when_it_is_asked(tmp_path: Path) -> None:
    remote = Remote(holding("team/app", IMAGES))
    registries = load(tmp_path, remote)

    for _ in range(2):  # each in an event loop of its own
        ask(registries, lambda source: source.list_tags(REMOTE))

    assert remote.made == ["remote", "remote"]
    assert remote.registry.closed == 2


def test_the_clients_of_all_registries_are_closed(tmp_path: Path) -> None:
    remote = Remote(
        holding("team/app", IMAGES) | {"GET /registry/v2/team/app/tags/list": page(["v1"])}
    )

    async def use(source: RoutedSource) -> None:
        await source.list_tags(REMOTE)
        await source.list_tags(Repository("ages.example.com", "team/app"))

    ask(load(tmp_path, remote), use)

    assert sorted(remote.made) == ["ages", "remote"]
    assert remote.registry.closed == 2


def test_clients_are_closed_after_an_error_too(tmp_path: Path) -> None:
    remote = Remote({})

    with pytest.raises(
        NotFoundError, match=r"Failed to get tags for remote\.example\.com/team/app"
    ):
        ask(load(tmp_path, remote), lambda source: source.list_tags(REMOTE))

    assert remote.registry.closed == 1


def test_a_repository_is_asked_for_by_its_path_on_the_registry(tmp_path: Path) -> None:
    conf = """\
registries:
- {name: mirror, prefix: docker.io, api_url: https://mirror.example.com/hub, kind: oci}
"""
    remote = Remote({"GET /hub/v2/library/nginx/tags/list": page(["1.27"])})
    nginx = Repository("docker.io", "library/nginx")

    found = ask(load(tmp_path, remote, conf=conf), lambda source: source.list_tags(nginx))

    assert (found.repository, found.names) == (nginx, ("1.27",))


def test_a_listing_is_of_the_repository_as_it_was_asked_for(tmp_path: Path) -> None:
    conf = """\
registries:
- {name: mirror, prefix: mirror.example.com, api_url: https://mirror.example.com, kind: oci,
   default: true, defaultns: team}
"""
    remote = Remote({"GET /v2/team/app/tags/list": page(["v1"])})
    app = Repository("mirror.example.com", "app")

    found = ask(load(tmp_path, remote, conf=conf), lambda source: source.list_tags(app))

    assert (found.repository, found.names) == (app, ("v1",))


def test_a_rule_is_answered_with_the_login_of_its_pull_secret(tmp_path: Path) -> None:
    remote = Remote(holding("team/app", IMAGES))
    login = tmp_path / "secrets" / "team" / "login"
    login.mkdir(parents=True)
    (login / "auth").write_text("user:password")
    registries = load(tmp_path, remote, secrets=SecretFiles(tmp_path / "secrets"))

    async def use(source: RoutedSource) -> None:
        await source.list_tags(REMOTE)
        await source.authorised("secret:team/login#auth").list_tags(REMOTE)

    ask(registries, use)

    sent = [request.headers.get("authorization") for request in remote.registry.requests]
    assert sent == [None, "Basic dXNlcjpwYXNzd29yZA=="]


def test_credentials_of_the_environment_are_those_that_were_passed_in(tmp_path: Path) -> None:
    remote = Remote(holding("team/app", IMAGES))
    conf = CONF.replace("name: remote\n", "name: remote\n  credentials: env:LOGIN\n")
    registries = load(tmp_path, remote, conf=conf, environment={"LOGIN": "user:password"})

    ask(registries, lambda source: source.list_tags(REMOTE))

    sent = [request.headers.get("authorization") for request in remote.registry.requests]
    assert sent == ["Basic dXNlcjpwYXNzd29yZA=="]


def test_a_source_over_http_describes_and_tells_signatures(tmp_path: Path) -> None:
    remote = Remote(holding("team/app", IMAGES))

    async def use(source: RoutedSource) -> tuple[Mapping[str, Tag], Sequence[Claim]]:
        return (
            await source.describe(REMOTE, ["v1"], Needs(created=True)),
            await source.signatures(REMOTE, IMAGES["v1"].digest),
        )

    tags, claims = ask(load(tmp_path, remote), use)

    assert tags["v1"].digest == IMAGES["v1"].digest
    assert list(claims) == []


def test_one_listing_tells_the_names_and_the_ages_of_tags(tmp_path: Path) -> None:
    remote = Remote({"GET /registry/v2/team/app/tags/list": page(["v2", "v3", "v1"])})
    policy = compile_policy(Settings("newest-build"))

    verdict = ask(load(tmp_path, remote), lambda source: judge(AGES, policy, CachedTags(source)))

    assert isinstance(verdict.choice, Chosen)
    assert verdict.choice.tag.name == "v1"
    assert len(remote.registry.requests) == 1


def test_a_storage_root_does_not_answer_what_only_zot_tells(registries: Registries) -> None:
    source = RoutedSource(registries)

    tags = asyncio.run(source.describe(APP, ["v1"], Needs(created=True, severity=True)))

    assert tags["v1"].unanswered.startswith("a storage root on disk does not hold this")


def test_a_storage_root_tells_signatures(registries: Registries) -> None:
    source = RoutedSource(registries)

    assert list(asyncio.run(source.signatures(APP, DIGEST_OF_NONE))) == []


def test_an_api_url_that_is_no_url_of_http_is_an_error(tmp_path: Path) -> None:
    conf = CONF.replace("https://remote.example.com", "remote.example.com")
    remote = Remote({})

    with pytest.raises(RegistryError, match="no https: or http: URL"):
        ask(load(tmp_path, remote, conf=conf), lambda source: source.list_tags(REMOTE))
    assert remote.registry.requests == []


def test_the_connection_to_a_registry_is_the_one_that_its_source_asks(tmp_path: Path) -> None:
    remote = Remote({})
    registries = load(tmp_path, remote)
    endpoint = registries.route(REMOTE).endpoint

    connection = registries.connection(endpoint)

    assert connection.source is registries.source(REMOTE)[0]
    assert connection.client is remote.registry


def test_without_any_other_a_real_client_asks_and_leaves_nothing_open(tmp_path: Path) -> None:
    model = Model()
    model.push_all("team/app", IMAGES.items())
    with ZotServer(model) as zot:
        conf = tmp_path / "registries.conf"
        conf.write_text(CONF.replace("https://remote.example.com", zot.url))
        registries, _ = Registries.load(conf, surroundings=Surroundings(environment={}))

        listing = ask(registries, lambda source: source.list_tags(REMOTE))

    assert listing.names == ("v1", "v2", "v3")
    assert zot.targets() == ["/v2/team/app/tags/list"]


def identity(tmp_path: Path, text: str, pull_secret: str = "") -> str:
    """That of `APP` where registries.conf has *text* in its one entry."""
    conf = tmp_path / "registries.conf"
    conf.write_text(f"registries:\n- {{name: one, prefix: registry.example.com, {text}}}\n")
    return Registries.load(conf)[0].identity(APP, pull_secret)


def test_an_identity_names_registry_place_path_and_login(tmp_path: Path) -> None:
    of_entry = identity(tmp_path, "api_url: https://zot.example.com/, credentials: env:LOGIN")
    of_rule = identity(
        tmp_path, "api_url: https://zot.example.com/, credentials: env:LOGIN", "secret:ns/n#f"
    )

    assert of_entry == (
        '["registry.example.com", "https://zot.example.com", "team/app", "env:LOGIN"]'
    )
    assert of_rule == of_entry.replace("env:LOGIN", "secret:ns/n#f")


@pytest.mark.parametrize(
    "other",
    [
        "api_url: https://zot.example.com",
        "api_url: https://other.example.com, credentials: env:LOGIN",
        "api_url: https://zot.example.com, credentials: env:OTHER",
    ],
    ids=["without a login", "at another place", "with another login"],
)
def test_what_was_seen_elsewhere_or_by_another_login_has_another_identity(
    tmp_path: Path, other: str
) -> None:
    one = identity(tmp_path, "api_url: https://zot.example.com, credentials: env:LOGIN")

    assert identity(tmp_path, other) != one


def test_an_identity_tells_no_secret_whatever_was_written(tmp_path: Path) -> None:
    told = identity(tmp_path, "api_url: 'https://user:made-up@zot.example.com'")
    with pytest.raises(RegistryError) as caught:
        identity(tmp_path, "api_url: https://zot.example.com", "made-up-password")

    assert "made-up" not in told
    assert "made-up" not in str(caught.value)


def test_what_is_not_listed_has_no_identity(registries: Registries) -> None:
    with pytest.raises(RegistryError, match="is not listed"):
        registries.identity(Repository("unlisted.example.com", "app"), "")
