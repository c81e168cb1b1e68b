"""What search says of an image, read strictly, and without harm to the others."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmp.cosign.keys import fingerprint
from cmp.registry.instant import parse_instant
from cmp.registry.zot.summaries import read_tags
from cmp.tags import Fault, Needs, Platform, Tag
from tests.registry.zot.model import summary
from tests.servers.images import image

IMAGE = image("2026-01-01T00:00:00Z", platform="linux/arm64/v8")
ALL = Needs(created=True, pushed=True, severity=True, trusted=True)
EARLY, LATE = "2026-03-01T00:00:00.000000001Z", "2026-03-01T00:00:00.000000002Z"
EPOCH, ZERO = "1970-01-01T00:00:00Z", "0001-01-01T00:00:00Z"


def tag(needs: Needs = ALL, **fields: object) -> Tag:
    return read_tags([summary("v1", IMAGE, **fields)], needs)["v1"]


def signature(tool: object = "cosign", *, trusted: object = False, author: object = "") -> Any:
    return {"Tool": tool, "IsTrusted": trusted, "Author": author}


def test_all_that_is_told() -> None:
    found = tag(
        PushTimestamp=LATE,
        TaggedTimestamp=EARLY,
        Vulnerabilities={"MaxSeverity": "NONE"},
        SignatureInfo=[signature("notation", trusted=True, author="Jo")],
    )

    assert found == Tag(
        "v1",
        IMAGE.digest,
        parse_instant("2026-01-01T00:00:00Z"),
        pushed=parse_instant(LATE),
        severity="none",
        trusted=True,
        signers=("Jo",),
        platforms=(Platform("linux", "arm64", "v8"),),
    )


PUSHED = {
    "pushed later": (LATE, EARLY, LATE),
    "tagged later": (EARLY, LATE, LATE),
    "never tagged": (EARLY, None, EARLY),
    "no push time kept": (EPOCH, EARLY, EARLY),
    "zero time": (EARLY, ZERO, EARLY),
}


@pytest.mark.parametrize(("pushed", "tagged", "told"), PUSHED.values(), ids=PUSHED)
def test_a_tag_was_pushed_at_the_later_of_two_times(
    pushed: str, tagged: str | None, told: str
) -> None:
    found = tag(PushTimestamp=pushed, TaggedTimestamp=tagged)

    assert parse_instant(told) == found.pushed
    assert not found.unanswered


@pytest.mark.parametrize("time", [None, EPOCH, ZERO])
def test_a_push_time_that_zot_never_kept_is_not_an_old_one(time: str | None) -> None:
    found = tag(PushTimestamp=time, TaggedTimestamp=time)

    assert found.pushed is None
    assert found.unanswered == "Zot does not know when it was pushed"
    assert found.fault is None


SEVERITIES = {
    "not scanned": ({"MaxSeverity": ""}, ""),
    "scan off": (None, ""),
    "null": ({"MaxSeverity": None}, ""),
    "clean": ({"MaxSeverity": "NONE"}, "none"),
    "unknown": ({"MaxSeverity": "UNKNOWN"}, "unknown"),
    "critical": ({"MaxSeverity": "CRITICAL"}, "critical"),
}


@pytest.mark.parametrize(("said", "severity"), SEVERITIES.values(), ids=SEVERITIES)
def test_severities(said: object, severity: str) -> None:
    assert tag(Vulnerabilities=said).severity == severity


def test_a_severity_that_is_none_holds_the_tag_back() -> None:
    found = tag(Vulnerabilities={"MaxSeverity": "HORRIBLE"})

    assert found.severity is None
    assert "HORRIBLE" in found.unanswered.upper()


TRUST = {
    "unsigned": ([], False, ()),
    "null": (None, False, ()),
    "signed, not trusted": ([signature()], False, ("cosign",)),
    "one of them trusted": (
        [
            signature(),
            signature("cosign", trusted=True, author="ci"),
            signature("notation", trusted=True, author="Ann"),
        ],
        True,
        ("Ann", "ci", "cosign"),
    ),
    "nothing said": ([signature(None, trusted=None, author=None)], False, ()),
}


@pytest.mark.parametrize(("said", "trusted", "signers"), TRUST.values(), ids=TRUST)
def test_trust(said: object, signers: tuple[str, ...], *, trusted: bool) -> None:
    found = tag(SignatureInfo=said)

    assert trusted is found.trusted
    assert signers == found.signers


PEM = "-----BEGIN PUBLIC KEY-----\nbWFkZSB1\ncA==\n-----END PUBLIC KEY-----\n"


def test_a_key_is_told_by_its_fingerprint() -> None:
    found = tag(SignatureInfo=[signature(trusted=True, author=PEM)])

    assert found.signers == (f"cosign key {fingerprint(b'made up')}",)


def test_the_zero_time_is_none() -> None:
    zero = {"LastUpdated": "0001-01-01T00:00:00Z"}
    told = summary("v1", IMAGE)
    manifests = [each | zero for each in told["Manifests"]]
    found = read_tags([told | zero | {"Manifests": manifests}], Needs(created=True))["v1"]

    assert (found.fault, found.created) == (Fault.MALFORMED, None)


def test_who_signed_with_a_key_is_one_line_too() -> None:
    found = tag(SignatureInfo=[signature(author=PEM) | {"Tool": "\x1b[2J\n" + "x" * 5000}])

    assert found.signers[0].isprintable()
    assert len(found.signers[0]) < 300


def test_a_broken_key_makes_the_tag_unknown() -> None:
    broken = summary("v1", IMAGE, SignatureInfo=[signature(author=PEM.replace("==", ""))])

    assert not read_tags([broken], ALL)


def test_a_signer_is_one_short_line() -> None:
    found = tag(SignatureInfo=[signature(trusted=True, author="CN=\x1b[2J\n" + "x" * 5000)])

    assert len(found.signers[0]) == 200
    assert found.signers[0].isprintable()


def test_what_is_not_asked_for_is_not_told() -> None:
    fields = {
        "SignatureInfo": [signature("x", trusted=True)],
        "Vulnerabilities": {"MaxSeverity": "LOW"},
    }

    found = tag(Needs(severity=True), **fields)

    assert (found.severity, found.trusted, found.pushed, found.created) == (
        "low",
        None,
        None,
        None,
    )


def test_gates_alone_need_no_manifests() -> None:
    said = {"Tag": "v1", "Digest": IMAGE.digest, "Vulnerabilities": {"MaxSeverity": "LOW"}}

    found = read_tags([said], Needs(severity=True))

    assert found == {"v1": Tag("v1", IMAGE.digest, severity="low")}


def test_a_build_time_is_not_needed_where_push_times_decide() -> None:
    found = read_tags([summary("v1", image(None))], Needs(pushed=True))["v1"]

    assert found.fault is None
    assert found.created is None
    assert found.platforms == (Platform("linux", "amd64"),)


def test_what_is_for_no_wanted_platform_is_refused_whatever_is_asked() -> None:
    found = tag(Needs(pushed=True, platforms=("linux/amd64",)))

    assert found.fault is Fault.MALFORMED
    assert found.detail == "no image for linux/amd64"
    assert found.digest == IMAGE.digest


MALFORMED: dict[str, Any] = {
    "null": None,
    "text": "v1",
    "number": 5,
    "nothing": {},
    "forbidden": {"Tag": None, "Digest": None},
    "digest": summary("v1", IMAGE, Digest="sha256:../x"),
    "build time": summary("v1", IMAGE, LastUpdated="today"),
    "build time of another type": summary("v1", IMAGE, LastUpdated=5),
    "push time": summary("v1", IMAGE, PushTimestamp="today"),
    "manifests": summary("v1", IMAGE, Manifests="x"),
    "null among the manifests": summary("v1", IMAGE, Manifests=[None]),
    "manifests that are not told": summary("v1", IMAGE, Manifests=None),
    "time of a manifest": summary("v1", IMAGE, Manifests=[{"LastUpdated": "today"}]),
    "signatures": summary("v1", IMAGE, SignatureInfo=[5]),
    "trust": summary("v1", IMAGE, SignatureInfo=[signature(trusted="yes")]),
    "severity": summary("v1", IMAGE, Vulnerabilities=[]),
}


@pytest.mark.parametrize("entry", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_entry_is_unknown_and_no_harm_to_others(entry: object) -> None:
    found = read_tags([entry, summary("v2", IMAGE)], ALL)

    assert list(found) == ["v2"]
    assert found["v2"].created is not None


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(st.sampled_from(list(summary("v1", IMAGE))), below, max_size=4)
    ),
    max_leaves=8,
)


@given(entry=_json, field=st.sampled_from(list(summary("v1", IMAGE))), value=_json)
def test_nothing_that_search_says_breaks_it(entry: object, field: str, value: object) -> None:
    broken = summary("v1", IMAGE, **{field: value})

    assert "v2" in read_tags([entry, broken, summary("v2", IMAGE)], ALL)
