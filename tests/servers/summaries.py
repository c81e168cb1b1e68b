"""What Zot's search tells of an image, computed from its documents by Zot's own rules.

The rules (zot's `pkg/extensions/search/convert` and `pkg/common/oci.go`) were tried on a real one
with the cases of `test_summaries`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.servers.images import (
    CONFIG,
    DOCKER_INDEX,
    INDEX,
    MANIFEST,
    Document,
    cosign_tag,
)
from tests.servers.model import Model, Repository, Scan, Statistics
from tests.servers.times import as_stated, in_utc, nanoseconds, timestamp
from tests.servers.zot_content import artifact_type, referring

_CREATED = "org.opencontainers.image.created"
_BUILD_DATE = "org.label-schema.build-date"
# Go's zero time, which counts as none.
_ZERO = "0001-01-01T00:00:00Z"
_EPOCH = "1970-01-01T00:00:00Z"
# What a registry attaches as a signature, and the tool that Zot takes it for.
_SIGNATURE_TYPES = {
    "application/vnd.dev.cosign.artifact.sig.v1+json": "cosign",
    "application/vnd.dev.sigstore.bundle.v0.3+json": "cosign",
    "application/vnd.cncf.notary.signature": "notation",
}
_IMAGE_CONFIGS = (CONFIG, "application/vnd.docker.container.image.v1+json")
_SEVERITIES = ("NONE", "UNKNOWN", "LOW", "MEDIUM", "HIGH", "CRITICAL")


@dataclass(frozen=True)
class Summary:
    """*fields* of GraphQL's ImageSummary, what there is to *complain* of, and when it was built.

    *built* is in nanoseconds since the epoch, None without a time.
    """

    fields: Mapping[str, Any]
    complaints: tuple[str, ...]
    built: int | None


def summarise(model: Model, repository: Repository, tag: str, *, scanned: bool) -> Summary:
    """What search knows of *tag*; with *scanned*, severities of `model.scans` are told."""
    known = repository.known
    digest = known.tags[tag]
    document = repository.blobs[digest]
    if not isinstance(document, Document):
        raise TypeError(f"{digest} is no manifest")
    statistics = known.statistics[digest]
    images = list(_images(repository, document))
    created = _last_updated(repository, document, images)
    is_index = document.media_type in {INDEX, DOCKER_INDEX}
    manifests = [_manifest(model, repository, document, image) for image in images]
    signatures = _signatures(model, repository, digest)
    fields = {
        "RepoName": repository.name,
        "Tag": tag,
        "Digest": digest,
        "MediaType": INDEX if is_index else MANIFEST,
        "Size": str(sum(int(each["Size"]) for each in manifests)),
        "PushTimestamp": timestamp(statistics.pushed),
        "TaggedTimestamp": timestamp(known.tagged[tag]),
        "LastUpdated": created,
        "LastPullTimestamp": timestamp(statistics.pulled),
        "DownloadCount": statistics.pulls,
        "PushedBy": statistics.pushed_by,
        "IsSigned": bool(signatures),
        "SignatureInfo": signatures,
        "Vulnerabilities": vulnerabilities(model.scans.get(digest) if scanned else None),
        "ArtifactType": document.content.get("artifactType", "")
        if is_index
        else artifact_type(document),
        "Manifests": manifests,
        "Referrers": _referrers(repository, digest),
    }
    complaints = tuple(_complaints(repository, tag, images))
    return Summary(fields, complaints, None if created is None else nanoseconds(created))


def vulnerabilities(scan: Scan | None) -> dict[str, Any]:
    """The severest and the number of what *scan* found; None: not scanned, which is not clean."""
    if scan is None:
        return _NOT_SCANNED
    found = Counter(severity for _, severity in scan.findings)
    worst = max(found, key=_SEVERITIES.index, default="NONE")
    return {"MaxSeverity": worst, "Count": found.total(), **_counts(found)}


def _images(repository: Repository, document: Document) -> Iterator[Document]:
    """The images below *document*, in order; what an index names and nobody pushed is left out."""
    entries = document.content.get("manifests")
    if entries is None:
        yield document
    for entry in entries or ():
        child = repository.blobs.get(entry["digest"])
        if isinstance(child, Document):
            yield from _images(repository, child)


def _last_updated(
    repository: Repository, document: Document, images: list[Document]
) -> str | None:
    """An image's build time; an index: its annotation, else its first image's, else the newest."""
    if "manifests" not in document.content:
        return _built(repository, document)
    stated = _stated(document.content.get("annotations"))
    if stated is None and images:
        stated = _annotated(repository, images[0])
    times = (_built(repository, image) for image in images)
    known = [each for each in times if each is not None]
    return stated or max(known, key=nanoseconds, default=None)


def _built(repository: Repository, image: Document) -> str | None:
    """What annotations or labels state, else the config's time, else that of the last history."""
    stated = _annotated(repository, image)
    if stated is not None:
        return stated
    settings = _config(repository, image)
    created = settings.get("created")
    if created and in_utc(created) != _ZERO:
        return in_utc(created)
    history = settings.get("history") or []
    if not history:
        return None
    # Stored without a time, the last entry comes back from Zot's database as the epoch.
    return in_utc(history[-1]["created"]) if "created" in history[-1] else _EPOCH


