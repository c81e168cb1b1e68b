"""registries.conf: strict as the Image Updater's, with every fault of a file told at once."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from cmp.errors import RuleError, Severity
from cmp.located.reader import LONGEST_TEXT
from cmp.registry.config import load_config, parse_config
from cmp.registry.endpoint import Endpoint, Kind, SortMode

ENTRY = "- name: zot\n  prefix: zot.example.com\n  api_url: https://zot.example.com\n"
OTHER = ENTRY.replace("zot", "other")


def conf(*lines: str) -> str:
    return "registries:\n" + ENTRY + "".join(f"  {line}\n" for line in lines)


def faults(text: str, base: Path = Path("/nonexistent")) -> list[tuple[str, str]]:
    """The codes of all findings, each with the line and column it is at."""
    _, findings = parse_config(text, "registries.conf", base)
    return [(each.code, f"{each.place.line}:{each.place.column}") for each in findings]


def test_every_field_is_read() -> None:
    text = conf(
        "ping: yes",
        "credentials: env:LOGIN",
        "credsexpire: 1h30m",
        "tagsortmode: Latest-First",
        "insecure: on",
        "ca_file: ca.pem",
        "ca_data: text",
        "client_cert: cert.pem",
        "client_key: key.pem",
        "token_hosts: [auth.example.com]",
        "defaultns: library",
        "limit: 20",
        "default: true",
        "kind: zot",
    )

    [endpoint], _ = parse_config(text, "registries.conf", Path())

    assert endpoint == Endpoint(
        name="zot",
        prefix="zot.example.com",
        api_url="https://zot.example.com",
        ping=True,
        credentials="env:LOGIN",
        credsexpire=5_400_000_000_000,
        tagsortmode=SortMode.LATEST_FIRST,
        insecure=True,
        ca_file="ca.pem",
        ca_data="text",
        client_cert="cert.pem",
        client_key="key.pem",
        token_hosts=["auth.example.com"],
        defaultns="library",
        limit=20,
        default=True,
        kind=Kind.ZOT,
    )


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "registries:\n", "registries: []\n", "{}\n", "~"]
)
def test_an_empty_file_lists_nothing(text: str) -> None:
    assert parse_config(text, "registries.conf", Path()) == ((), [])


def test_a_null_field_is_as_good_as_absent() -> None:
    [endpoint], findings = parse_config(conf("credsexpire: ~", "limit:"), "r.conf", Path())

    assert (endpoint.credsexpire, endpoint.limit) == (0, 0)
    assert findings == []


@pytest.mark.parametrize(
    ("line", "nanoseconds"),
    [("credsexpire: 30", 30), ("credsexpire: 2.7", 2), ("credsexpire: 5m", 300 * 10**9)],
)
def test_a_duration_without_a_unit_is_nanoseconds(line: str, nanoseconds: int) -> None:
    [endpoint], _ = parse_config(conf(line), "registries.conf", Path())

    assert nanoseconds == endpoint.credsexpire


ERRORS = {
    "broken YAML": ("registries: [\n", "RT300", "2:1"),
    "no list": ("registries: {}\n", "RT306", "1:13"),
    "no mapping": ("- a\n", "RT306", "1:1"),
    "null entry": ("registries: [~]\n", "RT306", "1:14"),
    "unknown field": (conf("foo: 1"), "RT304", "5:3"),
    "unknown top level field": (conf() + "other: 1\n", "RT304", "5:1"),
    "unknown null field": (conf("foo: ~"), "RT304", "5:3"),
    "unknown null top level field": (conf() + "other:\n", "RT304", "5:1"),
    "duplicate field": (conf("prefix: other"), "RT302", "5:3"),
    "name missing": ("registries:\n- api_url: https://a\n", "RT305", "2:3"),
    "name empty": ("registries:\n- {name: '', api_url: 'https://a'}\n", "RT307", "2:10"),
    "api_url missing": ("registries:\n- name: a\n", "RT305", "2:3"),
    "number for text": (conf("defaultns: 1.10"), "RT306", "5:14"),
    "text for boolean": (conf("insecure: 'true'"), "RT306", "5:13"),
    "text for number": (conf("limit: ten"), "RT306", "5:10"),
    "endless number": (conf("limit: .inf"), "RT307", "5:10"),
    "number beyond 64 bits": (conf("limit: 9223372036854775808"), "RT307", "5:10"),
    "no duration": (conf("credsexpire: 1d"), "RT307", "5:16"),
    "duration of the wrong type": (conf("credsexpire: [1m]"), "RT306", "5:16"),
    "unknown sort mode": (conf("tagsortmode: newest"), "RT307", "5:16"),
    "unknown kind": (conf("kind: docker"), "RT307", "5:9"),
    "two without prefix": (
        "registries:\n- {name: a, api_url: 'https://a'}\n- {name: b, api_url: 'https://b'}\n",
        "RT332",
        "3:3",
    ),
    "two defaults": (conf("default: yes") + OTHER + "  default: yes\n", "RT341", "9:12"),
    "layout over HTTP": (conf("kind: layout"), "RT335", "5:9"),
    "certificate without key": (conf("client_cert: a.pem"), "RT336", "5:16"),
    "key without certificate": (conf("client_key: a.pem"), "RT336", "5:15"),
    "no certificate": (conf("ca_data: junk"), "RT342", "5:12"),
    "certificate file that cannot be": (conf(r'ca_file: "a\0b"'), "RT342", "5:12"),
    "certificate file missing": (conf("ca_file: ca.pem"), "RT342", "5:12"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "code", "place"), ERRORS.values(), ids=ERRORS)
def test_an_error_has_its_place_and_fails_the_file(text: str, code: str, place: str) -> None:
    endpoints, findings = parse_config(text, "registries.conf", Path("/nonexistent"))

    assert endpoints == ()
    [error] = [each for each in findings if each.severity is Severity.ERROR]
    assert (code, place) == (error.code, f"{error.place.line}:{error.place.column}")


@pytest.mark.parametrize(
    "url",
    ["file://host/a", "file:///a?b", "file:///a#b", "file:///a%00", "file://[", "FILE://a/b"],
)
def test_a_file_url_names_a_folder_on_this_machine(url: str) -> None:
    text = f"registries:\n- {{name: a, prefix: a, api_url: '{url}'}}\n"

    assert faults(text) == [("RT335", "2:33")]


def test_a_kind_that_is_no_layout_is_not_in_a_folder() -> None:
    text = "registries:\n- {name: a, prefix: a, api_url: file:a, kind: zot}\n"

    assert faults(text) == [("RT335", "2:47")]


WARNINGS = {
    "a second document": (conf() + "---\nregistries: []\n", "RT331", "6:1"),
    "the same prefix twice": (conf() + ENTRY, "RT333", "6:11"),
    "a prefix that is a URL": (
        "registries:\n- {name: a, prefix: 'https://a.io', api_url: 'https://a.io'}\n",
        "RT334",
        "2:21",
    ),
    "a URL without scheme": ("registries:\n- {name: a, prefix: a, api_url: a}\n", "RT335", "2:33"),
    "a URL that cannot be one": (
        "registries:\n- {name: a, prefix: a, api_url: 'htps://['}\n",
        "RT335",
        "2:33",
    ),
    "a login in a URL": (
        "registries:\n- {name: a, prefix: a, api_url: 'https://user:hunter2@a'}\n",
        "RT343",
        "2:33",
    ),
    "credentials that are none": (conf("credentials: user:hunter2"), "RT337", "5:16"),
    "a script": (conf("credentials: ext:/bin/script"), "RT338", "5:16"),
    "insecure": (conf("insecure: yes"), "RT339", "5:13"),
    "plain http": ("registries:\n- {name: a, prefix: a, api_url: 'http://a'}\n", "RT340", "2:33"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "code", "place"), WARNINGS.values(), ids=WARNINGS)
def test_a_warning_has_its_place_and_leaves_the_file_usable(
    text: str, code: str, place: str
) -> None:
    endpoints, findings = parse_config(text, "registries.conf", Path("/nonexistent"))

    assert len(endpoints) >= 1
    [warning] = findings
    assert warning.severity is Severity.WARNING
    assert (code, place) == (warning.code, f"{warning.place.line}:{warning.place.column}")
    assert "hunter2" not in str(warning)


def test_all_faults_of_a_file_are_told_at_once() -> None:
    text = conf("foo: 1", "limit: ten", "prefix: again", "credsexpire: 1d")

    assert faults(text) == [
        ("RT304", "5:3"),
        ("RT306", "6:10"),
        ("RT302", "7:3"),
        ("RT307", "8:16"),
    ]


def test_a_field_with_a_slip_is_told_with_the_right_name() -> None:
    _, [finding] = parse_config(conf("credential: env:X"), "registries.conf", Path())

    assert finding.remedy == "did you mean credentials?"


@pytest.fixture
def certificate() -> str:
    """A certificate in PEM form: any that this machine trusts."""
    context = ssl.create_default_context()
    context.load_default_certs()
    return ssl.DER_cert_to_PEM_cert(context.get_ca_certs(binary_form=True)[0])


def test_certificates_are_read_beside_the_file_and_through_other_text(
    tmp_path: Path, certificate: str
) -> None:
    broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    (tmp_path / "ca.pem").write_text(f"a comment\n{broken}{certificate}", encoding="utf-8")
    (tmp_path / "none.pem").write_text(broken)

    assert faults(conf("ca_file: ca.pem"), tmp_path) == []
    assert faults(conf("ca_file: none.pem"), tmp_path) == [("RT342", "5:12")]


def test_certificates_are_not_looked_at_where_none_is_checked() -> None:
    assert faults(conf("ca_file: ca.pem", "insecure: yes")) == [("RT339", "6:13")]


@pytest.mark.parametrize(
    ("url", "folder"),
    [
        ("file:///srv/zot", "/srv/zot"),
        ("file://localhost/srv/zot", "/srv/zot"),
        ("file:/srv/zot", "/srv/zot"),
        ("file:zot", "/etc/retag/zot"),
        ("file:./zot", "/etc/retag/zot"),
        ("file://./zot", "/etc/retag/zot"),
        ("file://../zot", "/etc/retag/../zot"),
        ("file:../../zot", "/etc/retag/../../zot"),
        ("file:a%20b", "/etc/retag/a b"),
    ],
)
def test_a_folder_is_absolute_or_relative_to_the_file(url: str, folder: str) -> None:
    endpoint = Endpoint(name="a", api_url=url)

    assert endpoint.is_layout
    assert Path(folder) == endpoint.folder(Path("/etc/retag"))


def test_one_slash_at_the_end_of_a_url_is_dropped() -> None:
    assert Endpoint(name="a", api_url="https://a//").base_url == "https://a/"


def test_a_file_is_loaded_with_its_name_in_the_findings(tmp_path: Path) -> None:
    path = tmp_path / "registries.conf"
    path.write_text(conf("insecure: yes"))

    [endpoint], [finding] = load_config(path)

    assert endpoint.insecure
    assert str(finding).startswith(f"{path}:5:13: registries[0].insecure: insecure:")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"\xff", "RT300"),
        (b"#" * LONGEST_TEXT + b"\n", "RT301"),
        ("#\U0001f40b".encode() * (LONGEST_TEXT // 2) + b"\n", "RT301"),
        ("\U0001f40b".encode() * (LONGEST_TEXT + 1), "RT301"),
    ],
)
def test_a_file_that_is_no_text_or_too_large_cannot_be_read(
    tmp_path: Path, content: bytes, code: str
) -> None:
    path = tmp_path / "registries.conf"
    path.write_bytes(content)

    endpoints, [finding] = load_config(path)

    assert endpoints == ()
    assert code == finding.code


def test_a_byte_order_mark_is_no_part_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "registries.conf"
    path.write_text(conf(), encoding="utf-8-sig")

    endpoints, findings = load_config(path)

    assert [endpoint.name for endpoint in endpoints] == ["zot"]
    assert findings == []


def test_a_file_that_is_not_there_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match=r"none: cannot be read: No such file .*RT308"):
        load_config(tmp_path / "none")
