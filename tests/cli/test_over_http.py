"""The commands ask registries over HTTP once for what they need, and leave nothing open."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.cli.conftest import Laptop
from tests.cosign.cases import DATA
from tests.servers import images
from tests.servers.access import Htpasswd
from tests.servers.certificates import Authority
from tests.servers.model import Model
from tests.servers.zot import ZotServer

LISTING = "/v2/team/app/tags/list"
MANIFEST = """\
apiVersion: v1
kind: Pod
metadata: {name: app}
spec:
  containers:
  - {name: app, image: 'registry.example.com/team/app:v1.0.0'}
  - {name: edge, image: 'registry.example.com/team/app:edge-1'}
"""
RULES = """\
apiVersion: argocd-image-updater.argoproj.io/v1alpha1
kind: ImageUpdater
metadata: {name: rules, namespace: argocd}
spec:
  namespace: argocd
  applicationRefs:
  - namePattern: "*"
    images:
    - alias: app
      imageName: registry.example.com/team/app:v1.x
    - alias: edge
      imageName: registry.example.com/team/app
      commonUpdateSettings: {updateStrategy: newest-build, allowTags: 'regexp:^edge-'}
"""


@pytest.fixture
def model() -> Model:
    """A Zot with releases and builds of one image."""
    made = Model()
    tags = ("v1.0.0", "v1.2.0", "v2.0.0", "edge-2", "edge-1")
    made.push_all(
        "team/app",
        ((tag, images.image(f"2026-01-0{day}T00:00:00Z")) for day, tag in enumerate(tags, 1)),
    )
    return made


@pytest.fixture
def zot(model: Model) -> Iterator[ZotServer]:
    """A server of it."""
    with ZotServer(model) as server:
        yield server


def list_registry(laptop: Laptop, url: str, fields: str = "") -> None:
    """Write registries.conf with registry.example.com at *url*."""
    laptop.write(
        "registries.conf",
        "registries:\n- {name: example, prefix: registry.example.com, "
        f"api_url: '{url}', kind: zot{fields}}}\n",
    )


def render(laptop: Laptop, *options: str) -> str:
    """What `retag render` makes of MANIFEST."""
    laptop.write("rules.yaml", RULES)
    done = laptop.retag(
        "render",
        "-",
        "--app=app",
        "--rules=rules.yaml",
        "--registries=registries.conf",
        *options,
        stdin=MANIFEST.encode(),
        PYTHONWARNINGS="error",
    )
    assert done.returncode == 0, done.stderr.decode()
    assert b"Warning" not in done.stderr
    return done.stdout.decode()


def test_two_rules_for_one_repository_list_it_once(laptop: Laptop, zot: ZotServer) -> None:
    list_registry(laptop, zot.url)

    rendered = render(laptop)

    assert "registry.example.com/team/app:v1.2.0" in rendered
    assert "registry.example.com/team/app:edge-1" in rendered
    assert zot.targets().count(LISTING) == 1
    assert len(zot.requests) == 2


def test_secrets_and_authorities_come_from_folders(laptop: Laptop, model: Model) -> None:
    authority = Authority(laptop.folder)
    laptop.write("tls/127.0.0.1", authority.file.read_text())
    auth = base64.b64encode(b"reader:made-up").decode()
    access = Htpasswd({"reader": "made-up"})
    with ZotServer(model, access=access, tls=authority.server_context()) as zot:
        config = {"auths": {zot.address: {"auth": auth}}}
        laptop.write("secrets/argocd/login/.dockerconfigjson", json.dumps(config))
        list_registry(laptop, zot.url, ", credentials: 'pullsecret:argocd/login'")
        folders = ("--secrets=secrets", "--tls-certs=tls")

        assert "registry.example.com/team/app:v1.2.0" in render(laptop, *folders)
        tags = laptop.retag(
            "tags", "registry.example.com/team/app", "--registries=registries.conf", *folders
        )
        checked = laptop.retag(
            "registry", "check", "example", "--registries=registries.conf", *folders
        )
        statuses = {each.status for each in zot.requests}

    assert (tags.returncode, statuses) == (0, {200, 401})  # the check looks without a login too
    assert checked.returncode == 0, checked.stdout.decode()
    assert b"v2.0.0" in tags.stdout


def test_the_keys_of_rules_are_read_from_the_folder_of_secrets(
    laptop: Laptop, zot: ZotServer
) -> None:
    list_registry(laptop, zot.url)
    laptop.write("secrets/argocd/cosign/pub", (DATA / "first.pub").read_text())
    key = "imagesVerification: {cosignKey: {secretName: cosign, key: pub}}"
    laptop.write("rules.yaml", RULES.replace("app:v1.x", f"app:v1.x\n      {key}"))
    command = ["render", "-", "--app=app", "--rules=rules.yaml", "--registries=registries.conf"]

    without = laptop.retag(*command, stdin=MANIFEST.encode())
    done = laptop.retag(*command, "--secrets=secrets", stdin=MANIFEST.encode())

    assert b"[RT353]" in without.stderr
    assert done.returncode == 0, done.stderr.decode()
    assert "app: none of the 2 tags with an allowed name is allowed" in done.stderr.decode()
    assert "registry.example.com/team/app:v1.0.0" in done.stdout.decode()


def test_the_pull_secret_of_an_option_is_the_login(laptop: Laptop, model: Model) -> None:
    laptop.write("secrets/argocd/login/auth", "reader:made-up")
    with ZotServer(model, access=Htpasswd({"reader": "made-up"})) as zot:
        list_registry(laptop, zot.url)
        command = ["tags", "registry.example.com/team/app", "--registries=registries.conf"]
        refused = laptop.retag(*command, "--secrets=secrets")
        let_in = laptop.retag(
            *command, "--secrets=secrets", "--pull-secret=secret:argocd/login#auth"
        )

    assert refused.returncode != 0
    assert let_in.returncode == 0, let_in.stderr.decode()
    assert b"v2.0.0" in let_in.stdout


def test_a_repository_that_is_missing_is_one_line(laptop: Laptop, zot: ZotServer) -> None:
    list_registry(laptop, zot.url)

    done = laptop.retag(
        "tags", "registry.example.com/team/missing", "--registries=registries.conf"
    )

    assert done.returncode == 5
    assert done.stderr.decode().splitlines()[-1] == (
        "error: Failed to get tags for registry.example.com/team/missing: the registry knows "
        "no such repository; check its name, and the registry's log: Zot says the same where "
        "it cannot read the repository's index.json [RT570]"
    )


def test_a_search_that_is_off_is_said_once_and_changes_no_tag(
    laptop: Laptop, model: Model
) -> None:
    command = ["tags", "registry.example.com/team/app", "--registries", "registries.conf"]
    said = []
    for search in (True, False):
        with ZotServer(model, search=search) as server:
            list_registry(laptop, server.url)
            done = laptop.retag(*command, "--update-strategy", "newest-build")
        assert b"chosen   edge-1: newest build of 5 allowed tags" in done.stdout
        said.append(done.stderr.decode().count("Zot's search is off"))

    assert said == [0, 1]


def test_a_command_imports_the_http_client_only_when_a_registry_is_asked() -> None:
    look = "import sys, cmp.cli.render, cmp.cli.tags; sys.exit('httpx' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", look], check=False).returncode == 0
