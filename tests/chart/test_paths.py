"""Every route of the product is reached through the ingress, at a service that has it."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import BaseRoute

from stentor_allinone.compose import AllSettings, compose
from stentor_common.host import create_app
from stentor_common.runtime import Runtime
from stentor_common.serve import IDLE_SECONDS
from stentor_dev import helm
from stentor_dev.nginx import manners_of

Object = dict[str, Any]
Find = Callable[[str], str | None]

ROOT = Path(__file__).parents[2]
PRIVATE = {"/healthz", "/readyz", "/metrics", "/docs", "/docs/files", "/openapi.json"}
"""For the cluster itself, or told by each API of itself alone."""

DEPLOY = (
    ("/v1/deployments", "deploy"),
    ("/v1/deployments/iris/revisions/2", "deploy"),
    ("/model-deployment/v1/jobs", "deploy"),
    ("/endpoints/iris/predict", "deploy"),
    ("/v2", "deploy"),
    ("/v2/models/iris/infer", "deploy"),
    ("/v2/health/ready", "deploy"),
    ("/algorithms/iris", "deploy"),
    ("/models/iris/predict", "deploy"),
    ("/v1/models/iris:predict", "deploy"),
)
OTHERS = (
    ("/v2/transcript/7", "stt"),
    ("/v2/upload", "stt"),
    ("/endpoints/whisper/predict", "stt"),
    ("/v1/tokenizers", "stt"),
    ("/v1/jobs/7/events", "stt"),
    ("/v1/tokens/7", "auth"),
    ("/api/v1/users/7", "auth"),
    ("/api/v1/stt/ws", "stt"),
    ("/v1/audio/speech", "tts"),
    ("/v1/audio/transcriptions", "stt"),
)


GATEWAY = {"name": "public", "namespace": "gateways", "sectionName": "https"}


def routed(objects: list[Object]) -> Find:
    """Which API answers a path: of rules that match, the longest. As controllers do it."""
    (ingress,) = [each for each in objects if each["kind"] == "Ingress"]
    rules = ingress["spec"]["rules"][0]["http"]["paths"]
    names = {each["metadata"]["name"] for each in objects if each["kind"] == "Service"}

    def find(path: str) -> str | None:
        found = [rule for rule in rules if _matches(rule, path)]
        if not found:
            return None
        best = max(found, key=lambda rule: len(rule["path"]))
        service = best["backend"]["service"]["name"]
        assert service in names
        return str(service).rpartition("-")[2]

    return find


def _matches(rule: Object, path: str) -> bool:
    assert rule["pathType"] == "Prefix"
    parts = rule["path"].strip("/").split("/")
    return bool(path.strip("/").split("/")[: len(parts)] == parts)


def paths(routes: Iterable[BaseRoute]) -> Iterator[str]:
    """Of all routes, WebSockets too; routers that hold others keep them as `original_router`."""
    for route in routes:
        if path := getattr(route, "path", None):
            yield path
        else:
            yield from paths(getattr(route, "original_router").routes)  # noqa: B009  no public name


@pytest.fixture
def served(runtime: Runtime) -> dict[str, set[str]]:
    """Paths of each service's own process, what all of them have included."""
    everything = compose(AllSettings.read(data_dir=runtime.settings.data_dir))
    found = {}
    for service in everything.services:
        app = create_app(runtime, [service], everything.authenticate(runtime))
        found[service.name] = {path for path in paths(app.routes) if not hides(path)}
    return found


def hides(path: str) -> bool:
    return path in PRIVATE or path.startswith("/docs")


@pytest.mark.parametrize(("path", "api"), [*DEPLOY, *OTHERS])
def test_a_path_is_answered_by_its_owner(everything: list[Object], path: str, api: str) -> None:
    assert routed(everything)(path) == api


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz", "/", "/docs"])
def test_what_is_for_the_cluster_stays_inside(everything: list[Object], path: str) -> None:
    assert routed(everything)(path) is None


def test_every_route_is_reached_at_a_service_that_has_it(
    everything: list[Object], served: dict[str, set[str]]
) -> None:
    find = routed(everything)
    for path in sorted({path for own in served.values() for path in own}):
        owners = {name for name, own in served.items() if path in own}
        assert find(example(path)) in owners, f"{path} of {owners} goes to {find(example(path))}"


def test_every_path_of_the_written_contract_is_reached(objects: list[Object]) -> None:
    document = json.loads((ROOT / "docs" / "openapi.json").read_text())
    find = routed(objects)
    assert [path for path in document["paths"] if find(example(path)) is None] == []


