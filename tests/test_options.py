"""Parameters from the three places they are stated in, and the table they follow."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmp.errors import CombinedError, UsageError
from cmp.options import Options, parse_environment, parse_items, parse_json, parse_params
from cmp.parameters import ANNOUNCED, BY_NAME, BY_VARIABLE, PARAMETERS, Kind, Tool

SUPPORTED = [parameter for parameter in PARAMETERS if not parameter.refused]

# The fields of ApplicationSourceHelm, ApplicationSourceKustomize and ApplicationSourceDirectory.
NATIVE = {
    "helm": "valueFiles parameters releaseName values fileParameters version passCredentials "
    "ignoreMissingValueFiles skipCrds valuesObject namespace kubeVersion apiVersions skipTests "
    "skipSchemaValidation",
    "kustomize": "namePrefix nameSuffix images commonLabels version commonAnnotations "
    "forceCommonLabels forceCommonAnnotations namespace commonAnnotationsEnvsubst replicas "
    "patches components ignoreMissingComponents labelWithoutSelector kubeVersion apiVersions "
    "labelIncludeTemplates",
    "directory": "recurse jsonnet.extVars jsonnet.tlas jsonnet.libs exclude include "
    "disableExtensionFilter",
}


def test_each_option_of_argo_cds_own_sources_is_in_the_table() -> None:
    native = {f"{tool}.{field}" for tool, fields in NATIVE.items() for field in fields.split()}

    assert {parameter.native for parameter in PARAMETERS} - {""} == native | {
        "helm.parameters[].forceString"
    }


def test_names_in_the_table_are_unique_however_they_are_stated() -> None:
    assert len(BY_NAME) == len(BY_VARIABLE) == len(PARAMETERS)


def test_each_parameter_says_what_it_does_or_why_it_is_refused() -> None:
    assert all(bool(each.help) != bool(each.refused) for each in PARAMETERS)


def test_what_is_announced_can_be_given_back() -> None:
    shown = {each.name: each.announcement for each in ANNOUNCED}
    given = [
        {"name": name, "string": of["string"]} for name, of in shown.items() if "string" in of
    ]

    assert list(shown) == ["tool", "pins", "freeze", "output", "allow-empty"]
    assert shown["pins"]["collectionType"] == "map"
    assert shown["freeze"]["itemType"] == "boolean"
    assert parse_items(given) == Options({"tool": "auto", "freeze": False, "allow-empty": False})


def test_choices_are_never_announced_as_pins_since_argo_cds_form_writes_whole_maps() -> None:
    assert not {"map", "array"} & BY_NAME["pins"].announcement.keys()


@pytest.mark.parametrize(
    ("text", "values"),
    [
        pytest.param("", {}, id="nothing"),
        pytest.param(
            '[{"name": "output", "string": ""}, {"name": "freeze", "string": ""}]',
            {},
            id="fields that were cleared in Argo CD's form",
        ),
        pytest.param("null", {}, id="null"),
        pytest.param("[]", {}, id="none"),
        pytest.param(
            '[{"name": "output", "string": "digest"}]', {"output": "digest"}, id="string"
        ),
        pytest.param('[{"name": "freeze", "string": "true"}]', {"freeze": True}, id="true"),
        pytest.param('[{"name": "freeze", "string": "false"}]', {"freeze": False}, id="false"),
        pytest.param(
            '[{"name": "helm-api-versions", "array": ["v1", "apps/v1"], "map": null}]',
            {"helm-api-versions": ("v1", "apps/v1")},
            id="array",
        ),
        pytest.param(
            '[{"name": "pins", "map": {"api": "v1"}}]', {"pins": {"api": "v1"}}, id="map"
        ),
        pytest.param('[{"name": "pins", "map": {}}]', {"pins": {}}, id="empty map"),
    ],
)
def test_argo_cds_json_becomes_options(text: str, values: dict[str, Any]) -> None:
    assert parse_json(text) == Options(values)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("{", "not JSON.*RT220", id="no JSON"),
        pytest.param("[" * 100_000, "not JSON.*RT220", id="nested too deep"),
        pytest.param("{}", "not a list.*RT220", id="no list"),
        pytest.param(" " * 200_000, "longer than.*RT220", id="too long"),
        pytest.param("[3]", "not an object with a name.*RT221", id="no object"),
        pytest.param('[{"name": 3}]', "not an object with a name.*RT221", id="no name"),
        pytest.param('[{"name": "pins"}]', "no value.*`map:`.*RT221", id="no value"),
        pytest.param('[{"name": "pins", "map": ""}]', "is no map.*RT221", id="a blank for a map"),
        pytest.param('[{"name": "pins", "string": ""}]', "has string.*RT221", id="wrong kind"),
        pytest.param(
            '[{"name": "pins", "map": {}, "array": []}]', "has array and map.*RT221", id="two"
        ),
        pytest.param(
            '[{"name": "pins", "map": [1]}]',
            "parameter pins is no map.*RT221",
            id="list",
        ),
        pytest.param('[{"name": "pins", "map": {"a": 1}}]', "that is not a string", id="number"),
        pytest.param('[{"name": "freeze", "string": "yes"}]', "true, false.*RT223", id="yes"),
        pytest.param('[{"name": "tool", "string": "ytt"}]', "auto, kustomize, helm", id="choice"),
        pytest.param('[{"name": "tools", "string": "helm"}]', "nearest is tool .RT222", id="typo"),
        pytest.param(
            '[{"name": "helm-version", "string": "v3"}]', "is not supported.*RT225", id="refused"
        ),
        pytest.param(
            '[{"name": "output", "string": "tag"}, {"name": "output", "string": "tag"}]',
            "stated twice.*RT224",
            id="twice",
        ),
        pytest.param(
            '[{"name": "helm-values", "string": "a\\u0000"}]', "no text.*RT223", id="NUL"
        ),
        pytest.param(
            '[{"name": "helm-values", "string": "\\ud800"}]', "no text.*RT223", id="surrogate"
        ),
    ],
)
def test_json_that_states_no_parameters_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_json(text)


def test_all_faults_of_one_list_are_told_at_once() -> None:
    with pytest.raises(CombinedError) as caught:
        parse_items([{"name": "tol", "string": "helm"}, {"name": "freeze", "string": "on"}])

    assert [error.code for error in caught.value.errors] == ["RT222", "RT223"]


@pytest.mark.parametrize("count", [21, 9_000])
def test_of_very_many_faults_the_first_are_told(count: int) -> None:
    with pytest.raises(CombinedError) as caught:
        parse_items([{"name": f"x{number}"} for number in range(count)])

    assert len(caught.value.errors) == 20


def test_of_a_long_name_that_is_none_the_beginning_is_told() -> None:
    with pytest.raises(UsageError, match=r"no parameter 'x{100}'; the nearest is \S+ \[RT222\]$"):
        parse_items([{"name": "x" * 100_000}])


def test_no_variable_is_longer_than_linux_passes_one() -> None:
    assert parse_environment({"ARGOCD_ENV_RETAG_PINS": "a=b\n" * 32_768}).pins == {"a": "b"}
    with pytest.raises(UsageError, match=r"RETAG_PINS is longer than 131072 characters.*RT220"):
        parse_environment({"ARGOCD_ENV_RETAG_PINS": "a=b\n" * 32_769})


@pytest.mark.parametrize(
    ("environment", "values"),
    [
        pytest.param({"ARGOCD_ENV_RETAG_TOOL": "helm"}, {"tool": "helm"}, id="string"),
        pytest.param(
            {"ARGOCD_ENV_RETAG_HELM_VALUES_FILES": "a.yaml\n\n b.yaml \n"},
            {"helm-values-files": ("a.yaml", "b.yaml")},
            id="an array has a value a line",
        ),
        pytest.param(
            {"ARGOCD_ENV_RETAG_PINS": "api=v1\nweb=v2=x"},
            {"pins": {"api": "v1", "web": "v2=x"}},
            id="a map has a pair a line",
        ),
        pytest.param(
            {"ARGOCD_ENV_RETAG_HELM_VALUES": "a: 1\n  b: 2\n"},
            {"helm-values": "a: 1\n  b: 2\n"},
            id="a string keeps its lines",
        ),
        pytest.param(
            {"ARGOCD_ENV_TOOL": "helm", "RETAG_TOOL": "helm", "PARAM_TOOL": "helm"},
            {},
            id="other names are somebody else's",
        ),
    ],
)
def test_variables_become_options(environment: dict[str, str], values: dict[str, Any]) -> None:
    assert parse_environment(environment) == Options(values)


def test_an_unknown_variable_of_ours_is_told_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="no parameter 'RETAG_TOLL'; the nearest is RETAG_TOOL"):
        parse_environment({"ARGOCD_ENV_RETAG_TOLL": "helm"})


@pytest.mark.parametrize(
    ("arguments", "values"),
    [
        pytest.param([], {}, id="none"),
        pytest.param(["tool=helm"], {"tool": "helm"}, id="string"),
        pytest.param(["helm-values=a=b"], {"helm-values": "a=b"}, id="value with ="),
        pytest.param(["pins=a=1", "pins=b=2"], {"pins": {"a": "1", "b": "2"}}, id="map"),
        pytest.param(
            ["helm-values-files=a", "helm-values-files=b"],
            {"helm-values-files": ("a", "b")},
            id="array",
        ),
    ],
)
def test_arguments_become_options(arguments: list[str], values: dict[str, Any]) -> None:
    assert parse_params(arguments) == Options(values)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["tool"], "write NAME=VALUE.*RT228", id="no value"),
        pytest.param(["pins=api"], "write KEY=VALUE.*RT223", id="no pair"),
        pytest.param(["tool=helm", "tool=helm"], "stated twice.*RT224", id="twice"),
    ],
)
def test_arguments_that_state_no_parameters_are_refused(
    arguments: list[str], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        parse_params(arguments)


@pytest.mark.parametrize("text", ["", "auto"])
def test_tool_auto_is_to_find_out(text: str) -> None:
    assert Options({"tool": text}).tool is None


def test_a_cleared_parameter_leaves_what_a_variable_says() -> None:
    stated = parse_environment({"ARGOCD_ENV_RETAG_FREEZE": "true"})

    assert (stated | parse_json('[{"name": "freeze", "string": ""}]')).freeze


def test_options_that_are_not_stated_are_empty() -> None:
    options = Options()

    assert options.tool is None
    assert (options.output, options.pins) == ("", {})
    assert not options.freeze
    assert not options.allow_empty


_LINE = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1).filter(
    lambda text: text.strip() == text and "\n" not in text
)
_KEY = _LINE.filter(lambda text: "=" not in text)


@given(st.data(), st.sampled_from(SUPPORTED))
def test_a_parameter_means_the_same_wherever_it_is_stated(
    data: st.DataObject, parameter: Any
) -> None:
    key, texts, value = _stated(data, parameter)
    item = {"name": parameter.name, key: value}

    options = parse_json(json.dumps([item]))

    assert parse_json(json.dumps(options.as_items())) == options
    assert parse_params(f"{parameter.name}={text}" for text in texts) == options
    assert parse_environment({"ARGOCD_ENV_" + parameter.variable: "\n".join(texts)}) == options


def _stated(data: st.DataObject, parameter: Any) -> tuple[str, list[str], Any]:
    """The key of the JSON item, the texts as arguments, and the JSON value."""
    if parameter.kind is Kind.ARRAY:
        texts = data.draw(st.lists(_LINE, min_size=1))
        return "array", texts, texts
    if parameter.kind is Kind.MAP:
        pairs = data.draw(st.dictionaries(_KEY, _KEY, min_size=1))
        return "map", [f"{key}={value}" for key, value in pairs.items()], pairs
    text = data.draw(st.sampled_from(parameter.allowed) if parameter.allowed else _LINE)
    return "string", [text], text


@pytest.mark.parametrize(
    ("name", "tool"),
    [
        ("tool", None),
        ("pins", None),
        ("helm-values", Tool.HELM),
        ("directory-recurse", "directory"),
    ],
)
def test_a_parameters_name_tells_its_tool(name: str, tool: Tool | None) -> None:
    assert BY_NAME[name].tool == tool


def test_a_value_is_never_shown_since_it_may_be_a_password() -> None:
    with pytest.raises(UsageError) as number:
        parse_json('[{"name": "helm-parameters", "map": {"password": 271828}}]')
    with pytest.raises(UsageError) as pair:
        parse_params(["helm-parameters=hunter-two"])

    assert "271828" not in str(number.value)
    assert "hunter-two" not in str(pair.value)