def _annotated(repository: Repository, image: Document) -> str | None:
    labels = (_config(repository, image).get("config") or {}).get("Labels")
    return _stated(image.content.get("annotations")) or _stated(labels)


def _stated(texts: Mapping[str, str] | None) -> str | None:
    """The time that annotations or labels state, in the zone they state it in.

    A malformed one hides the older key; an empty one does not.
    """
    texts = texts or {}
    text = texts.get(_CREATED) or texts.get(_BUILD_DATE, "")
    return as_stated(text)


def _config(repository: Repository, image: Document) -> Mapping[str, Any]:
    stated = image.content["config"]  # its own type decides, whatever artifactType says
    settings = repository.blobs.get(stated["digest"])
    if settings is None or stated["mediaType"] not in _IMAGE_CONFIGS:
        return {}
    return settings.content


def _manifest(
    model: Model, repository: Repository, document: Document, image: Document
) -> dict[str, Any]:
    """The fields of GraphQL's ManifestSummary."""
    signatures = _signatures(model, repository, image.digest)
    layers: int = sum(layer["size"] for layer in image.content["layers"])
    statistics = repository.known.statistics.get(image.digest, Statistics(0))
    return {
        "Digest": image.digest,
        "ConfigDigest": image.content["config"]["digest"],
        "LastUpdated": _built(repository, image),
        "Size": str(image.size + image.content["config"]["size"] + layers),
        "IsSigned": bool(signatures),
        "SignatureInfo": signatures,
        "Platform": _platform(repository, document, image),
        "DownloadCount": statistics.pulls,
        "Vulnerabilities": None,
        "Referrers": _referrers(repository, image.digest),
        "ArtifactType": artifact_type(image),
    }


def _platform(repository: Repository, document: Document, image: Document) -> dict[str, str]:
    """What the config says, else what the index above says."""
    stated = _config(repository, image)
    if not (stated.get("os") or stated.get("architecture")):
        entries = document.content.get("manifests", ())
        told = [each.get("platform") for each in entries if each["digest"] == image.digest]
        stated = (told and told[0]) or stated
    names = (stated.get("architecture", ""), stated.get("variant", ""))
    return {"Os": stated.get("os", ""), "Arch": "/".join(filter(None, names))}


def _signatures(model: Model, repository: Repository, digest: str) -> list[dict[str, Any]]:
    attached = [
        _SIGNATURE_TYPES.get(each["artifactType"]) for each in referring(repository, digest)
    ]
    if cosign_tag(digest) in repository.tags:
        attached.append("cosign")
    author = model.trusted.get(digest)
    trusted = {"IsTrusted": author is not None, "Author": author or ""}
    return [{"Tool": tool, **trusted} for tool in attached if tool]


def _referrers(repository: Repository, digest: str) -> list[dict[str, Any]]:
    return [
        {
            "MediaType": each["mediaType"],
            "ArtifactType": each["artifactType"],
            "Size": each["size"],
            "Digest": each["digest"],
            "Annotations": [
                {"Key": key, "Value": value} for key, value in each.get("annotations", {}).items()
            ],
        }
        for each in referring(repository, digest)
        if each["artifactType"] not in _SIGNATURE_TYPES
    ]


def _complaints(repository: Repository, tag: str, images: list[Document]) -> Iterator[str]:
    """Zot adds an error, and answers all the same, where a history has more than the layers."""
    for image in images:
        history = _config(repository, image).get("history") or []
        filled = [entry for entry in history if not entry.get("empty_layer")]
        if len(filled) > len(image.content["layers"]):
            yield (
                f"error generating history on tag {tag} in repo {repository.name}: "
                f"manifest digest: {image.digest}, error: "
                "manifest layers count doesn't correspond to config history"
            )


def _counts(found: Mapping[str, int]) -> dict[str, int]:
    return {f"{severity.title()}Count": found.get(severity, 0) for severity in _SEVERITIES[1:]}


_NOT_SCANNED = {"MaxSeverity": "", "Count": 0, **_counts({})}
