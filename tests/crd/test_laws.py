"""What the reader takes the API server takes, and of what it takes no type is an error there.

Left out are a null, which is nothing to the reader and no value to an API server, and the form of
writeBackConfig, which is held to the official schema since the reader judges only what is merged.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cmp.errors import Place, Severity
from cmp.located import locate
from cmp.rules.pruning import dropped_paths, schema_of
from cmp.rules.resource import read_resource
from tests.crd.forms import OFFICIAL, OLDER, OURS
from tests.crd.install import install
from tests.crd.official import official
from tests.crd.server import in_namespace, refusal
from tests.effort import examples
from tests.rules.updaters import manifest
from tests.servers.kubernetes import ApiServer

_TYPES = {"RT305", "RT306", "RT307", "RT314"}  # missing, of a wrong type, or a wrong value

_text = st.text("abv0.*:-/$~", max_size=6)
_texts = st.lists(_text, max_size=2)
# Of each kind of value one, for the fields that take another.
_other = st.sampled_from([5, 0.5, True, "text", ["text"], [{"regex": "v"}], {"regex": "v"}, [5]])
_allowed = st.one_of(_text, st.lists(st.fixed_dictionaries({"regex": _text}), max_size=2))

_OLDER: dict[str, Any] = {
    "updateStrategy": _text,
    "forceUpdate": st.booleans(),
    "allowTags": _allowed,
    "ignoreTags": _texts,
    "pullSecret": _text,
    "platforms": _texts,
}
_SETTINGS: dict[str, Any] = _OLDER | {
    "suspend": st.booleans(),
    "denyTags": _texts,
    "minAge": st.from_regex(r"[0-9]{1,2}[wdhm]([0-9][hms])?", fullmatch=True),
    "output": st.sampled_from(["tag", "tag@digest", "digest"]),
    "orderBy": st.sampled_from(["built", "pushed"]),
    "filterTags": st.fixed_dictionaries({"pattern": _text}, optional={"extract": _text}),
    "maxSeverity": st.sampled_from(["none", "low", "medium", "high", "critical"]),
    "requireTrusted": st.booleans(),
}


def block(fields: dict[str, Any], required: dict[str, Any], others: st.SearchStrategy[Any]) -> Any:
    """Some of *fields* and all that are *required*, of which *others* may take the place."""
    optional = {name: st.one_of(value, others) for name, value in fields.items()}
    return st.fixed_dictionaries(required, optional=optional)


def resources(others: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """ImageUpdaters with fields at all levels; *others* are values that may stand anywhere."""
    common = block(_SETTINGS, {}, others)
    key = st.fixed_dictionaries({"secretName": _text, "key": _text})
    verification = block({"enabled": st.booleans(), "cosignKey": key}, {}, others)
    names = block({"name": _text, "tag": _text, "spec": _text}, {}, others)
    targets = block({"helm": names, "kustomize": names.map(_name), "plugin": names}, {}, others)
    shared = {"commonUpdateSettings": common, "imagesVerification": verification}
    image = block(
        shared | _OLDER | {"alias": _text, "manifestTargets": targets, "pin": st.just("v1.4.2")},
        {"imageName": st.sampled_from(["registry.example.com/web:1.x", "web"])},
        others,
    )
    labels = block({"matchLabels": st.dictionaries(_text, _text, max_size=2)}, {}, others)
    ref = block(
        shared
        | {"useAnnotations": st.booleans(), "labelSelectors": labels}
        | {"images": st.lists(image, min_size=1, max_size=2)},
        {"namePattern": _text},
        others,
    )
    spec = block(
        shared | {"namespace": _text},
        {"applicationRefs": st.lists(ref, min_size=1, max_size=2)},
        others,
    )
    return st.builds(lambda made: manifest() | {"spec": made}, spec)


def _name(target: Any) -> Any:
    return {name: value for name, value in target.items() if name == "name"}


@pytest.fixture(scope="module")
def namespace(api_server: ApiServer) -> str:
    return api_server.namespace("crd-laws")


@pytest.fixture
def official_server(other_server: ApiServer) -> ApiServer:
    install(other_server, "v1.4")
    return other_server


def read(resource: Any) -> list[Any]:
    return list(read_resource(locate(resource, Place("here"))).all_findings())


_EXAMPLES = settings(max_examples=examples(80), suppress_health_check=list(HealthCheck))


@_EXAMPLES
@given(resource=resources(st.nothing()))
def test_the_api_server_takes_what_the_reader_takes(
    api_server: ApiServer, namespace: str, resource: Any
) -> None:
    if any(finding.severity is Severity.ERROR for finding in read(resource)):
        return

    assert refusal(api_server, in_namespace(resource, namespace)) == ""


@_EXAMPLES
@given(resource=resources(_other))
def test_the_reader_knows_the_types_of_what_the_api_server_takes(
    api_server: ApiServer, namespace: str, resource: Any
) -> None:
    if refusal(api_server, in_namespace(resource, namespace)):
        return

    wrong = [finding for finding in read(resource) if finding.code in _TYPES]

    assert [f for f in wrong if "regexp:" not in f.remedy] == []


@pytest.mark.parametrize("form", [*OFFICIAL, *OLDER, *OURS])
def test_the_reader_takes_each_form(form: str) -> None:
    resource = (OFFICIAL | OLDER | OURS)[form]

    assert [f for f in read(resource) if f.severity is Severity.ERROR] == []


def official_form(resource: Any) -> Any:
    """*resource* with an alias for each image, and without what the official CRD drops."""
    made = json.loads(json.dumps(resource))  # equal parts may be one object
    for path in reversed(dropped_paths(schema_of(official()), made)):
        parent = made
        for step in path[:-1]:
            parent = parent[step]
        del parent[path[-1]]
    for number, of_ref in enumerate(_mappings(made["spec"].get("applicationRefs"))):
        of_ref["namePattern"] = f"web-{number}"
        for each, of_image in enumerate(_mappings(of_ref.get("images"))):
            of_image["alias"] = f"web-{each}"
    return made


def _mappings(items: Any) -> list[Any]:
    return [each for each in items if isinstance(each, dict)] if isinstance(items, list) else []


@_EXAMPLES
@given(resource=st.builds(official_form, resources(_other) | resources(st.nothing())))
def test_ours_takes_what_the_official_crd_takes(
    api_server: ApiServer, official_server: ApiServer, namespace: str, resource: Any
) -> None:
    if refusal(official_server, in_namespace(resource, "default")):
        return

    assert refusal(api_server, in_namespace(resource, namespace)) == ""
