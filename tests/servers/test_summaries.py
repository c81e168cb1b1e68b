"""What search tells of an image: each case was pushed to a real Zot, and this is what it told."""

from __future__ import annotations

import pytest

from tests.servers import images
from tests.servers.images import Document
from tests.servers.model import Model
from tests.servers.summaries import Summary, summarise
from tests.servers.times import as_stated

_CREATED = "org.opencontainers.image.created"
_BUILD_DATE = "org.label-schema.build-date"
_FIRST = "2026-01-01T00:00:00Z"
_AMD = images.image(_FIRST)
_ARM = images.image("2026-01-05T00:00:00Z", platform="linux/arm64/v8")
_LABELLED = images.image(
    _FIRST, platform="linux/arm/v7", labels={_CREATED: "2026-01-09T00:00:00Z"}
)
_DATELESS = images.image(None, platform="linux/s390x")
_PLACELESS = images.image("2026-01-03T00:00:00Z", platform="")
_HISTORY = [{"created": "2026-04-01T00:00:00Z"}, {"created": "2026-03-01T00:00:00+01:00"}]


def _told(document: Document) -> Summary:
    model = Model()
    model.push("team/app", "v1", document)
    return summarise(model, model.repositories["team/app"], "v1", scanned=False)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        pytest.param(_AMD, _FIRST, id="the config's time"),
        pytest.param(
            images.image("2026-01-01T00:00:00.5+05:00"),
            "2025-12-31T19:00:00.5Z",
            id="the config's time in another zone",
        ),
        pytest.param(
            images.image(_FIRST, labels={_CREATED: "2026-02-02T02:02:02+02:00"}),
            "2026-02-02T02:02:02+02:00",
            id="a label, in its own zone",
        ),
        pytest.param(
            images.image(_FIRST, labels={_BUILD_DATE: "2026-02-03T00:00:00Z"}),
            "2026-02-03T00:00:00Z",
            id="the older label",
        ),
        pytest.param(
            images.image(_FIRST, labels={_CREATED: "", _BUILD_DATE: "2026-02-03T00:00:00Z"}),
            "2026-02-03T00:00:00Z",
            id="the older label behind an empty one",
        ),
        pytest.param(
            images.image(_FIRST, labels={_CREATED: "x", _BUILD_DATE: "2026-02-03T00:00:00Z"}),
            _FIRST,
            id="a malformed label hides the older one",
        ),
        pytest.param(
            images.image(
                _FIRST,
                labels={_CREATED: "2026-02-03T00:00:00Z"},
                annotations={_CREATED: "2026-03-03T00:00:00.123456789Z"},
            ),
            "2026-03-03T00:00:00.123456789Z",
            id="an annotation before a label",
        ),
        pytest.param(
            images.image(
                _FIRST, labels={_CREATED: "2026-02-03T00:00:00Z"}, annotations={_CREATED: "x"}
            ),
            "2026-02-03T00:00:00Z",
            id="a label behind a malformed annotation",
        ),
        pytest.param(images.image(None), None, id="nothing"),
        pytest.param(
            images.image(None, history=_HISTORY), "2026-02-28T23:00:00Z", id="the last history"
        ),
        pytest.param(
            images.image(None, history=[{"created": _FIRST}, {"created_by": "x"}]),
            "1970-01-01T00:00:00Z",
            id="a last history without a time",
        ),
        pytest.param(
            images.image("0001-01-01T00:00:00Z", history=[{"created": "2026-04-01T00:00:00Z"}]),
            "2026-04-01T00:00:00Z",
            id="Go's zero time is none",
        ),
        pytest.param(images.artifact("application/vnd.example.thing"), None, id="no image"),
        pytest.param(images.index([_AMD, _ARM]), "2026-01-05T00:00:00Z", id="the newest child"),
        pytest.param(
            images.index([_AMD, _ARM], annotations={_CREATED: "2025-01-01T00:00:00Z"}),
            "2025-01-01T00:00:00Z",
            id="an index's annotation",
        ),
        pytest.param(
            images.index([_LABELLED, images.image("2026-01-20T00:00:00Z")]),
            "2026-01-09T00:00:00Z",
            id="the first child's label before the newest child",
        ),
        pytest.param(
            images.index([_AMD, _LABELLED]), "2026-01-09T00:00:00Z", id="the second one's label"
        ),
        pytest.param(images.index([_DATELESS]), None, id="an index of images without a time"),
        pytest.param(images.index([]), None, id="an empty index"),
        pytest.param(
            images.index([images.index([_ARM, _AMD]), _DATELESS]),
            "2026-01-05T00:00:00Z",
            id="an index in an index",
        ),
    ],
)
def test_build_time(document: Document, expected: str | None) -> None:
    assert _told(document).fields["LastUpdated"] == expected


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        pytest.param(_ARM, ["linux arm64/v8"], id="an image"),
        pytest.param(_PLACELESS, [" "], id="an image that does not say"),
        pytest.param(
            images.index([_PLACELESS, _AMD], platforms=["linux/riscv64/x", "windows/amd64"]),
            ["linux riscv64/x", "linux amd64"],
            id="the config before the index",
        ),
        pytest.param(images.index([_AMD, _AMD]), ["linux amd64", "linux amd64"], id="one twice"),
        pytest.param(
            images.index([images.index([_ARM, _AMD]), _DATELESS]),
            ["linux arm64/v8", "linux amd64", "linux s390x"],
            id="an index in an index",
        ),
    ],
)
def test_platforms(document: Document, expected: list[str]) -> None:
    told = [each["Platform"] for each in _told(document).fields["Manifests"]]

    assert [f"{each['Os']} {each['Arch']}" for each in told] == expected


