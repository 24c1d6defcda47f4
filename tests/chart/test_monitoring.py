"""Alerts and dashboards ask for what processes tell."""

import json
import re
from typing import Any

import pytest
import yaml

from stentor_common.metrics import open_metrics
from stentor_dev import helm

FILES = helm.CHART / "files"
DASHBOARDS = sorted((FILES / "dashboards").glob("*.json"))
ADDED = {"namespace", "pod"}
"""Labels that Prometheus puts to what it finds on pods."""


def told() -> dict[str, set[str]]:
    """Every series that a process may show, with its labels."""
    found: dict[str, set[str]] = {}
    for metric in open_metrics().registry.collect():
        found[metric.name] = set()
        for sample in metric.samples:
            found[sample.name] = set(sample.labels)
    for each in vars_of_metrics():
        labels = set(each._labelnames)
        kinds = {"counter": ["_total"], "gauge": [""], "histogram": ["_bucket", "_sum", "_count"]}[each._type]
        for kind in kinds:
            found[each._name + kind] = labels | ({"le"} if kind == "_bucket" else set())
    return found


def vars_of_metrics() -> list[Any]:
    metrics = open_metrics()
    names = [name for name in metrics.__dataclass_fields__ if name != "registry"]
    return [getattr(metrics, name) for name in names]


def expressions() -> dict[str, str]:
    rules = yaml.safe_load((FILES / "alerts.yaml").read_text())["groups"][0]["rules"]
    found = {rule["alert"]: rule["expr"] for rule in rules}
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel["targets"]:
                found[f"{path.stem}: {panel['title']} {target['refId']}"] = target["expr"]
    return found


EXPRESSIONS = expressions()


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_an_expression_asks_for_series_and_labels_that_there_are(name: str) -> None:
    series = told()
    asked = re.findall(r"\b((?:stentor|http|process)_\w+)(?:{([^}]*)})?", EXPRESSIONS[name])
    assert asked
    known = set(ADDED)
    for metric, matchers in asked:
        assert metric in series
        known |= series[metric]
        assert set(re.findall(r"(\w+)\s*[=!]", matchers)) <= series[metric] | ADDED
    for group in re.findall(r"(?:by|on) \(([^)]*)\)", EXPRESSIONS[name]):
        assert {label.strip() for label in group.split(",")} <= known


def test_every_alert_says_what_to_do() -> None:
    for rule in yaml.safe_load((FILES / "alerts.yaml").read_text())["groups"][0]["rules"]:
        assert rule["annotations"].keys() == {"summary", "what_to_do"}
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["for"]


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_panels_of_a_dashboard_have_places_of_their_own(path: Any) -> None:
    board = json.loads(path.read_text())
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in board["panels"]]
    assert len(set(places)) == len(places)
    assert len({panel["id"] for panel in board["panels"]}) == len(places)
