"""No ruled image disappears in text that Argo CD's decoder was seen to drop or refuse."""

from __future__ import annotations

import base64

import pytest

from cmp.errors import ManifestError
from tests.manifests.streams import retagged
from tests.vectors import DATA, Case, cases

STREAMS = {case["id"]: case for case in cases(DATA / "documents.jsonl")}
POD = b"containers:\n- image: registry.example.com/team/app:1\n"
JSON_POD = b'{"containers":[{"image":"registry.example.com/team/app:1"}]}\n'
PODS = {
    "YAML": POD,
    "JSON": JSON_POD,
    "YAML document": b"---\n" + POD,
    "JSON document": b"---\n" + JSON_POD,
}


@pytest.mark.parametrize("case", STREAMS.values(), ids=STREAMS)
def test_text_without_a_ruled_image_passes_untouched(case: Case) -> None:
    stream = base64.b64decode(case["stream"])

    assert retagged(stream) == stream


@pytest.mark.parametrize("pod", PODS.values(), ids=PODS)
@pytest.mark.parametrize("case", STREAMS.values(), ids=STREAMS)
def test_a_ruled_image_after_it_is_rewritten_or_an_error(case: Case, pod: bytes) -> None:
    stream = base64.b64decode(case["stream"])
    separated = b"" if stream.endswith(b"\n") else b"\n"

    try:
        after = retagged(stream + separated + pod)
    except ManifestError:
        return

    # Where Argo CD refuses the stream anyway, what follows may have become part of a scalar.
    refused = "error" in case["expect"]
    assert after == stream + separated + pod.replace(b"app:1", b"app:2.0.0") or refused
