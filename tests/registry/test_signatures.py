"""Finding signatures: all three places of what cosign made, malformed ones, and bounds."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from cmp.cosign import Claim, Unverified, Verified, verify
from cmp.cosign.envelope import LARGEST_ENVELOPE, SIGSTORE_BUNDLE, SIMPLE_SIGNING
from cmp.errors import BadReplyError, DeniedError, NotFoundError, RegistryError, UnreachableError
from cmp.reference import Repository
from cmp.registry.documents import DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, Descriptor
from cmp.registry.layout import LayoutSource
from cmp.registry.referrers import Referrer
from cmp.registry.signatures import MOST_ARTIFACTS, MOST_LAYERS, MOST_PAYLOADS, read_claims
from tests.cosign.cases import CASES, KEYS, Case, SignedMemory, case, key
from tests.registry.memory import digest_of

# Where Retag and `cosign verify` differ: an attestation approves nothing, and what lies in one
# place does not hide what lies in another.
DIFFERENT = {"attested": [], "both": ["first", "second"]}
BUNDLED = case("referrers/bundle")
SIMPLE = case("tags/simple")
IMAGE = "sha256:" + "1" * 64
TAG = IMAGE.replace(":", "-")
PAYLOAD = SIMPLE.document("cosign container image signature")
ARTIFACT = json.loads(SIMPLE.document("dev.cosignproject.cosign/signature"))
LAYER = ARTIFACT["layers"][0]


def claims_of(content: SignedMemory, digest: str) -> list[Claim]:
    """What is found of *digest* in *content*."""
    return asyncio.run(read_claims(content, digest))


def verified_with(claims: list[Claim], digest: str) -> list[str]:
    """The keys by which *claims* verify *digest*."""
    return [name for name in KEYS if isinstance(verify(claims, digest, [key(name)]), Verified)]


def faults(claims: list[Claim]) -> list[str]:
    """What is wrong with each of *claims*."""
    return [f"{claim.place}: {claim.fault}" for claim in claims]


def holding(
    documents: Iterable[bytes],
    tag: str = "",
    *,
    media_type: str = OCI_MANIFEST,
    faults: dict[str, RegistryError] | None = None,
) -> SignedMemory:
    """A repository of *documents*, of which *tag* names the first."""
    bodies = list(documents)
    tags = {tag: Descriptor(media_type, digest_of(bodies[0]))} if tag else {}
    return SignedMemory(tags, bodies, faults=faults)


def artifact(*layers: dict[str, Any]) -> bytes:
    """A manifest of *layers*."""
    return json.dumps({"layers": layers}).encode()


@pytest.mark.parametrize("name", CASES)
def test_what_cosign_made_is_verified_by_the_keys_that_made_it(name: str) -> None:
    signed = case(name)
    claims = claims_of(signed.content(), signed.digest)

    expected = DIFFERENT.get(Path(name).name, signed.verified_by_cosign)
    assert verified_with(claims, signed.digest) == expected


@pytest.mark.parametrize("name", CASES)
def test_no_signature_of_one_image_is_one_of_another(name: str) -> None:
    signed = case(name)
    claims = claims_of(signed.content(), signed.digest)

    assert verified_with(claims, IMAGE) == []


def test_an_attestation_is_told_and_approves_nothing() -> None:
    signed = case("referrers/attested")
    answer = verify(claims_of(signed.content(), signed.digest), signed.digest, [key("first")])

    assert isinstance(answer, Unverified)
    assert not answer.incomplete
    assert "it attests 'https://example.com/build/v1', and approves nothing" in answer.reason


def test_an_unsigned_image_takes_three_questions() -> None:
    signed = case("referrers/unsigned")
    content = signed.content()

    assert claims_of(content, signed.digest) == []
    assert content.asked == {"referrers": 1, "resolve": 2}


def test_a_signature_takes_two_more() -> None:
    for signed in (SIMPLE, BUNDLED):
        content = signed.content()
        claims_of(content, signed.digest)

        assert content.asked.total() == 5


def test_what_both_a_tag_and_the_registry_list_is_read_once() -> None:
    signed = case("tags/bundle")
    content = signed.content()
    (tag,) = (named for named in signed.tags if named != "v1")
    index = json.loads(signed.documents[signed.tags[tag].digest])
    content.listed = [Referrer(OCI_MANIFEST, each["digest"]) for each in index["manifests"]]

    assert len(claims_of(content, signed.digest)) == 1


def test_referrers_of_other_kinds_are_not_opened() -> None:
    content = holding([])
    content.listed = [Referrer(OCI_MANIFEST, IMAGE, "application/vnd.example.sbom.v1")]

    assert claims_of(content, IMAGE) == []
    assert content.asked["manifest"] == 0


def test_a_docker_manifest_may_hold_signatures() -> None:
    content = holding([artifact(LAYER), PAYLOAD], f"{TAG}.sig", media_type=DOCKER_MANIFEST)

    assert verified_with(claims_of(content, IMAGE), SIMPLE.digest) == ["first"]


def test_a_signature_directly_under_the_tag_without_a_suffix_is_read() -> None:
    content = holding([artifact(LAYER), PAYLOAD], TAG)

    assert verified_with(claims_of(content, IMAGE), SIMPLE.digest) == ["first"]


@pytest.mark.parametrize("name", ["referrers/approved", "tags/both", "tags/several"])
@pytest.mark.parametrize("place", ["manifest", "blob"])
def test_bytes_that_are_not_what_their_digest_says_are_no_signature(name: str, place: str) -> None:
    signed = case(name)
    content = signed.content()
    content.bodies = {digest: body + b" " for digest, body in content.bodies.items()}
    if place == "blob":
        content.bodies |= {
            digest: body for digest, body in signed.documents.items() if b'"layers"' in body
        } | {named.digest: signed.documents[named.digest] for named in signed.tags.values()}
    claims = claims_of(content, signed.digest)

    assert verified_with(claims, signed.digest) == []
    assert all("is not what its digest" in claim.fault for claim in claims)
    assert claims


@pytest.mark.parametrize(
    ("documents", "media_type", "expected"),
    [
        pytest.param([b"{}"], OCI_MANIFEST, "malformed, or has no layers", id="no layers"),
        pytest.param([artifact()], OCI_MANIFEST, "malformed, or has no layers", id="none listed"),
        pytest.param([b"{"], OCI_MANIFEST, "malformed, or has no layers", id="cut off"),
        pytest.param([b"{}"], "text/html", "'text/html' holds no", id="another media type"),
        pytest.param([b"[]"], OCI_INDEX, "list of referrers is malformed", id="no index"),
        pytest.param(
            [artifact(LAYER | {"digest": "../../x"}), PAYLOAD],
            OCI_MANIFEST,
            "is not a digest",
            id="a layer without a digest",
        ),
        pytest.param(
            [artifact(LAYER)], OCI_MANIFEST, f"there is no {LAYER['digest']}", id="no payload"
        ),
        pytest.param(
            [artifact(LAYER | {"size": LARGEST_ENVELOPE + 1}), PAYLOAD],
            OCI_MANIFEST,
            "longer than 262144 bytes",
            id="it says it is giant",
        ),
        pytest.param(
            [artifact({**LAYER, "mediaType": SIGSTORE_BUNDLE}), PAYLOAD],
            OCI_MANIFEST,
            "dsseEnvelope: Field required",
            id="called a bundle",
        ),
    ],
)
def test_a_malformed_artifact_is_a_claim_with_its_fault(
    documents: list[bytes], media_type: str, expected: str
) -> None:
    content = holding(documents, f"{TAG}.sig", media_type=media_type)
    (claim,) = claims_of(content, IMAGE)

    assert expected in claim.fault
    assert claim.place in (f"tag {TAG}.sig", "referrers")


def test_a_giant_that_says_it_is_small_is_not_read() -> None:
    giant = b" " * 4_000_000
    layer = LAYER | {"digest": digest_of(giant), "size": 1}
    (claim,) = claims_of(holding([artifact(layer), giant], f"{TAG}.sig"), IMAGE)

    assert "longer than 262144 bytes" in claim.fault


def test_a_layer_without_a_signature_is_by_no_key() -> None:
    layer = {**LAYER, "annotations": None}
    claims = claims_of(holding([artifact(layer), PAYLOAD], f"{TAG}.sig"), IMAGE)

    assert verified_with(claims, SIMPLE.digest) == []


def test_layers_of_other_kinds_are_passed_over() -> None:
    layer = {"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": IMAGE}

    assert claims_of(holding([artifact(layer)], f"{TAG}.sig"), IMAGE) == []


def test_a_malformed_referrer_hides_no_other() -> None:
    content = BUNDLED.content()
    content.listed = [Referrer(OCI_MANIFEST, "no digest"), *(BUNDLED.listed or ())]
    claims = claims_of(content, BUNDLED.digest)

    assert verified_with(claims, BUNDLED.digest) == ["first"]
    assert faults(claims)[0] == "referrer no digest: 'no digest' is not a digest"


def test_a_referrer_that_is_gone_says_so() -> None:
    content = holding([])
    content.listed = [Referrer(OCI_MANIFEST, IMAGE)]

    assert faults(claims_of(content, IMAGE)) == [f"referrer {IMAGE}: there is no {IMAGE}"]


def test_a_malformed_list_of_referrers_hides_no_tag() -> None:
    content = SIMPLE.content()
    error = BadReplyError("RT578", "the list of referrers is malformed")
    content.faults = {f"referrers of {SIMPLE.digest}": error}
    claims = claims_of(content, SIMPLE.digest)

    assert verified_with(claims, SIMPLE.digest) == ["first"]
    assert faults(claims)[0] == "referrers: the list of referrers is malformed"


def test_a_repository_without_referrers_is_unsigned() -> None:
    content = holding([], faults={f"referrers of {IMAGE}": NotFoundError("RT576", "gone")})

    assert claims_of(content, IMAGE) == []


PLACES = ["referrers", "tag", ".sig", "manifest", "blob"]


@pytest.mark.parametrize("error", [UnreachableError, DeniedError], ids=["silent", "denied"])
@pytest.mark.parametrize("place", PLACES)
def test_what_could_not_be_read_is_an_error(place: str, error: type[RegistryError]) -> None:
    digest = SIMPLE.digest
    tag = digest.replace(":", "-")
    names = dict(
        zip(
            PLACES,
            [
                f"referrers of {digest}",
                tag,
                f"{tag}.sig",
                SIMPLE.tags[f"{tag}.sig"].digest,
                LAYER["digest"],
            ],
            strict=True,
        )
    )
    content = SIMPLE.content()
    content.faults = {names[place]: error("RT555", "no answer")}

    with pytest.raises(error):
        claims_of(content, digest)


def test_what_is_no_digest_is_asked_nowhere() -> None:
    content = holding([])

    with pytest.raises(BadReplyError, match="is not a digest"):
        claims_of(content, "sha256:../../x")
    assert not content.asked


def test_no_more_than_so_many_referrers_are_opened() -> None:
    bodies = [artifact(LAYER | {"size": count}) for count in range(MOST_ARTIFACTS + 1)]
    content = holding([*bodies, PAYLOAD])
    content.listed = [Referrer(OCI_MANIFEST, digest_of(body)) for body in bodies]
    claims = claims_of(content, IMAGE)

    assert content.asked["manifest"] == MOST_ARTIFACTS
    assert faults(claims)[-1] == f"referrers: only the first {MOST_ARTIFACTS} manifests were read"
    assert claims[-1].unread
    assert verified_with(claims, SIMPLE.digest) == ["first"]


def test_of_very_many_signatures_those_added_last_count() -> None:
    junk = LAYER | {"annotations": {}}
    content = holding([artifact(*[junk] * MOST_LAYERS, LAYER), PAYLOAD], f"{TAG}.sig")
    claims = claims_of(content, IMAGE)

    assert verified_with(claims, SIMPLE.digest) == ["first"]
    assert claims[-1].fault == f"only the last {MOST_LAYERS} signatures were read"
    assert claims[-1].unread


def test_a_payload_signed_over_and_over_is_read_once() -> None:
    content = holding([artifact(*[LAYER] * 150), PAYLOAD], f"{TAG}.sig")

    assert len(claims_of(content, IMAGE)) == 150
    assert content.asked["blob"] == 1


def test_no_more_than_so_many_payloads_are_read() -> None:
    bodies = [PAYLOAD + b" " * count for count in range(MOST_PAYLOADS + 1)]
    layers = [{"mediaType": SIMPLE_SIGNING, "digest": digest_of(body)} for body in bodies]
    content = holding([artifact(*layers), *bodies], f"{TAG}.sig")
    claims = claims_of(content, IMAGE)

    assert content.asked["blob"] == MOST_PAYLOADS
    assert claims[-1].fault == f"only {MOST_PAYLOADS} payloads were read"
    assert [claim.unread for claim in claims] == [False] * MOST_PAYLOADS + [True]


def write_layout(root: Path, signed: Case, extra: Iterable[Descriptor] = ()) -> LayoutSource:
    """What *signed* holds, as a Zot stores it: referrers stand in the index without a name."""
    folder = root / "demo" / "app" / "blobs" / "sha256"
    folder.mkdir(parents=True)
    for digest, body in signed.documents.items():
        (folder / digest.partition(":")[2]).write_bytes(body)
    name = "org.opencontainers.image.ref.name"
    tagged = [
        {"mediaType": named.media_type, "digest": named.digest, "annotations": {name: tag}}
        for tag, named in signed.tags.items()
    ]
    listed = [Descriptor(each.media_type, each.digest) for each in signed.listed or ()]
    untagged = [
        {"mediaType": each.media_type, "digest": each.digest} for each in (*extra, *listed)
    ]
    index = {"schemaVersion": 2, "manifests": tagged + untagged}
    (folder.parent.parent / "index.json").write_text(json.dumps(index))
    return LayoutSource(root, clock=lambda: time.time() + 60)


@pytest.mark.parametrize("name", CASES)
def test_signatures_in_a_storage_root_are_found_like_those_over_http(
    name: str, tmp_path: Path
) -> None:
    signed = case(name)
    source = write_layout(tmp_path, signed)
    repository = Repository("registry.example.com", "demo/app")
    claims = list(asyncio.run(source.signatures(repository, signed.digest)))

    expected = claims_of(signed.content(), signed.digest)
    assert verified_with(claims, signed.digest) == verified_with(expected, signed.digest)


def test_manifests_that_are_gone_or_broken_hide_no_signature(tmp_path: Path) -> None:
    extra = [Descriptor(OCI_MANIFEST, IMAGE), Descriptor(OCI_MANIFEST, "no digest")]
    source = write_layout(tmp_path, BUNDLED, extra)
    repository = Repository("registry.example.com", "demo/app")
    claims = list(asyncio.run(source.signatures(repository, BUNDLED.digest)))

    assert verified_with(claims, BUNDLED.digest) == ["first"]


def test_a_referrer_of_no_media_type_is_a_fault() -> None:
    content = holding([artifact(LAYER), PAYLOAD])
    content.listed = [Referrer("", digest_of(artifact(LAYER)))]

    assert "the media type '' holds no signatures" in claims_of(content, IMAGE)[0].fault