def test_a_history_of_more_layers_than_there_are_is_complained_of() -> None:
    """A real Zot answers such a question with data *and* errors."""
    document = images.image(None, history=_HISTORY)

    complaint = (
        f"error generating history on tag v1 in repo team/app: manifest digest: {document.digest},"
        " error: manifest layers count doesn't correspond to config history"
    )
    assert _told(document).complaints == (complaint,)


def test_a_history_of_empty_layers_is_fine() -> None:
    history = [{"created": _FIRST, "empty_layer": True}] * 3

    assert _told(images.image(history=history)).complaints == ()


def test_each_signature_counts_and_none_is_trusted_until_told_so() -> None:
    model = Model()
    model.push("team/app", "v1", _AMD)
    model.push("team/app", images.cosign_tag(_AMD.digest), images.cosign_signature(_AMD.digest))
    for kind in (
        "application/vnd.dev.sigstore.bundle.v0.3+json",
        "application/vnd.cncf.notary.signature",
        "application/vnd.example.sbom.v1",
    ):
        model.push("team/app", "", images.artifact(kind, subject=_AMD))

    def told() -> list[tuple[str, bool, str]]:
        summary = summarise(model, model.repositories["team/app"], "v1", scanned=False)
        rows = summary.fields["SignatureInfo"]
        return sorted((row["Tool"], row["IsTrusted"], row["Author"]) for row in rows)

    assert told() == [("cosign", False, ""), ("cosign", False, ""), ("notation", False, "")]
    model.trust(_AMD.digest, "release key")
    assert {trusted for _, trusted, _ in told()} == {True}


@pytest.mark.parametrize(
    ("findings", "expected"),
    [
        pytest.param(None, ("", 0), id="not scanned is not clean"),
        pytest.param([], ("NONE", 0), id="clean"),
        pytest.param([("CVE-1", "LOW"), ("CVE-2", "HIGH")], ("HIGH", 2), id="the worst"),
    ],
)
def test_severity(findings: list[tuple[str, str]] | None, expected: tuple[str, int]) -> None:
    model = Model()
    model.push("team/app", "v1", _AMD)
    if findings is not None:
        model.scan(_AMD.digest, *findings)

    summary = summarise(model, model.repositories["team/app"], "v1", scanned=True)

    told = summary.fields["Vulnerabilities"]
    assert (told["MaxSeverity"], told["Count"]) == expected


def test_a_day_that_no_month_has_is_no_time() -> None:
    assert as_stated("2026-02-31T00:00:00Z") is None
    assert as_stated("2026-02-28T00:00:00Z") == "2026-02-28T00:00:00Z"
