"""Make a small Zot storage root, as it would lie on Zot's disk: `python zot_storage.py FOLDER`.

The content is made up and always the same. Retag reads such a folder with `api_url: file:FOLDER`.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
REF_NAME = "org.opencontainers.image.ref.name"

Json = dict[str, Any]


@dataclass(frozen=True)
class Image:
    """An image for one platform (`os/architecture[/variant]`), built at *created* (RFC 3339)."""

    created: str | None
    platform: str = "linux/amd64"


# What a tag names: one image, or an index of several.
Tagged = Image | tuple[Image, ...]


def both(created: str) -> Tagged:
    """An index for the two platforms that most people build for."""
    return Image(created, "linux/amd64"), Image(created, "linux/arm64")


# By name the newest is v1.9.0, by version v1.10.0, by build time main-3f2c1d0.
PROFANITY_API: Mapping[str, Tagged] = {
    "v1.0.0": Image("2025-01-10T09:00:00Z"),
    "v1.1.0": Image("2025-02-14T09:00:00Z"),
    "v1.2.0": both("2025-03-21T09:00:00Z"),
    "v1.4.0": both("2025-05-02T09:00:00Z"),
    "v1.4.1": both("2025-05-09T09:00:00Z"),
    "v1.4.2": both("2025-06-06T09:00:00Z"),
    "v1.9.0": both("2025-07-11T09:00:00Z"),
    "v1.10.0": both("2025-08-01T09:00:00Z"),
    "v2.0.0-rc.1": both("2025-08-15T09:00:00Z"),
    "main-3f2c1d0": Image("2025-08-20T17:30:00Z"),
    "latest": both("2025-08-01T09:00:00Z"),
    f"sha256-{'5' * 64}.sig": Image(None),
}


def main(arguments: list[str]) -> int:
    """Write the example's repository into the folder that the command line names."""
    if len(arguments) != 1:
        print("usage: python examples/zot_storage.py FOLDER", file=sys.stderr)
        return 2
    root = Path(arguments[0])
    write_repository(root, "profanity-api", PROFANITY_API)
    print(f"{root / 'profanity-api'}: {len(PROFANITY_API)} tags")
    return 0


def write_repository(root: Path, repository: str, tags: Mapping[str, Tagged]) -> None:
    """Write *repository* with *tags*, in their order, into the storage root *root*."""
    folder = root / repository
    write_index(folder, (tag_descriptor(folder, tag, tagged) for tag, tagged in tags.items()))
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')


def write_index(folder: Path, descriptors: Iterable[Json]) -> None:
    """Write index.json of the repository in *folder*."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.json").write_bytes(dump({"schemaVersion": 2, "manifests": [*descriptors]}))


def tag_descriptor(folder: Path, tag: str, tagged: Tagged) -> Json:
    """The line of index.json for *tag*, after writing what it names into *folder*."""
    if isinstance(tagged, Image):
        descriptor = write_image(folder, tagged)
    else:
        children = [write_image(folder, image) for image in tagged]
        for child, image in zip(children, tagged, strict=True):
            child["platform"] = platform_fields(image.platform)
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": children}
        descriptor = write_blob(folder, INDEX, dump(index))
    return descriptor | {"annotations": {REF_NAME: tag}}


def write_image(folder: Path, image: Image) -> Json:
    """Write manifest and config of *image*, which has no layers, and describe the manifest."""
    config = platform_fields(image.platform) | {"rootfs": {"type": "layers", "diff_ids": []}}
    if image.created is not None:
        config["created"] = image.created
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": write_blob(folder, CONFIG, dump(config)),
        "layers": [],
    }
    return write_blob(folder, MANIFEST, dump(manifest))


def write_blob(folder: Path, media_type: str, body: bytes) -> Json:
    """Write *body* under its digest, and describe it."""
    name = hashlib.sha256(body).hexdigest()
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    (blobs / name).write_bytes(body)
    return {"mediaType": media_type, "digest": f"sha256:{name}", "size": len(body)}


def platform_fields(platform: str) -> Json:
    """*platform* as image configs and indexes state it."""
    return dict(zip(("os", "architecture", "variant"), platform.split("/"), strict=False))


def dump(document: Json) -> bytes:
    """*document* as bytes that are always the same."""
    return json.dumps(document, separators=(",", ":")).encode()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
