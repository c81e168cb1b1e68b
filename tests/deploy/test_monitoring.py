"""The dashboard and the alerts ask for metrics and labels that exist, and lead somewhere."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from sidecar.controller.schedule import LONGEST
from sidecar.metrics import METRICS, Kind
from tests.deploy.rendering import DEPLOY, PROJECT, build

_FOLDER = DEPLOY / "monitoring"
_TOKEN = re.compile(
    r"""\s+|(?P<text>"[^"\\]*")|(?P<number>[0-9.]+(?:[smhd]\b)?)|(?P<variable>\$\w+)"""
    r"""|(?P<name>[a-zA-Z_]\w*)|(?P<sign>[{}()\[\],]|=~|!~|!=|==|>=|<=|[=<>+*/-])"""
)
_WORDS = {"by", "unless", "and", "or"}
_FUNCTIONS = {
    "absent", "histogram_quantile", "increase", "max", "min", "rate", "sum", "time",
}  # fmt: skip
# What a scrape adds, and what a histogram has.
_OF_ALL = {"namespace", "pod", "le"}
_LABELS = {
    f"{metric.name}{suffix}": {*metric.labels, *_OF_ALL}
    for metric in METRICS
    for suffix in (("_bucket", "_sum", "_count") if metric.kind is Kind.HISTOGRAM else ("",))
}

Object = dict[str, Any]


def alerts() -> list[Object]:
    """All alerts."""
    document = yaml.safe_load((_FOLDER / "alerts.yaml").read_text())
    return [rule for group in document["groups"] for rule in group["rules"]]


def dashboard() -> Object:
    """The dashboard."""
    loaded: Object = json.loads((_FOLDER / "dashboard.json").read_text())
    return loaded


def panels() -> list[Object]:
    """Its panels that show something."""
    return [each for each in dashboard()["panels"] if each["type"] != "row"]


EXPRESSIONS = [
    *((alert["alert"], alert["expr"]) for alert in alerts()),
    *((panel["title"], target["expr"]) for panel in panels() for target in panel["targets"]),
]


def tokens(expression: str) -> list[tuple[str, str]]:
    """Kind and text of each token; what is none is an error."""
    found, position = [], 0
    while position < len(expression):
        match = _TOKEN.match(expression, position)
        assert match, expression[position:]
        position = match.end()
        if match.lastgroup:
            found.append((match.lastgroup, match.group()))
    return found


def faults(expression: str) -> Iterator[str]:
    """What an expression names that there is not."""
    parts = tokens(expression)
    names = [text for kind, text in parts if kind == "name"]
    known = set().union(*(_LABELS.get(name, set()) for name in names))
    for at, (kind, text) in enumerate(parts):
        if kind != "name" or text in _WORDS or text in _LABELS:
            continue
        following = parts[at + 1 : at + 2]
        if text in _FUNCTIONS and following in ([("sign", "(")], [("name", "by")]):
            continue
        if text not in known:
            yield text
    for name, inside in re.findall(r"(\w+)\{([^}]*)\}", expression):
        yield from {f"{name}: {label}" for label in re.findall(r"(\w+)\s*[=!]", inside)
                    if label not in _LABELS.get(name, set())}  # fmt: skip


@pytest.mark.parametrize(("title", "expression"), EXPRESSIONS)
def test_each_metric_and_label_exists(title: str, expression: str) -> None:
    assert list(faults(expression)) == [], title


@pytest.mark.parametrize(
    "expression",
    [
        "retag_nothing_total",
        "sum by (reason) (retag_requests_total)",
        'rate(retag_requests_total{reason="ok"}[5m])',
        "retag_request_seconds",
        "rates(retag_requests_total[5m])",
        'retag_requests_total{outcome="a"} + retag_leader{outcome="a"}',
    ],
)
def test_what_does_not_exist_is_noticed(expression: str) -> None:
    assert list(faults(expression))


def test_each_value_that_is_asked_for_is_one_of_the_code() -> None:
    code = "".join(
        path.read_text()
        for folder in ("cmp", "sidecar")
        for path in (PROJECT / folder).rglob("*.py")
    )
    asked = {
        value
        for _, expression in EXPRESSIONS
        for text in re.findall(r'"([^"$]*)"', expression)
        for value in text.split("|")
    }

    assert asked
    assert {value for value in asked if f'"{value}"' not in code} == set()


def test_the_dashboard_shows_every_metric() -> None:
    shown = " ".join(target["expr"] for panel in panels() for target in panel["targets"])

    assert [metric.name for metric in METRICS if metric.name not in shown] == []


def test_the_panels_lie_beside_one_another() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard()["panels"]:
        place = panel["gridPos"]
        cells = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
    ids = [panel["id"] for panel in dashboard()["panels"]]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_each_alert_says_what_is_wrong_and_where_to_read_on(alert: Object) -> None:
    summary, runbook = alert["annotations"]["summary"], alert["annotations"]["runbook"]
    page = (PROJECT / "docs" / "monitoring.md").read_text()

    assert alert["labels"]["severity"] in {"info", "warning", "critical"}
    assert summary.endswith(".")
    assert runbook.startswith(f"docs/monitoring.md#{alert['alert'].lower()}: ")
    assert f"\n### {alert['alert']}\n" in page
    labels = set().union(
        *(_LABELS.get(text, set()) for kind, text in tokens(alert["expr"]) if kind == "name")
    )
    named = set(re.findall(r"\{\{ \$labels\.(\w+) \}\}", summary))
    assert named <= labels
    by = re.search(r"by \(([^)]*)\)", alert["expr"])
    assert by is None or named <= set(re.split(r",\s*", by[1]))


def test_a_registry_stays_silent_between_two_looks_at_it() -> None:
    [silent] = [each["expr"] for each in alerts() if each["alert"] == "RetagRegistrySilent"]

    [minutes] = re.findall(r'outcome!="answered"\}\[(\d+)m\]', silent)

    assert int(minutes) * 60 > LONGEST


def test_the_page_has_no_alert_that_is_none() -> None:
    page = (PROJECT / "docs" / "monitoring.md").read_text()

    assert re.findall(r"^### (Retag\w+)$", page, re.MULTILINE) == [
        alert["alert"] for alert in alerts()
    ]


def test_kustomize_makes_config_maps_of_both() -> None:
    objects = {each["metadata"]["name"]: each for each in build(_FOLDER)}

    assert json.loads(objects["retag-dashboard"]["data"]["retag.json"]) == dashboard()
    assert objects["retag-dashboard"]["metadata"]["labels"] == {"grafana_dashboard": "1"}
    assert yaml.safe_load(objects["retag-alerts"]["data"]["retag.yaml"])["groups"]


def test_the_page_s_command_makes_a_prometheus_rule() -> None:
    page = (PROJECT / "docs" / "monitoring.md").read_text()
    found = re.search(r"```sh\n(\{ cat.*?)\s*\| kubectl apply -f -\n```", page, re.DOTALL)
    assert found

    made = subprocess.run(
        ["sh", "-c", found[1]], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    rule = yaml.safe_load(made.stdout)

    assert (rule["apiVersion"], rule["kind"]) == ("monitoring.coreos.com/v1", "PrometheusRule")
    assert rule["spec"] == yaml.safe_load((_FOLDER / "alerts.yaml").read_text())
