"""Alerts and dashboards ask for what processes tell."""

import json
from typing import Any

import httpx2
import promql_parser
import pytest
import yaml

from stentor_common.jobs.table import JobState
from stentor_common.metrics import open_metrics
from stentor_common.webhooks.table import WebhookState
from stentor_dev import helm

FILES = helm.CHART / "files"
DASHBOARDS = sorted((FILES / "dashboards").glob("*.json"))
ADDED = {"namespace", "pod"}
"""Labels that Prometheus puts to what it finds on pods."""

VALUES: dict[tuple[str, str], set[str]] = {
    ("stentor_jobs_active", "state"): set(JobState),
    ("stentor_jobs_finished_total", "state"): set(JobState),
    ("stentor_webhook_attempts_total", "state"): set(WebhookState),
    ("http_requests_total", "status"): {"2xx", "3xx", "4xx", "5xx"},
}
"""What such a label may be."""


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


def parts(expression: str) -> list[Any]:
    """Everything that an expression is made of. Raises ValueError for what is none."""
    found: list[Any] = []
    # What Grafana puts in their place.
    tree = promql_parser.parse(expression.replace("$namespace", "stentor"))
    promql_parser.walk(tree, lambda each: found.append(each))
    return found


def metrics_in(part: Any) -> list[str]:
    inside = parts(part.prettify())
    return [str(each.name) for each in inside if isinstance(each, promql_parser.VectorSelector)]


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_an_expression_asks_for_series_and_labels_that_there_are(name: str) -> None:
    series, asked = told(), parts(EXPRESSIONS[name])
    selectors = [each for each in asked if isinstance(each, promql_parser.VectorSelector)]
    assert selectors
    known = set(ADDED)
    for selector in selectors:
        metric = str(selector.name)
        known |= series[metric]
        for matcher in selector.matchers.matchers:
            assert matcher.name in series[metric] | ADDED
            assert matcher.value in VALUES.get((metric, matcher.name), {matcher.value})
    for each in asked:
        if isinstance(each, promql_parser.AggregateExpr) and each.modifier:
            assert set(each.modifier.labels) <= known
        if isinstance(each, promql_parser.BinaryExpr) and each.modifier and each.modifier.matching:
            assert set(each.modifier.matching.labels) <= known


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_rates_are_of_what_only_grows_and_quantiles_of_buckets(name: str) -> None:
    endings = {"rate": ("_total", "_bucket", "_sum", "_count"), "histogram_quantile": ("_bucket",)}
    for each in parts(EXPRESSIONS[name]):
        if isinstance(each, promql_parser.Call):
            assert all(metric.endswith(endings.get(each.func.name, "")) for metric in metrics_in(each))
            if each.func.name == "histogram_quantile":
                assert "le" in each.args[1].modifier.labels


async def test_requests_are_told_by_the_labels_that_expressions_name(api: httpx2.AsyncClient) -> None:
    await api.get("/healthz")
    await api.get("/v1/jobs/nobody")
    lines = (await api.get("/metrics")).text.splitlines()
    told = [line for line in lines if line.startswith("http_requests_total")]
    assert any('handler="/v1/jobs/{job_id}"' in line and 'status="4xx"' in line for line in told)
    # Nodes ask so often that errors would be few beside it.
    assert not any("/healthz" in line or "/metrics" in line for line in told)


def test_an_idle_process_tells_that_it_is_there(everything: list[dict[str, Any]]) -> None:
    """No alarm because nobody has a job."""
    (rules,) = [each["spec"]["groups"][0]["rules"] for each in everything if each["kind"] == "PrometheusRule"]
    absent = [
        metric
        for rule in rules
        for call in parts(rule["expr"])
        if isinstance(call, promql_parser.Call) and call.func.name == "absent"
        for metric in metrics_in(call)
    ]
    assert absent
    idle = {sample.name for metric in open_metrics().registry.collect() for sample in metric.samples}
    assert set(absent) <= idle


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
