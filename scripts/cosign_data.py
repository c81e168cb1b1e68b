"""Makes the test data of tests/cosign/data with the real cosign; run by hand.

    go install github.com/sigstore/cosign/v2/cmd/cosign@v2.6.5
    python scripts/cosign_data.py http://127.0.0.1:5000 http://127.0.0.1:5001

The arguments are registries over plain HTTP on this machine, empty ones: one without the API for
referrers (CNCF distribution 2.8; its data goes to tests/cosign/data/tags), one that has it (Zot;
tests/cosign/data/referrers). One run makes both, for they share the keys.

For each case a small image is pushed and signed, with key pairs and no transparency log. What the
registry then holds of it is written to <case>.json: the digest of the image, the tags, the
list of referrers (null without that API), every document by its digest, and for each
key whether cosign itself verifies the image with it. The public keys are written beside. The
private keys live in a temporary folder, and are gone when the script ends: nobody can sign
with these keys again, and the data of each run is new.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_DATA = Path(__file__).parent.parent / "tests" / "cosign" / "data"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_INDEX = "application/vnd.oci.image.index.v1+json"
_KEYS = ("first", "second", "foreign")
_BUNDLE = ("--new-bundle-format",)
# Cosign asks for the transparency log's and the authorities' keys even where it needs none.
_NO_ROOT = '{"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1"}'
_REFERRER = ("--registry-referrers-mode=oci-1-1",)
# What is done with the image of each case: a command, the key, and options.
_CASES: dict[str, list[tuple[str, str, tuple[str, ...]]]] = {
    "unsigned": [],
    "simple": [("sign", "first", ())],
    "bundle": [("sign", "first", _BUNDLE)],
    "referrer": [("sign", "first", _REFERRER)],
    "several": [("sign", "foreign", ()), ("sign", "second", ()), ("sign", "first", ())],
    "bundles": [("sign", "foreign", _BUNDLE), ("sign", "second", _BUNDLE)],
    "both": [("sign", "first", ()), ("sign", "second", _BUNDLE)],
    "index": [("sign", "first", ())],
    "attested": [("attest", "first", _BUNDLE), ("attest", "first", ())],
    "approved": [("attest", "first", _BUNDLE), ("sign", "first", _BUNDLE)],
    "foreign": [("sign", "foreign", ()), ("sign", "foreign", _BUNDLE)],
}


class Registry:
    """A registry at *url*, asked for one repository at a time."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.host = self.url.partition("://")[2]

    def get(self, path: str) -> tuple[str, bytes] | None:
        """The media type and the body at *path* below /v2/; None for 404."""
        accept = {"Accept": f"{_MANIFEST}, {_INDEX}"}
        try:
            return self._send(urllib.request.Request(f"{self.url}/v2/{path}", headers=accept))
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 404:
                return None
            raise

    def push_blob(self, repository: str, body: bytes) -> str:
        """Pushes *body*, and gives its digest."""
        start = urllib.request.Request(f"{self.url}/v2/{repository}/blobs/uploads/", method="POST")
        with urllib.request.urlopen(start) as response:
            place = urllib.parse.urljoin(self.url, response.headers["Location"])
        digest = _digest(body)
        url = f"{place}{'&' if '?' in place else '?'}digest={digest}"
        headers = {"Content-Type": "application/octet-stream"}
        self._send(urllib.request.Request(url, body, headers, method="PUT"))
        return digest

    def push_manifest(self, repository: str, tag: str, manifest: dict[str, Any]) -> str:
        """Pushes *manifest* as *tag* ("" for by digest), and gives its digest."""
        body = json.dumps(manifest).encode()
        digest = _digest(body)
        url = f"{self.url}/v2/{repository}/manifests/{tag or digest}"
        headers = {"Content-Type": manifest["mediaType"]}
        self._send(urllib.request.Request(url, body, headers, method="PUT"))
        return digest

    def _send(self, request: urllib.request.Request) -> tuple[str, bytes]:
        with urllib.request.urlopen(request) as response:
            return response.headers.get("Content-Type", ""), response.read()


