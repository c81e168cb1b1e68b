"""The same choices here and by a resolver: `retag render` and `explain` with `--socket`."""

from __future__ import annotations

import json
import re
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cmp.cli.remote import environment, exchange
from cmp.errors import ResolverError
from cmp.options import parse_params
from cmp.plugin import wire
from cmp.request import Request, without_source
from cmp.rules import Application
from tests.cli.conftest import COMMON, Laptop, laptop_in, said
from tests.cli.test_render import POD
from tests.servers.resolver import ResolverProcess

RULES = """\
apiVersion: argocd-image-updater.argoproj.io/v1alpha1
kind: ImageUpdater
metadata: {name: rules, namespace: argocd}
spec:
  applicationRefs:
    - namePattern: profanity-*
      images:
        - alias: profanity-api
          imageName: registry.example.com/profanity-api:~1
        - alias: gone
          imageName: registry.example.com/gone:~1
        - alias: frozen
          imageName: registry.example.com/profanity-ui:~1
          commonUpdateSettings: {suspend: true}
"""
GONE = b"kind: A\nspec: {containers: [{image: 'registry.example.com/gone:1'}]}\n"
KEPT = b"kind: A\nspec: {containers: [{image: 'registry.example.com/profanity-ui:1'}]}\n"
SOCKET = "--socket=resolver.sock"
APP = ("--app", "profanity-filter")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    """A laptop beside `retag serve` with the same rules and registries."""
    laptop = laptop_in(tmp_path_factory.mktemp("served"))
    laptop.write("rules.yaml", RULES)
    laptop.write("rules/rules.yaml", RULES)
    zot = laptop.folder / "zot"
    laptop.write(
        "registries.conf",
        f"registries:\n- {{name: r, prefix: registry.example.com, api_url: 'file:{zot}'}}\n",
    )
    with short_folder() as folder:
        for name in ("rules", "registries.conf"):
            (folder / name).symlink_to(laptop.folder / name)
        (laptop.folder / "resolver.sock").symlink_to(folder / "resolver.sock")
        with ResolverProcess(folder):
            yield laptop


def _local(served: Laptop) -> list[str]:
    """The options that name what the resolver has."""
    folder = (served.folder / "resolver.sock").readlink().parent
    return [f"--rules={folder / 'rules'}", f"--registries={folder / 'registries.conf'}"]


@contextmanager
def short_folder() -> Iterator[Path]:
    """A folder whose path is short enough for a socket (108 bytes on Linux)."""
    folder = Path(tempfile.mkdtemp())
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def without_times(output: bytes) -> bytes:
    """*output* without when the registry was read."""
    text = re.sub(rb"listed   .*", b"listed", output)
    return re.sub(rb'"listedAt": "[^"]*"', b'"listedAt"', text)


CASES = [
    pytest.param(["render", "-"], POD, id="render"),
    pytest.param(["render", "-"], POD.replace(b"v1.0.0", b"v1.10.0"), id="nothing to change"),
    pytest.param(["render", "-"], b"kind: A\nimage: \xff\xfe\n", id="no text"),
    pytest.param(["render", "-"], KEPT, id="a warning"),
    pytest.param(["render", "-", "--diff"], POD, id="a difference"),
    pytest.param(["render", "-", "--explain"], POD, id="an explanation beside"),
    pytest.param(["render", "-", "--explain", "--diff"], POD, id="an explanation of a diff"),
    pytest.param(["render", "-", "--explain"], b"kind: A\nimage: \xff\n", id="no text, explained"),
    pytest.param(["render", "-", "-o", "json"], POD, id="render as JSON"),
    pytest.param(["explain", "-"], POD, id="explain"),
    pytest.param(["explain", "-", "-o", "json"], POD, id="explain as JSON"),
    pytest.param(["render", "app"], b"", id="a folder"),
    pytest.param(["render", "-", "-p", "pins=profanity-api=v1.4.2"], POD, id="a pin"),
    pytest.param(
        ["render", "-", "-p", "freeze=true", "--app=profanity-new"],
        POD,
        id="frozen, and new there",
    ),
    pytest.param(["render", "-", "-p", "pins=nothing=v1.4.2"], POD, id="a pin of no rule"),
    pytest.param(["render", "-", "-p", "tol=helm"], POD, id="an unknown parameter"),
    pytest.param(["render", "-"], GONE, id="a repository that is not there"),
    pytest.param(["render", "-", "--diff"], GONE, id="no diff of what fails"),
    pytest.param(["explain", "-", "-o", "json"], GONE, id="no explanation of what fails"),
    pytest.param(["render", "-"], b"kind: [\n" + POD, id="no YAML"),
    pytest.param(["render", "-"], b"", id="nothing"),
    pytest.param(["render", "-", "-p", "allow-empty=true"], b"", id="nothing, on purpose"),
    pytest.param(["render", "nothing"], b"", id="no such folder"),
]


@pytest.mark.parametrize(("arguments", "stdin"), CASES)
def test_a_resolver_chooses_and_says_what_one_process_would(
    served: Laptop, arguments: list[str], stdin: bytes
) -> None:
    command, *rest = arguments
    here = served.retag(command, *APP, *_local(served), *rest, stdin=stdin)
    there = served.retag(command, *APP, SOCKET, *rest, stdin=stdin)

    assert without_times(there.stdout) == without_times(here.stdout)
    assert without_times(said(there.stderr)) == without_times(said(here.stderr))
    assert there.returncode == here.returncode