def test_every_path_of_the_ingress_leads_to_a_route(
    everything: list[Object], served: dict[str, set[str]]
) -> None:
    (ingress,) = [each for each in everything if each["kind"] == "Ingress"]
    for rule in ingress["spec"]["rules"][0]["http"]["paths"]:
        name = rule["backend"]["service"]["name"].rpartition("-")[2]
        own = [path for path in served[name] if _matches(rule, path)]
        assert own, f"{name} has nothing below {rule['path']}"


def test_an_installation_without_speech_to_text_still_tells_its_models(render: Callable[..., Any]) -> None:
    services = {"stt": {"enabled": False}, "deploy": {"enabled": False}, "pipelines": {"enabled": False}}
    find = routed(render(services=services))
    assert [find(path) for path in ("/v1/models", "/v1/jobs/7", "/v1/transcriptions", "/algorithms/x")] == [
        "tts",
        "tts",
        "tts",
        None,
    ]


def test_the_ingress_lets_the_largest_file_through(everything: list[Object]) -> None:
    (ingress,) = [each for each in everything if each["kind"] == "Ingress"]
    told = ingress["metadata"]["annotations"]
    assert told["nginx.ingress.kubernetes.io/proxy-body-size"] == f"{8 * 1024 + 3}m"
    assert told["nginx.ingress.kubernetes.io/proxy-request-buffering"] == "off"
    assert told["nginx.ingress.kubernetes.io/limit-rps"] == "50"
    assert told["cert-manager.io/cluster-issuer"] == "letsencrypt"
    assert ingress["spec"]["tls"] == [
        {"hosts": ["speech.example.com", "api.example.com"], "secretName": "everything-tls"}
    ]


def test_the_ingress_drops_an_idle_connection_before_a_process_does(everything: list[Object]) -> None:
    (ingress,) = [each for each in everything if each["kind"] == "Ingress"]
    assert manners_of(ingress["metadata"]["annotations"]).idle_seconds < IDLE_SECONDS


def test_a_gateway_is_told_what_an_ingress_is(render: Callable[..., Any]) -> None:
    hosts = ["speech.example.com"]
    (ingress,) = [each for each in render(ingress={"hosts": hosts}) if each["kind"] == "Ingress"]
    objects = render(ingress={"hosts": hosts, "gateways": [GATEWAY]})
    assert not [each for each in objects if each["kind"] == "Ingress"]
    (route,) = [each for each in objects if each["kind"] == "HTTPRoute"]
    assert (route["spec"]["parentRefs"], route["spec"]["hostnames"]) == ([GATEWAY], hosts)
    assert sorted(
        (match["path"]["value"], backend["name"])
        for rule in route["spec"]["rules"]
        for match in rule["matches"]
        for backend in rule["backendRefs"]
    ) == sorted(
        (rule["path"], rule["backend"]["service"]["name"])
        for rule in ingress["spec"]["rules"][0]["http"]["paths"]
    )
    ports = {port["port"] for each in objects if each["kind"] == "Service" for port in each["spec"]["ports"]}
    for rule in route["spec"]["rules"]:
        assert {match["path"]["type"] for match in rule["matches"]} == {"PathPrefix"}
        assert {backend["port"] for backend in rule["backendRefs"]} <= ports
        # Otherwise long uploads and live sessions are cut.
        assert rule["timeouts"] == {"request": "0s"}


def test_a_gateway_takes_so_many_rules(render: Callable[..., Any]) -> None:
    """Bounds of HTTPRoute, https://gateway-api.sigs.k8s.io/reference/spec/."""
    objects = render(ingress={"gateways": [GATEWAY]})
    (route,) = [each for each in objects if each["kind"] == "HTTPRoute"]
    matches = [len(rule["matches"]) for rule in route["spec"]["rules"]]
    assert len(matches) <= 16
    assert max(matches) <= 64
    assert sum(matches) <= 128


def test_certificates_of_a_gateway_are_not_the_charts(render: Callable[..., Any]) -> None:
    given = {"gateways": [GATEWAY], "hosts": ["speech.example.com"], "tls": {"enabled": True}}
    with pytest.raises(helm.Refused, match="TLS ends at a listener of the Gateway"):
        render(ingress=given)


def example(path: str) -> str:
    return re.sub(r"{[^}]*}", "x", path)
