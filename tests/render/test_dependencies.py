"""Chart dependencies: from the repository, from listed hosts, and from nowhere else."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from cmp.errors import RenderError
from cmp.render import Permissions
from cmp.render.dependencies import repositories_in
from tests.render.network import Server, serving
from tests.render.sources import rendered, snapshot, write

_LIBRARY = {
    "Chart.yaml": "apiVersion: v2\nname: library\nversion: 1.2.3\n",
    "templates/a.yaml": "kind: FromLibrary\n",
}


def _chart(repository: str, *, name: str = "library", version: str = "1.2.3") -> dict[str, str]:
    """The files of a chart that depends on a library in *repository*."""
    return {
        "chart/Chart.yaml": "apiVersion: v2\nname: chart\nversion: 1.0.0\ndependencies:\n"
        f"- name: {name}\n  version: {version}\n  repository: {repository!r}\n",
        "chart/templates/a.yaml": "kind: FromChart\n",
    }


def _archive() -> bytes:
    """The library as a chart archive."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, text in _LIBRARY.items():
            info = tarfile.TarInfo(f"library/{name}")
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return stream.getvalue()


_ARCHIVE = _archive()
_REPOSITORY = {
    "/index.yaml": b"apiVersion: v1\nentries:\n  library:\n  - name: library\n    version: 1.2.3\n"
    b"    apiVersion: v2\n    urls: [library-1.2.3.tgz]\n    digest: "
    + hashlib.sha256(_ARCHIVE).hexdigest().encode(),
    "/library-1.2.3.tgz": _ARCHIVE,
}


def _lock(repository: str, digest: str) -> str:
    """A Chart.lock as helm writes it."""
    return (
        f"dependencies:\n- name: library\n  repository: {repository}\n  version: 1.2.3\n"
        f'digest: sha256:{digest}\ngenerated: "2026-01-01T00:00:00.000000000Z"\n'
    )


def _digest(required: str, locked: str) -> str:
    """Helm's digest of what Chart.yaml asks for and Chart.lock answers (resolver.HashReq)."""
    both = (
        f'[[{{"name":"library","version":"1.2.3","repository":"{required}"}}],'
        f'[{{"name":"library","version":"1.2.3","repository":"{locked}"}}]]'
    )
    return hashlib.sha256(both.encode()).hexdigest()


def _allowed(server: Server) -> Permissions:
    return Permissions(helm_hosts=frozenset({f"http://127.0.0.1:{server.port}"}))


def test_a_dependency_in_the_repository_is_built_and_nothing_is_left(tmp_path: Path) -> None:
    write(tmp_path, _chart("file://../library"))
    write(tmp_path / "library", _LIBRARY)
    before = snapshot(tmp_path)

    text = rendered(tmp_path, "chart")

    assert "kind: FromLibrary" in text
    assert "kind: FromChart" in text
    assert snapshot(tmp_path) == before


def test_a_dependency_that_is_there_is_not_built(tmp_path: Path) -> None:
    write(tmp_path, _chart("https://charts.example.com"))
    write(tmp_path / "chart" / "charts" / "library", _LIBRARY)

    assert "kind: FromLibrary" in rendered(tmp_path, "chart")


def test_a_dependency_from_a_listed_host_is_fetched(tmp_path: Path) -> None:
    with serving(_REPOSITORY) as server:
        write(tmp_path, _chart(f"http://127.0.0.1:{server.port}"))
        before = snapshot(tmp_path)

        text = rendered(tmp_path, "chart", permissions=_allowed(server))

    assert "kind: FromLibrary" in text
    assert sorted(set(server.paths)) == ["/index.yaml", "/library-1.2.3.tgz"]
    assert snapshot(tmp_path) == before


def test_a_locked_dependency_from_a_listed_host_is_fetched(tmp_path: Path) -> None:
    with serving(_REPOSITORY) as server:
        address = f"http://127.0.0.1:{server.port}"
        write(tmp_path, _chart(address))
        write(tmp_path, {"chart/Chart.lock": _lock(address, _digest(address, address))})

        assert "kind: FromLibrary" in rendered(tmp_path, "chart", permissions=_allowed(server))


@pytest.mark.parametrize(
    ("repository", "host"),
    [
        ("https://charts.example.com/stable", "charts.example.com"),
        ("oci://registry.example.com:5000/charts", "registry.example.com:5000"),
        ("http://169.254.169.254/latest", "http://169.254.169.254"),
    ],
)
def test_a_dependency_from_another_host_is_refused(
    tmp_path: Path, repository: str, host: str
) -> None:
    write(tmp_path, _chart(repository))
    permissions = Permissions(helm_hosts=frozenset({"169.254.169.254", "example.com", "charts"}))

    with pytest.raises(RenderError, match=rf"comes from {host}, a host that is not.*RT447"):
        rendered(tmp_path, "chart", permissions=permissions)


def test_no_host_is_listed_unless_the_operator_lists_it(tmp_path: Path) -> None:
    with serving(_REPOSITORY) as server:
        write(tmp_path, _chart(f"http://127.0.0.1:{server.port}"))

        with pytest.raises(RenderError, match="RT447"):
            rendered(tmp_path, "chart")

    assert server.connections == 0


