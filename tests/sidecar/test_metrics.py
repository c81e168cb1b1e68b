"""What is counted has a name, a help and labels that are declared once; values are bounded."""

from __future__ import annotations

import ast
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.metrics import METRICS, MOST_VALUES, OTHER, Kind, Metrics, Role

_ROOT = Path(__file__).parents[2]
_METHODS = {"count": Kind.COUNTER, "set": Kind.GAUGE, "observe": Kind.HISTOGRAM}


def test_what_is_counted_can_be_read() -> None:
    metrics = Metrics(Role.RESOLVER)

    metrics.count("retag_requests_total", path="/v1/generate", outcome="ok")
    metrics.count("retag_requests_total", 2, path="/v1/generate", outcome="ok")
    metrics.set("retag_connections", 7)
    metrics.observe("retag_request_seconds", 0.2, path="/v1/generate")

    text, content_type = metrics.text()
    lines = text.decode().splitlines()
    assert 'retag_requests_total{outcome="ok",path="/v1/generate"} 3.0' in lines
    assert "retag_connections 7.0" in lines
    assert 'retag_request_seconds_bucket{le="0.25",path="/v1/generate"} 1.0' in lines
    assert not any("_created" in line for line in lines)
    assert content_type.startswith("text/plain; version=0.0.4")


def test_the_figures_of_the_process_are_there_too() -> None:
    text = Metrics(Role.RESOLVER).text()[0].decode()

    assert "\nprocess_resident_memory_bytes " in text
    assert "\npython_gc_collections_total{" in text
    assert "\npython_info{" in text


def test_two_of_them_know_nothing_of_each_other() -> None:
    one, other = Metrics(Role.RESOLVER), Metrics(Role.RESOLVER)

    one.set("retag_connections", 1)

    assert other.registry.get_sample_value("retag_connections") == 0


def test_a_role_has_no_gauge_of_the_other_ones_which_would_be_0_there() -> None:
    resolver, controller = (Metrics(role).text()[0].decode() for role in Role)

    assert "retag_leader" not in resolver
    assert "\nretag_leader 0.0" in controller
    assert "\nretag_requests_in_flight 0.0" in resolver
    assert "retag_requests" not in controller


def test_the_first_choice_that_fails_is_an_increase() -> None:
    metrics = Metrics(Role.CONTROLLER)
    before = metrics.text()[0].decode().splitlines()

    metrics.count("retag_deliveries_total", outcome="failed")

    assert 'retag_deliveries_total{outcome="failed"} 0.0' in before
    after = metrics.text()[0].decode().splitlines()
    assert 'retag_deliveries_total{outcome="failed"} 1.0' in after


def test_a_label_has_a_bounded_number_of_values() -> None:
    metrics = Metrics(Role.RESOLVER)

    for number in range(MOST_VALUES + 50):
        registry = f"{number}.example.com"
        metrics.count("retag_stale_observations_served_total", registry=registry)
    metrics.count("retag_stale_observations_served_total", registry="0.example.com")

    def served(registry: str) -> float | None:
        name = "retag_stale_observations_served_total"
        return metrics.registry.get_sample_value(name, {"registry": registry})

    assert served(OTHER) == 50
    assert served("0.example.com") == 2
    assert served(f"{MOST_VALUES}.example.com") is None


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("retag_unheard_of_total", {}),
        ("retag_requests_total", {"path": "/v1/generate"}),
        ("retag_requests_total", {"path": "/v1/generate", "outcome": "ok", "more": "x"}),
        ("retag_connections", {}),
    ],
    ids=["another name", "a label too few", "a label too many", "another kind"],
)
def test_what_is_not_declared_is_logged_and_ends_nothing(
    name: str, labels: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    metrics = Metrics(Role.RESOLVER)

    with caplog.at_level(logging.ERROR):
        metrics.count(name, 1, **labels)
        metrics.set(f"{name}_set", 1, **labels)
        metrics.observe(f"{name}_seen", 1, **labels)

    assert [record.name for record in caplog.records] == ["retag.metrics"] * 3
    assert all(name in record.getMessage() for record in caplog.records)


def test_names_end_as_prometheus_wants_it() -> None:
    for metric in METRICS:
        assert metric.name.startswith("retag_")
        assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER)
        assert metric.help.endswith(".")


def calls() -> Iterator[tuple[str, int, str, str, frozenset[str]]]:
    """Each call in the code that counts: place, method, name and labels."""
    for folder in ("cmp", "sidecar"):
        for path in sorted((_ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                    first = node.args[0] if node.args else None
                    if isinstance(first, ast.Constant) and str(first.value).startswith("retag_"):
                        labels = frozenset(str(word.arg) for word in node.keywords)
                        place = str(path.relative_to(_ROOT))
                        yield place, node.lineno, node.func.attr, str(first.value), labels


def test_all_that_the_code_counts_is_declared() -> None:
    declared = {(metric.name, metric.kind): frozenset(metric.labels) for metric in METRICS}

    found = list(calls())

    assert len(found) > 5
    for place, line, method, name, labels in found:
        labels -= {"amount"}
        where = f"{place}:{line} {name}"
        assert declared.get((name, _METHODS[method]), where) == labels, where
