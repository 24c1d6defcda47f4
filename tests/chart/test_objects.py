"""What the chart makes is what Kubernetes, and the operators it leans on, take."""

import importlib
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

import kubernetes_validate
import pytest

from stentor_dev import helm

Object = dict[str, Any]

CUSTOM = {
    "keda.sh/v1alpha1": "cloudcoil.models.keda.v1alpha1",
    "monitoring.coreos.com/v1": "cloudcoil.models.prometheus_operator.v1",
}
"""Groups of custom resources, and the models made from their definitions."""


@pytest.fixture(scope="module")
def models() -> Iterator[dict[str, Any]]:
    sys.path.append(str(helm.resources()))
    yield {group: importlib.import_module(name) for group, name in CUSTOM.items()}
    sys.path.pop()


def test_helm_finds_nothing_to_complain_about(profile: str, objects: list[Object]) -> None:
    files = (
        [helm.CHART / "profiles" / f"{profile}.yaml"] if profile in ("laptop", "small-gpu", "large") else []
    )
    words = [word for file in files for word in ("--values", str(file))]
    helm.run("helm", "lint", "--strict", helm.CHART, "--set", "secrets.existing=servers", *words)
    assert objects


def test_every_object_is_one_that_kubernetes_takes(objects: list[Object]) -> None:
    own = [each for each in objects if each["apiVersion"] not in CUSTOM]
    assert own
    for each in own:
        kubernetes_validate.validate(each, helm.KUBERNETES, strict=True)


def test_custom_resources_have_only_fields_that_their_definitions_know(
    everything: list[Object], models: dict[str, Any]
) -> None:
    custom = [each for each in everything if each["apiVersion"] in CUSTOM]
    assert {each["kind"] for each in custom} == {
        "ScaledObject",
        "TriggerAuthentication",
        "ServiceMonitor",
        "PrometheusRule",
    }
    for each in custom:
        read = getattr(models[each["apiVersion"]], each["kind"]).model_validate(each)
        # What a model does not know it drops.
        assert read.model_dump(mode="json", by_alias=True, exclude_unset=True) == each


def test_no_two_objects_are_the_same_one(objects: list[Object]) -> None:
    names = Counter(
        (each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"]) for each in objects
    )
    assert [name for name, count in names.items() if count > 1] == []


def test_a_service_finds_the_pods_it_is_for(objects: list[Object]) -> None:
    pods = [
        each["spec"]["template"]["metadata"]["labels"]
        for each in objects
        if each["kind"] in ("Deployment", "StatefulSet")
    ]
    for each in objects:
        selectors = {
            "Service": lambda spec: spec["selector"],
            "PodDisruptionBudget": lambda spec: spec["selector"]["matchLabels"],
        }
        if each["kind"] not in selectors:
            continue
        wanted = selectors[each["kind"]](each["spec"])
        found = [labels for labels in pods if wanted.items() <= labels.items()]
        assert found, each["metadata"]["name"]
        if not each["metadata"]["name"].endswith("-metrics"):
            assert len(found) == 1


def test_what_scales_by_itself_is_given_no_number(everything: list[Object]) -> None:
    scaled = {
        each["spec"]["scaleTargetRef"]["name"]
        for each in everything
        if each["kind"] in ("ScaledObject", "HorizontalPodAutoscaler")
    }
    numbered = {
        each["metadata"]["name"]
        for each in everything
        if each["kind"] == "Deployment" and "replicas" in each["spec"]
    }
    made = {each["metadata"]["name"] for each in everything if each["kind"] == "Deployment"}
    assert scaled == made
    assert numbered == set()