@pytest.mark.parametrize(
    "repository",
    [
        "@stable",
        "alias:stable",
        "charts.example.com",
        "https://user:password@charts.example.com",
        "https://charts.example.com@evil.example.com/x",
        "https://charts.example.com/?x=http://evil.example.com",
        "ftp://charts.example.com",
    ],
)
def test_what_is_no_address_of_a_repository_is_refused(tmp_path: Path, repository: str) -> None:
    write(tmp_path, _chart(repository))
    permissions = Permissions(helm_hosts=frozenset({"charts.example.com"}))

    with pytest.raises(RenderError, match=r"no address of a repository.*RT446"):
        rendered(tmp_path, "chart", permissions=permissions)


@pytest.mark.parametrize("path", ["../../outside", "/etc", "../linked", "deep/../../../outside"])
def test_a_dependency_outside_of_the_repository_is_refused(tmp_path: Path, path: str) -> None:
    write(tmp_path / "outside", _LIBRARY)
    repository = write(tmp_path / "repo", _chart(f"file://{path}"))
    (repository / "linked").symlink_to("../outside")
    write(repository / "one" / "two" / "outside", _LIBRARY)
    (repository / "chart" / "deep").symlink_to("../one/two/outside")

    with pytest.raises(RenderError, match=r"leads out of the repository.*RT434"):
        rendered(repository, "chart")


def test_a_link_in_a_dependency_that_leads_out_is_refused(tmp_path: Path) -> None:
    repository = write(tmp_path / "repo", _chart("file://../library"))
    write(repository / "library", _LIBRARY)
    (repository / "library" / "passwd").symlink_to("/etc/passwd")

    with pytest.raises(RenderError, match=r"library/passwd leads out.*RT434"):
        rendered(repository, "chart")


@pytest.mark.parametrize(
    ("lock", "line"),
    [
        pytest.param(_lock("oci://evil.example.com/x", "0" * 64), 3, id="another host"),
        pytest.param('{"dependencies": []}\n', 1, id="flow style"),
        pytest.param(_lock('"h\\x74tps://evil"', "0" * 64), 3, id="escapes"),
        pytest.param("more: x\n" + _lock("file://../library", "0" * 64), 1, id="another key"),
    ],
)
def test_a_lock_file_that_names_other_repositories_is_refused(
    tmp_path: Path, lock: str, line: int
) -> None:
    write(tmp_path, _chart("file://../library"))
    write(tmp_path / "library", _LIBRARY)
    write(tmp_path, {"chart/Chart.lock": lock})

    message = rf"^Chart\.lock:{line}: .*helm dependency update.*RT448"
    with pytest.raises(RenderError, match=message):
        rendered(tmp_path, "chart")


@pytest.mark.parametrize(("length", "code"), [(1024 * 1024, "RT448"), (1024 * 1024 + 1, "RT436")])
def test_a_lock_file_is_read_up_to_a_mebibyte(tmp_path: Path, length: int, code: str) -> None:
    write(tmp_path, _chart("file://../library"))
    write(tmp_path / "library", _LIBRARY)
    write(tmp_path, {"chart/Chart.lock": "more: ".ljust(length, "x")})

    with pytest.raises(RenderError) as caught:
        rendered(tmp_path, "chart")

    assert caught.value.code == code


def test_a_charts_folder_that_is_a_link_out_of_the_source_is_not_written_to(
    tmp_path: Path,
) -> None:
    write(tmp_path, _chart("file://../library"))
    write(tmp_path / "library", _LIBRARY)
    (tmp_path / "common").mkdir()
    (tmp_path / "chart" / "charts").symlink_to("../common")

    with pytest.raises(RenderError, match="RT437"):
        rendered(tmp_path, "chart")
    assert list((tmp_path / "common").iterdir()) == []


def test_a_dependency_that_cannot_be_had_is_told_in_helms_words(tmp_path: Path) -> None:
    with serving({}) as server:
        write(tmp_path, _chart(f"http://127.0.0.1:{server.port}"))

        with pytest.raises(RenderError, match="helm repo failed with exit status 1") as caught:
            rendered(tmp_path, "chart", permissions=_allowed(server))

    assert "404" in caught.value.output


@pytest.mark.parametrize("name", ['"a\\tb"', '"a\\n\\nb"', '"WARNING: a"'])
def test_a_name_cannot_hide_where_a_dependency_comes_from(tmp_path: Path, name: str) -> None:
    write(tmp_path, _chart("https://evil.example.com", name=name))

    with pytest.raises(RenderError, match=r"RT44[57]"):
        rendered(tmp_path, "chart")


@pytest.mark.parametrize(
    ("table", "repositories"),
    [
        pytest.param("", [], id="nothing"),
        pytest.param('WARNING: no dependencies at "charts"\n', [], id="a warning"),
        pytest.param(
            "NAME\tVERSION\tREPOSITORY  \tSTATUS \n"
            "b   \t1      \thttps://b.io\tmissing\n"
            "a   \t1      \tfile://../a\tok     \n"
            "c   \t1      \t           \tunpacked\n"
            '\nWARNING: "d" is not in Chart.yaml.\n',
            ["file://../a", "https://b.io"],
            id="each once",
        ),
    ],
)
def test_helms_table_names_the_repositories(table: str, repositories: list[str]) -> None:
    assert repositories_in(table) == repositories


def test_a_table_with_too_many_columns_is_refused() -> None:
    with pytest.raises(RenderError, match="RT445"):
        repositories_in("NAME\tREPOSITORY\na\t\thttps://evil.example.com\n")
