from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)

from cmp.errors import UnreachableError
from cmp.registry.endpoint import Endpoint
from cmp.registry.http.tls import explain, make_context
from tests.servers.certificates import Authority, Issued

HOST = "zot.example.com"


def endpoint(**fields: object) -> Endpoint:
    values = {"name": "zot", "api_url": f"https://{HOST}:5000"} | fields
    return Endpoint.model_validate(values)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def client(authority: Authority) -> Issued:
    return authority.client()


def trusts(context: ssl.SSLContext, authority: Authority) -> bool:
    wanted = authority.certificate.serial_number
    return any(int(each["serialNumber"], 16) == wanted for each in shown(context))


def shown(context: ssl.SSLContext) -> list[dict[str, str]]:
    return [{"serialNumber": str(each["serialNumber"])} for each in context.get_ca_certs()]


def test_the_system_is_trusted_and_names_are_verified_by_default(tmp_path: Path) -> None:
    context = make_context(endpoint(), tmp_path, None)

    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert not context.hostname_checks_common_name
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert len(shown(context)) == len(shown(ssl.create_default_context()))


def test_an_authority_is_read_from_a_file_beside_the_registries_conf(
    authority: Authority, tmp_path: Path
) -> None:
    (tmp_path / "tls").mkdir()
    (tmp_path / "tls" / "ca.pem").write_bytes(authority.file.read_bytes())

    context = make_context(endpoint(ca_file="tls/ca.pem"), tmp_path, None)

    assert trusts(context, authority)


def test_an_authority_is_read_from_the_entry(authority: Authority, tmp_path: Path) -> None:
    text = "# Für Zot\n" + authority.file.read_text()

    assert trusts(make_context(endpoint(ca_data=text), tmp_path, None), authority)


def test_an_authority_is_read_from_the_file_named_as_the_host(
    authority: Authority, tmp_path: Path
) -> None:
    # As a mounted ConfigMap has it: the name leads to a link.
    (tmp_path / "..data").mkdir()
    (tmp_path / "..data" / HOST).write_bytes(authority.file.read_bytes())
    (tmp_path / HOST).symlink_to(Path("..data") / HOST)

    assert trusts(make_context(endpoint(), tmp_path, tmp_path), authority)


@pytest.mark.parametrize(
    "api_url",
    [
        pytest.param("https://other.example.com", id="another host"),
        pytest.param("https://..data", id="a folder"),
        pytest.param("https://../v2", id="the folder above"),
        pytest.param("file:///registry", id="no host"),
    ],
)
def test_no_other_file_of_the_folder_is_read(
    authority: Authority, tmp_path: Path, api_url: str
) -> None:
    (tmp_path / HOST).write_bytes(authority.file.read_bytes())
    (tmp_path / "..data").mkdir()

    assert not trusts(make_context(endpoint(api_url=api_url), tmp_path, tmp_path), authority)


def test_broken_certificates_are_passed_over_beside_whole_ones(
    authority: Authority, tmp_path: Path
) -> None:
    broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"

    context = make_context(endpoint(ca_data=broken + authority.file.read_text()), tmp_path, None)

    assert trusts(context, authority)


def test_insecure_verifies_nothing_and_reads_no_authority(tmp_path: Path) -> None:
    context = make_context(endpoint(insecure=True, ca_file="missing.pem"), tmp_path, None)

    assert context.verify_mode is ssl.CERT_NONE
    assert not context.check_hostname
    assert context.cert_store_stats()["x509"] == 0


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        pytest.param({"ca_file": "missing"}, "cannot be read: No such file", id="missing"),
        pytest.param({"ca_file": "folder"}, "cannot be read: Is a directory", id="a folder"),
        pytest.param({"ca_file": "a\0b"}, "cannot be read: embedded null", id="no file name"),
        pytest.param({"ca_file": "text"}, "no certificate in PEM form in ca_file text", id="text"),
        pytest.param({"ca_file": "large"}, "is larger than 1048576 bytes", id="too large"),
        pytest.param({"ca_data": "text"}, "no certificate in PEM form in ca_data", id="data"),
    ],
)
def test_an_authority_that_cannot_be_used_is_one_line(
    tmp_path: Path, fields: dict[str, str], said: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_text("-----BEGIN CERTIFICATE-----\nnothing\n")
    (tmp_path / "large").write_bytes(b"#" * (1024 * 1024 + 1))

    with pytest.raises(UnreachableError) as error:
        make_context(endpoint(**fields), tmp_path, None)

    assert error.value.code == "RT548"
    assert said in str(error.value)


def with_key(issued: Issued, folder: Path, **files: str) -> Endpoint:
    (folder / "cert.pem").write_bytes(issued.certificate_file.read_bytes())
    (folder / "key.pem").write_bytes(issued.key_file.read_bytes())
    return endpoint(**({"client_cert": "cert.pem", "client_key": "key.pem"} | files))


def test_a_client_certificate_is_loaded_with_its_key(client: Issued, tmp_path: Path) -> None:
    context = make_context(with_key(client, tmp_path), tmp_path, None)

    assert context.verify_mode is ssl.CERT_REQUIRED


def test_hosts_without_the_login_need_no_client_certificate(tmp_path: Path) -> None:
    files = endpoint(client_cert="missing", client_key="missing")

    context = make_context(files, tmp_path, None, login=False)

    assert context.verify_mode is ssl.CERT_REQUIRED
    with pytest.raises(UnreachableError, match="cannot be read: No such file"):
        make_context(files, tmp_path, None, login=True)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        pytest.param({"client_key": "gone"}, "cannot be read: No such file", id="a missing key"),
        pytest.param({"client_key": "other"}, "does not fit the certificate", id="another key"),
        pytest.param({"client_key": "text"}, "no certificate and key in PEM", id="no key"),
        pytest.param({"client_cert": "text"}, "no certificate and key in PEM", id="none"),
        pytest.param(
            {"client_key": "locked"},
            "is encrypted; store it without a password",
            id="an encrypted key, without asking on the terminal",
        ),
    ],
)
def test_a_client_certificate_that_cannot_be_used_is_one_line(
    authority: Authority, client: Issued, tmp_path: Path, files: dict[str, str], said: str
) -> None:
    (tmp_path / "other").write_bytes(authority.client("other").key_file.read_bytes())
    (tmp_path / "text").write_text("nothing")
    (tmp_path / "locked").write_bytes(
        client.key.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"made up")
        )
    )

    with pytest.raises(UnreachableError) as error:
        make_context(with_key(client, tmp_path, **files), tmp_path, None)

    assert error.value.code == "RT548"
    assert said in str(error.value)


def test_what_openssl_does_not_say_is_told_as_such() -> None:
    unknown = ssl.SSLError(1, "something")
    unknown.reason = "A_REASON_OF_LATER"

    assert explain(unknown) == ("TLS failed: A_REASON_OF_LATER", "")
    assert explain(ssl.SSLError(1, "something")) == ("TLS failed: something", "")
    assert explain(ssl.SSLError()) == ("TLS failed: no reason given", "")


def test_a_refusal_without_words_of_ours_is_told_in_those_of_openssl() -> None:
    error = ssl.SSLCertVerificationError(1, "refused")
    error.verify_code = 23
    error.verify_message = "certificate revoked"

    assert explain(error) == ("its certificate is refused: certificate revoked", "")