class Cosign:
    """The program *path*, which keeps its keys in *folder*."""

    def __init__(self, path: str, folder: Path) -> None:
        self.path = path
        self.folder = folder

    def make_key(self, name: str) -> str:
        """Makes the key pair *name*, and gives its public half."""
        self._run("generate-key-pair", "--output-key-prefix", name)
        return (self.folder / f"{name}.pub").read_text()

    def apply(self, command: str, key: str, options: Iterable[str], image: str) -> None:
        """Signs or attests *image*."""
        predicate = self.folder / "predicate.json"
        predicate.write_text('{"builder": "https://ci.example.com"}')
        about = ("--predicate", str(predicate), "--type", "https://example.com/build/v1")
        given = (*options, *(about if command == "attest" else ()))
        self._run(command, "--key", f"{key}.key", "--tlog-upload=false", "--yes", *given, image)

    def verifies(self, key: str, image: str) -> bool:
        """Whether cosign verifies *image* with the public key *key*, in any of its ways."""
        root = self.folder / "root.json"
        root.write_text(_NO_ROOT)
        bundle = (*_BUNDLE, "--trusted-root", str(root))
        ways: tuple[tuple[str, ...], ...] = ((), bundle, ("--experimental-oci11",))
        given = ("verify", "--key", f"{key}.pub", "--insecure-ignore-tlog=true")
        return any(self._succeeds(*given, *way, image) for way in ways)

    def _succeeds(self, *arguments: str) -> bool:
        return self._run(*arguments, check=False).returncode == 0

    def _run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [self.path, *arguments],
            cwd=self.folder,
            env={**os.environ, "COSIGN_PASSWORD": "", "COSIGN_EXPERIMENTAL": "1"},
            capture_output=not check,
            check=check,
        )


def main() -> None:
    """Makes all of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("registries", nargs="+", type=Registry)
    parser.add_argument("--cosign", default="cosign")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cosign = Cosign(arguments.cosign, Path(folder))
        _DATA.mkdir(exist_ok=True)
        for name in _KEYS:
            (_DATA / f"{name}.pub").write_text(cosign.make_key(name))
        for registry in arguments.registries:
            for case in _CASES:
                _make(registry, cosign, case)


def _make(registry: Registry, cosign: Cosign, case: str) -> None:
    repository = f"demo/{case}"
    digest = _push(registry, repository, case)
    image = f"{registry.host}/{repository}@{digest}"
    for command, key, options in _CASES[case]:
        cosign.apply(command, key, options, image)
    held = _held(registry, repository, digest)
    held["cosign verifies with"] = [key for key in _KEYS if cosign.verifies(key, image)]
    folder = _DATA / ("tags" if held["referrers"] is None else "referrers")
    folder.mkdir(exist_ok=True)
    (folder / f"{case}.json").write_text(json.dumps(held, indent=2) + "\n")


def _push(registry: Registry, repository: str, case: str) -> str:
    """Pushes an image, or an index of one, as the tag v1, and gives its digest."""
    made_up = {"architecture": "amd64", "os": "linux", "created": "2026-01-01T00:00:00Z"}
    config = json.dumps({**made_up, "author": case, "rootfs": {"type": "layers", "diff_ids": []}})
    layer = registry.push_blob(repository, b"no layer")
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": registry.push_blob(repository, config.encode()),
            "size": len(config),
        },
        "layers": [
            {"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": layer, "size": 8}
        ],
    }
    if case != "index":
        return registry.push_manifest(repository, "v1", manifest)
    child = registry.push_manifest(repository, "", manifest)
    entry = {"mediaType": _MANIFEST, "digest": child, "size": len(json.dumps(manifest))}
    index = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": [entry]}
    return registry.push_manifest(repository, "v1", index)


def _held(registry: Registry, repository: str, digest: str) -> dict[str, Any]:
    """What *registry* holds of the image *digest*: tags, referrers and all documents but blobs."""
    documents: dict[str, str] = {}
    listed = registry.get(f"{repository}/tags/list")
    assert listed is not None
    names = sorted(json.loads(listed[1])["tags"])
    tags = {name: _walk(registry, repository, name, documents) for name in names}
    answer = registry.get(f"{repository}/referrers/{digest}")
    referrers = None if answer is None else json.loads(answer[1])
    for each in (referrers or {}).get("manifests") or ():
        _walk(registry, repository, each["digest"], documents)
    return {"digest": digest, "tags": tags, "referrers": referrers, "documents": documents}


def _walk(
    registry: Registry, repository: str, reference: str, documents: dict[str, str]
) -> dict[str, str]:
    """Keeps the manifest or index *reference* and what is below it; what names it."""
    answer = registry.get(f"{repository}/manifests/{reference}")
    assert answer is not None
    media_type, body = answer
    documents[_digest(body)] = body.decode()
    manifest = json.loads(body)
    for child in manifest.get("manifests", ()):
        _walk(registry, repository, child["digest"], documents)
    for part in [manifest["config"], *manifest["layers"]] if "layers" in manifest else ():
        blob = registry.get(f"{repository}/blobs/{part['digest']}")
        assert blob is not None
        documents[part["digest"]] = blob[1].decode()
    return {"media_type": media_type, "digest": _digest(body)}


def _digest(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


if __name__ == "__main__":
    main()