def test_an_applications_manifest_counts_there_too(served: Laptop) -> None:
    served.write(
        "app.yaml",
        "apiVersion: argoproj.io/v1alpha1\nkind: Application\n"
        "metadata: {name: profanity-filter, namespace: argocd}\n"
        "spec: {source: {plugin: {name: retag, "
        "parameters: [{name: pins, map: {profanity-api: v1.4.2}}]}}}\n",
    )
    done = served.retag("render", "-", "--application", "app.yaml", SOCKET, stdin=POD)

    assert done.stdout == POD.replace(b"v1.0.0", b"v1.4.2"), done.stderr


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        pytest.param(["--rules", "rules.yaml"], "--rules", id="rules"),
        pytest.param([*COMMON], "--rules and --registries", id="rules and registries"),
        pytest.param(["--label", "a=b"], "--label", id="a label"),
        pytest.param(["--annotation", "a=b"], "--annotation", id="an annotation"),
        pytest.param(["--secrets", "."], "--secrets", id="secrets"),
        pytest.param(["--tls-certs", "."], "--tls-certs", id="certificates"),
        pytest.param(["--image-fields", "rules.yaml"], "--image-fields", id="fields"),
    ],
)
@pytest.mark.parametrize("command", ["render", "explain"])
def test_what_only_the_resolver_knows_is_refused(
    laptop: Laptop, command: str, arguments: list[str], named: str
) -> None:
    done = laptop.retag(command, "-", "--app", "a", SOCKET, *arguments, stdin=POD)

    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode() == (
        f"error: {named} cannot be told to a resolver, which has its own; leave out --socket to "
        "choose here, or leave out the rest [RT230]\n"
    )


@pytest.mark.parametrize("missing", ["rules", "registries"])
def test_without_a_socket_rules_and_registries_are_due(laptop: Laptop, missing: str) -> None:
    given = {"rules": "rules.yaml", "registries": "registries.conf"}
    del given[missing]
    options = [part for name, value in given.items() for part in (f"--{name}", value)]
    done = laptop.retag("render", "-", "--app", "a", *options, stdin=POD)

    assert done.returncode == 2
    assert f"Error: Missing option '--{missing}'.".encode() in done.stderr


def test_where_nobody_listens_it_says_so(laptop: Laptop) -> None:
    done = laptop.retag("render", "-", "--app", "a", SOCKET, stdin=POD)

    assert (done.returncode, done.stdout) == (6, b"")
    assert done.stderr.startswith(b"error: nothing answers at resolver.sock; ")


def test_a_resolver_that_is_silent_is_not_waited_for_without_end() -> None:
    with short_folder() as folder, socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "s"))
        listening.listen()

        with pytest.raises(ResolverError, match=r"did not answer in time.*RT603"):
            exchange(folder / "s", wire.GENERATE, {}, POD, patience=0.01)


@contextmanager
def answering(path: Path, reply: bytes) -> Iterator[None]:
    """A server at *path* that answers one request with *reply*."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        thread = threading.Thread(target=_answer, args=(listening, reply))
        thread.start()
        try:
            yield
        finally:
            thread.join()


def _answer(listening: socket.socket, reply: bytes) -> None:
    connection, _ = listening.accept()
    with connection:
        received = b""
        while not received.endswith(b"\r\n0\r\n\r\n"):
            received += connection.recv(65536)
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(reply)
        connection.sendall(head + reply)


def _document(**fields: object) -> bytes:
    return wire.pack_reply(0, b"", json.dumps(fields).encode())


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(lambda: b"hello", id="no reply"),
        pytest.param(lambda: wire.pack_reply(0, b"", b"{"), id="no JSON"),
        pytest.param(lambda: wire.pack_reply(0, b"", b"[" * 100_000), id="deep JSON"),
        pytest.param(lambda: wire.pack_reply(0, b"", b"[]"), id="no object"),
        pytest.param(lambda: _document(manifests="a"), id="no explanation"),
        pytest.param(lambda: _document(manifests=1, explain=[]), id="manifests of another type"),
    ],
)
def test_an_answer_that_makes_no_sense_is_an_error(
    laptop: Laptop, reply: Callable[[], bytes]
) -> None:
    with short_folder() as folder, answering(folder / "s", reply()):
        done = laptop.retag("explain", "-", "--app", "a", f"--socket={folder / 's'}", stdin=POD)

    assert (done.returncode, done.stdout) == (6, b"")
    assert b"the resolver's answer makes no sense" in done.stderr
    assert b"[RT605]" in done.stderr


def test_a_request_is_said_in_argo_cds_variables() -> None:
    params = ["freeze=true", "pins=app=1", "helm-api-versions=v1", "output=digest"]
    request = Request(
        "web",
        project="shop",
        namespace="prod",
        kube_version="1.34.0",
        api_versions=("v1", "apps/v1"),
        options=parse_params(params),
    )

    said = without_source(environment(request, Application(name="web", namespace="team")))

    assert (said.name, said.options) == ("team_web", request.options)
    assert (said.project, said.namespace) == ("shop", "prod")
    assert (said.kube_version, said.api_versions) == ("1.34.0", ("v1", "apps/v1"))
