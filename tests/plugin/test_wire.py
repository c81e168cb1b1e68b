"""What plugin and resolver say to each other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmp.plugin import wire

NAMES = st.sampled_from(["ARGOCD_APP_NAME", "ARGOCD_APP_PARAMETERS", "KUBE_VERSION"])
VALUES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@given(st.dictionaries(NAMES, VALUES), st.binary())
def test_what_is_packed_is_unpacked(environment: dict[str, str], manifests: bytes) -> None:
    packed = wire.pack_environment({k.encode(): v.encode() for k, v in environment.items()})
    assert wire.unpack_environment(packed + manifests) == (environment, len(packed))
    for end in range(len(packed)):
        assert wire.unpack_environment(packed[:end]) is None


def test_only_what_argo_cd_says_is_told() -> None:
    told = {
        "ARGOCD_APP_NAME": "web",
        "ARGOCD_APP_PARAMETERS": "null",
        "ARGOCD_ENV_RETAG_FREEZE": "true",
        "KUBE_VERSION": "1.34.0",
        "KUBE_API_VERSIONS": "v1",
    }
    other = {"PATH": "/bin", "ARGOCD_ENV_TOKEN": "x", "PARAM_PINS": "x", "KUBERNETES_PORT": "1"}
    packed = wire.pack_environment({k.encode(): v.encode() for k, v in (told | other).items()})
    assert wire.unpack_environment(packed) == (told, len(packed))


def test_what_is_no_text_is_replaced() -> None:
    packed = wire.pack_environment({b"ARGOCD_APP_NAME": b"\xff=\xfe"})
    assert wire.unpack_environment(packed) == ({"ARGOCD_APP_NAME": "�=�"}, len(packed))


@pytest.mark.parametrize(
    "body",
    [
        b"GET / HTTP/1.1\r\n",
        b"retag 2 0\n",
        b"retag 1 x\n",
        b"retag 1 -1\n",
        b"retag 1 1 1\n",
        b"retag 1 99999999\n",
        b"retag 1 3\nab\0",
        b"retag 1 " + b"1" * 200,
        b"x",
    ],
)
def test_what_is_no_environment_is_refused(body: bytes) -> None:
    with pytest.raises(wire.WireError):
        wire.unpack_environment(body)


@given(st.integers(0, 255), st.binary(), st.binary(), st.binary(min_size=1))
def test_a_reply_is_whole_or_refused(code: int, stderr: bytes, stdout: bytes, more: bytes) -> None:
    packed = wire.pack_reply(code, stderr, stdout)
    assert wire.unpack_reply(packed) == (code, stderr, stdout)
    for other in (packed + more, *(packed[:end] for end in range(len(packed)))):
        with pytest.raises(wire.WireError):
            wire.unpack_reply(other)


@given(st.text(max_size=5000))
def test_stderr_is_cut_between_two_characters(text: str) -> None:
    cut = wire.cut_stderr(text)
    assert len(cut) <= wire.LONGEST_STDERR
    whole = text.encode("utf-8", "backslashreplace")
    assert cut == whole or whole.startswith(cut.removesuffix("…\n".encode()))
