"""A chart's schemas, with the real helm: what they refer to is read by nobody."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from cmp.errors import RenderError
from cmp.render.schemas import check_schemas
from tests.render.sources import rendered, write

CHART = "apiVersion: v2\nname: {name}\nversion: 1.0.0\n"
TREE = {
    "chart/Chart.yaml": CHART.format(name="chart"),
    "chart/templates/a.yaml": "kind: A\n",
}
ELSEWHERE = {"$ref": "file:///etc/hostname"}
TYPED = {"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {"a": {}}}


def packed(files: Mapping[str, bytes | str], **members: bytes) -> bytes:
    """A chart as a .tgz; *members* are the types of members that are no plain files."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            data = content.encode() if isinstance(content, str) else content
            info.size = len(data)
            info.type = members.get(name.rpartition("/")[2].partition(".")[0], tarfile.REGTYPE)
            tar.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def subchart(schema: object, name: str = "sub/values.schema.json") -> bytes:
    """A packed chart with *schema* under *name*."""
    return packed({"sub/Chart.yaml": CHART.format(name="sub"), name: json.dumps(schema)})


def place(folder: Path, name: str, content: bytes) -> None:
    """Write *content* to the file *name* of *folder*."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param(json.dumps(ELSEWHERE), id="a file"),
        pytest.param('{"$ref": "/etc/hostname"}', id="a path"),
        pytest.param('{"$ref": "values.schema.yaml"}', id="a path that helm starts at /"),
        pytest.param('{"$ref": "../../etc/hostname"}', id="a path upwards"),
        pytest.param('{"$ref": " #/x"}', id="a path of a blank"),
        pytest.param('{"$ref": "FILE:///etc/hostname"}', id="a file in capitals"),
        pytest.param('{"$ref": "https://example.com/x"}', id="an address"),
        pytest.param('{"$ref": "https://json-schema.org.example.com/x"}', id="a similar address"),
        pytest.param('{"$ref": "https://json-schema.org@example.com/x"}', id="a user's address"),
        pytest.param('{"$id": "file:///etc/", "$ref": "hostname"}', id="a file by two halves"),
        pytest.param('{"$schema": "file:///etc/hostname"}', id="a draft"),
        pytest.param('{"$dynamicRef": "file:///etc/hostname"}', id="dynamic"),
        pytest.param('{"$recursiveRef": "file:///etc/hostname"}', id="recursive"),
        pytest.param('{"\\u0024ref": "file:///etc/hostname"}', id="escaped"),
        pytest.param('\ufeff{"$ref": "file:///etc/hostname"}', id="after a byte order mark"),
        pytest.param('{"$ref": "#", "$ref": "/etc/hostname", "$ref": "#"}', id="twice"),
        pytest.param('{"allOf": [{"not": {"$ref": "/etc/hostname"}}]}', id="deep inside"),
        pytest.param('{"title": "a\tb", "$ref": "/etc/hostname"}', id="a tab in a string"),
        pytest.param(
            '{"a": %s, "$ref": "/x"}' % ("9" * 5000), id="after a number of 5,000 digits"
        ),
    ],
)
def test_a_schema_that_refers_to_something_else_is_refused(tmp_path: Path, schema: str) -> None:
    write(tmp_path, TREE | {"chart/values.schema.json": schema})

    with pytest.raises(RenderError, match=r"^values\.schema\.json: the schema refers to .*RT442"):
        rendered(tmp_path, "chart")


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param(json.dumps(TYPED), id="a place in itself"),
        pytest.param('{"$schema": "http://json-schema.org/draft-07/schema#"}', id="draft 7"),
        pytest.param('{"$schema": "https://json-schema.org/draft/2020-12/schema"}', id="2020-12"),
        pytest.param('{"$ref": "http://json-schema.org/draft-07/schema"}', id="a draft's own"),
        pytest.param('{"$ref": "urn:example:anything"}', id="a name"),
        pytest.param('{"properties": {"$ref": {"type": "string"}}}', id="a value called $ref"),
        pytest.param('{"$id": "https://example.com/chart.json"}', id="its own address"),
    ],
)
def test_a_schema_that_refers_to_itself_is_used(tmp_path: Path, schema: str) -> None:
    write(tmp_path, TREE | {"chart/values.schema.json": schema})

    assert "kind: A" in rendered(tmp_path, "chart")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("charts/sub.tgz", subchart(ELSEWHERE), id="packed"),
        pytest.param(
            "charts/sub.tgz", subchart(ELSEWHERE, "sub/./x/../values.schema.json"), id="dots"
        ),
        pytest.param(
            "charts/sub.tgz", subchart(ELSEWHERE, "sub\\values.schema.json"), id="a Windows path"
        ),
        pytest.param(
            "charts/sub.tgz",
            packed({"sub/Chart.yaml": "", "sub/charts/inner.tgz": subchart(ELSEWHERE)}),
            id="packed twice",
        ),
        pytest.param(
            "charts/sub.tgz",
            gzip.compress(gzip.decompress(packed({"a": "b"})))
            + gzip.compress(gzip.decompress(subchart(ELSEWHERE))),
            id="behind another archive's end",
        ),
        pytest.param(
            "charts/sub/values.schema.json", json.dumps(ELSEWHERE).encode(), id="a folder"
        ),
        pytest.param(
            "charts/sub/charts/a/values.schema.json", json.dumps(ELSEWHERE).encode(), id="deeper"
        ),
        pytest.param("charts/sub/charts/a.tgz", subchart(ELSEWHERE), id="packed, deeper"),
    ],
)
def test_subcharts_schemas_are_looked_at_too(tmp_path: Path, name: str, content: bytes) -> None:
    write(tmp_path, TREE)
    place(tmp_path / "chart", name, content)

    with pytest.raises(RenderError, match=rf"^{name}.*: the schema refers to .*RT442"):
        rendered(tmp_path, "chart")


def test_a_linked_subcharts_schema_is_looked_at_too(tmp_path: Path) -> None:
    write(tmp_path, TREE | {"other/values.schema.json": json.dumps(ELSEWHERE)})
    (tmp_path / "chart" / "charts").mkdir()
    (tmp_path / "chart" / "charts" / "sub").symlink_to("../../other")

    with pytest.raises(RenderError, match=r"RT442"):
        rendered(tmp_path, "chart")


def test_the_schema_of_a_dependency_from_the_repository_is_looked_at(tmp_path: Path) -> None:
    dependency = "dependencies: [{name: sub, version: 1.0.0, repository: 'file://../sub'}]\n"
    write(
        tmp_path,
        TREE
        | {
            "chart/Chart.yaml": TREE["chart/Chart.yaml"] + dependency,
            "sub/Chart.yaml": CHART.format(name="sub"),
            "sub/values.schema.json": json.dumps(ELSEWHERE),
        },
    )

    with pytest.raises(RenderError, match=r"sub-1\.0\.0\.tgz: sub/values\.schema\.json: .*RT442"):
        rendered(tmp_path, "chart")


def test_charts_with_sound_schemas_are_rendered(tmp_path: Path) -> None:
    write(tmp_path, TREE | {"chart/charts/_README.md": ""})
    place(tmp_path / "chart", "charts/sub.tgz", subchart(TYPED))

    assert "kind: A" in rendered(tmp_path, "chart")


def test_where_nothing_is_checked_no_schema_is_loaded(tmp_path: Path) -> None:
    write(tmp_path, TREE | {"chart/values.schema.json": json.dumps(ELSEWHERE)})

    assert "kind: A" in rendered(tmp_path, "chart", "helm-skip-schema-validation=true")


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        pytest.param("values.schema.json", b"{", "RT443", id="no JSON"),
        pytest.param("values.schema.json", b"[" * 100_000, "RT443", id="nested without an end"),
        pytest.param("values.schema.json", b" " * (5 * 2**20 + 1), "RT436", id="a long schema"),
        pytest.param("charts/a.tgz", b"no archive", "RT443", id="no archive"),
        pytest.param("charts/a.tgz", gzip.compress(b"no tar"), "RT443", id="no tar"),
        pytest.param("charts/a.tgz", subchart({})[:-20], "RT443", id="cut short"),
        pytest.param("charts/a.tgz", gzip.compress(bytes(100 * 2**20 + 1)), "RT444", id="a bomb"),
        pytest.param(
            "charts/a.tgz",
            packed({"a/values.schema.json": bytes(5 * 2**20 + 1)}),
            "RT444",
            id="a long packed schema",
        ),
    ],
)
def test_what_cannot_be_looked_at_is_refused(
    tmp_path: Path, name: str, content: bytes, code: str
) -> None:
    place(tmp_path, name, content)

    with pytest.raises(RenderError) as caught:
        check_schemas(tmp_path)

    assert caught.value.code == code


def test_archives_in_each_other_have_an_end(tmp_path: Path) -> None:
    content = subchart({})
    for _ in range(8):
        content = packed({"sub/charts/inner.tgz": content})
    place(tmp_path, "charts/a.tgz", content)

    with pytest.raises(RenderError, match=r"packed in each other.*RT444"):
        check_schemas(tmp_path)


def test_more_subcharts_than_anybody_has_are_refused(tmp_path: Path) -> None:
    for number in range(1_000):
        (tmp_path / "charts" / f"c{number}").mkdir(parents=True)

    with pytest.raises(RenderError, match=r"more than 1000 subcharts.*RT444"):
        check_schemas(tmp_path)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE])
def test_links_and_folders_in_an_archive_are_no_schemas(tmp_path: Path, kind: bytes) -> None:
    place(tmp_path, "charts/a.tgz", packed({"sub/values.schema.json": ""}, values=kind))

    check_schemas(tmp_path)


def test_folders_that_lead_back_to_themselves_are_looked_at_once(tmp_path: Path) -> None:
    (tmp_path / "charts").mkdir()
    (tmp_path / "charts" / "self").symlink_to(tmp_path)

    check_schemas(tmp_path)
