"""What people read where there is no answer: short, equal for equal failures, without secrets."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmp.errors import CombinedError, RenderError, ResolverError, UsageError
from cmp.plugin import full, wire
from cmp.plugin.failure import explain
from tests.plugin.test_quick import fill

HERE = {b"ARGOCD_APP_SOURCE_PATH": b""}


def test_a_renderers_own_words_come_first() -> None:
    error = RenderError("RT431", "helm template failed", output="Error: no such value\n")
    assert explain(error, HERE) == (
        4,
        b"Error: no such value\nerror: helm template failed [RT431]\n",
    )


def test_all_errors_are_told() -> None:
    error = CombinedError([UsageError("RT222", "a"), UsageError("RT223", "b")])
    assert explain(error, HERE) == (2, b"error: a [RT222]\nerror: b [RT223]\n")


def test_of_much_the_line_at_the_end_is_kept() -> None:
    error = RenderError("RT431", "helm template failed", output="é" * 10_000)
    _, stderr = explain(error, HERE)
    assert len(stderr) <= wire.LONGEST_STDERR
    assert stderr.decode().endswith("é…\nerror: helm template failed [RT431]\n")


@given(st.text(), st.integers(0, 5000), st.text(), st.integers(0, 3000))
def test_stderr_is_bounded_text_whatever_was_said(
    output: str, often: int, what: str, repeated: int
) -> None:
    _, stderr = explain(RenderError("RT431", what * repeated, output=output * often), HERE)
    assert len(stderr) <= wire.LONGEST_STDERR
    stderr.decode()


def test_neither_the_checkout_nor_temporary_files_are_named(tmp_path: Path) -> None:
    source = tmp_path / "app"
    source.mkdir()
    text = f"{source}/a.yaml and {tmp_path}/.git/retag-x1_z/values.yaml: no space"
    with contextlib.chdir(source):
        _, stderr = explain(RenderError("RT435", text), {b"ARGOCD_APP_SOURCE_PATH": b"app"})
    assert stderr == b"error: app/a.yaml and temporary files/values.yaml: no space [RT435]\n"


def test_user_info_in_addresses_is_not_told() -> None:
    error = RenderError("RT431", "x", output="https://user:word@registry.example.com/x")
    assert b"word" not in explain(error, HERE)[1]


def test_a_checkout_that_is_gone_is_no_second_error(tmp_path: Path) -> None:
    source = tmp_path / "app"
    source.mkdir()
    with contextlib.chdir(source):
        source.rmdir()
        with pytest.raises(RenderError, match="folder is gone") as caught:
            full.render({b"ARGOCD_APP_NAME": b"web"}, time.monotonic() + 20)
        assert explain(caught.value, HERE)[0] == 4


def test_an_operator_allows_by_variables_of_the_container() -> None:
    allowed = full.permissions_of(
        {"RETAG_HELM_HOSTS": "a.example.com, b.example.com:5000,", "RETAG_ALLOW_EXEC": "true"}
    )
    assert allowed.helm_hosts == {"a.example.com", "b.example.com:5000"}
    assert (allowed.exec_plugins, allowed.remote_bases, allowed.kustomize_helm) == (
        True,
        False,
        False,
    )


def test_a_permission_that_is_not_clear_is_an_error() -> None:
    with pytest.raises(ResolverError, match="RT607"):
        full.permissions_of({"RETAG_ALLOW_EXEC": "yes"})


@pytest.mark.parametrize(
    "files", [{".git": b"-> app"}, {".git": b"gitdir: elsewhere"}], ids=["link", "file"]
)
def test_where_temporary_files_cannot_be_is_an_error(
    tmp_path: Path, files: dict[str, bytes]
) -> None:
    source = fill(tmp_path, {"app/": b"", **files}) / "app"
    environment = {b"ARGOCD_APP_NAME": b"web", b"ARGOCD_APP_SOURCE_PATH": b"app"}
    with contextlib.chdir(source), pytest.raises(RenderError, match=r"RT435"):
        full.render(environment, time.monotonic() + 20)
    assert not list(source.iterdir())
