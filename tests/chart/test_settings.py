"""What the chart tells a process is what the process reads."""

import json
import os
from collections.abc import Callable
from typing import Any

import pytest
from pydantic_settings import BaseSettings

from stentor_auth.settings import AuthSettings
from stentor_common.settings import Settings
from stentor_deploy.running.kubernetes.settings import KubernetesSettings
from stentor_deploy.settings import DeploySettings
from stentor_pipelines.settings import PipelineSettings
from stentor_stt.service import build_service as build_stt
from stentor_stt.settings import SttSettings
from stentor_summarize.service import build_service as build_summarize
from stentor_summarize.settings import SummarizeSettings
from stentor_tts.service import build_service as build_tts
from stentor_tts.settings import TtsSettings

Object = dict[str, Any]
Pods = Callable[[list[Object]], dict[str, Object]]
Environment = dict[str, str]

ALL: tuple[type[BaseSettings], ...] = (
    Settings,
    AuthSettings,
    SttSettings,
    TtsSettings,
    SummarizeSettings,
    PipelineSettings,
    DeploySettings,
    KubernetesSettings,
)
KNOWN = {
    f"{kind.model_config.get('env_prefix', '')}{name}".upper() for kind in ALL for name in kind.model_fields
}
OTHERS = {"HOME", "HF_HOME"}
"""Variables that the system and the hub's library read."""

WITH_MODELS: dict[str, tuple[type[BaseSettings], Callable[..., Any]]] = {
    "stentor_stt": (SttSettings, build_stt),
    "stentor_tts": (TtsSettings, build_tts),
    "stentor_summarize": (SummarizeSettings, build_summarize),
}
"""Services by their package: what they read, and what they are made with."""

SECRETS = {
    "STENTOR_DATABASE_URL": "postgresql+asyncpg://user:password@db/stentor",
    "STENTOR_QUEUE_URL": "amqp://user:password@mq/stentor",
    "STENTOR_STORE_URL": "s3+https://access:secret@s3/stentor",
    "STENTOR_DEPLOY_KUBERNETES_STORE_URL": "s3+https://access:secret@s3/stentor",
    "STENTOR_DEPLOY_KUBERNETES_BUILD_STORE_URL": "s3+https://access:secret@s3/stentor",
    "STENTOR_SECRET_KEY": "bm90aGluZyB0aGF0IHdvdWxkIGhlbHAgYW55Ym9keSE=",
    "STENTOR_ADMIN_TOKEN": "a token of sixteen characters",
    "STENTOR_AUTH_SIGNING_KEY": "-----BEGIN RSA PRIVATE KEY-----",
    "STENTOR_AUTH_PREVIOUS_KEYS": "",
}


def environment(pod: Object) -> Environment:
    (own,) = pod["spec"]["containers"]
    return {each["name"]: each["value"] if "value" in each else SECRETS[each["name"]] for each in own["env"]}


@pytest.fixture
def environments(objects: list[Object], pods: Pods) -> dict[str, Environment]:
    """Of the product's own processes."""
    return {name: environment(pod) for name, pod in pods(objects).items() if "StatefulSet" not in name}


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Callable[[Environment, type[BaseSettings]], Any]:
    """Settings as a process with these variables reads them."""

    def under(variables: Environment, kind: type[BaseSettings]) -> BaseSettings:
        with monkeypatch.context() as patch:
            for name in [name for name in os.environ if name.startswith("STENTOR_")]:
                patch.delenv(name)
            for name, value in variables.items():
                patch.setenv(name, value)
            return kind()

    return under


def test_every_variable_is_a_setting(environments: dict[str, Environment]) -> None:
    for name, variables in environments.items():
        assert variables.keys() - KNOWN <= OTHERS, name


def test_every_process_understands_what_it_is_told(
    environments: dict[str, Environment], read: Callable[..., Any]
) -> None:
    for variables in environments.values():
        for kind in ALL:
            read(variables, kind)


def test_processes_are_told_what_they_cannot_do_without(
    objects: list[Object], environments: dict[str, Environment], read: Callable[..., Any]
) -> None:
    running = {name: told for name, told in environments.items() if name.startswith("Deployment/")}
    assert running
    for variables in running.values():
        settings = read(variables, Settings)
        assert not settings.embedded
        assert (settings.host, settings.port) == ("0.0.0.0", 8000)  # noqa: S104  of a pod of its own
        assert settings.database_url
        assert settings.store_url
        assert settings.secret_key.get_secret_value()
    services = {each["metadata"]["name"] for each in objects if each["kind"] == "Service"}
    apis = {told["STENTOR_AUTH_URL"] for told in running.values() if "STENTOR_AUTH_URL" in told}
    assert {url.removeprefix("http://").removesuffix(":8000") for url in apis} <= services


def test_an_api_offers_what_its_workers_serve(environments: dict[str, Environment]) -> None:
    for variable in ("STENTOR_STT_MODELS", "STENTOR_TTS_VOICES", "STENTOR_SUMMARIZE_MODELS"):
        told = {name: json.loads(each[variable]) for name, each in environments.items() if variable in each}
        ((_, offered),) = [(name, models) for name, models in told.items() if "-worker-" not in name]
        served = [model for name, models in told.items() if "-worker-" in name for model in models]
        assert [model for model in offered if model not in served] == []
        assert [model for model in served if model not in offered] == []


def test_scaling_looks_at_the_queues_that_workers_consume(
    objects: list[Object], pods: Pods, read: Callable[..., Any]
) -> None:
    scaled = [each["spec"] for each in objects if each["kind"] == "ScaledObject"]
    for each in scaled:
        (trigger,) = each["triggers"]
        pattern = trigger["metadata"]["queueName"]
        watched = set(pattern.removeprefix("^(").removesuffix(")$").replace("\\.", ".").split("|"))
        pod = pods(objects)[f"Deployment/{each['scaleTargetRef']['name']}"]
        assert watched == queues(pod, read)


def queues(pod: Object, read: Callable[..., Any]) -> set[str]:
    """Those that a worker consumes, of its own service."""
    (own,) = pod["spec"]["containers"]
    match own["args"][2]:
        case "stentor_pipelines":
            return {"pipelines.run"}
        case "stentor_deploy":
            return {"deploy.build", "deploy.predict"}
        case name:
            kind, build = WITH_MODELS[name]
            variables = environment(pod)
            return set(build(read(variables, Settings), read(variables, kind)).queues)


def test_models_as_pods_let_in_only_who_calls_them(
    everything: list[Object], pods: Pods, read: Callable[..., Any]
) -> None:
    found = pods(everything)
    settings = read(environment(found["Deployment/everything-deploy"]), KubernetesSettings)
    callers = {
        name
        for name, pod in found.items()
        if settings.gateway_labels.items() <= pod["metadata"]["labels"].items()
    }
    assert callers == {"Deployment/everything-deploy", "Deployment/everything-worker-deploy"}
    assert settings.image == "registry.example.com:5000/speech/stentor-deploy:1.2.3"
    names, store = settings.egress
    assert {each["port"] for each in names["ports"]} == {53}
    assert store["ports"] == [{"port": 9000, "protocol": "TCP"}]


def test_workers_load_models_that_they_serve(
    objects: list[Object], pods: Pods, read: Callable[..., Any]
) -> None:
    for pod in pods(objects).values():
        (own,) = pod["spec"]["containers"]
        module, role = own.get("args", [])[2:] if len(own.get("args", [])) == 4 else ("", "")
        if role == "worker" and module in WITH_MODELS:
            kind, build = WITH_MODELS[module]
            told = read(environment(pod), kind)
            service = build(read(environment(pod), Settings), told)
            assert service.model_name
            # Raises for what is not served.
            assert [service.model_name(name) for name in told.preload] or not told.preload


def test_a_prepulled_model_is_not_asked_for_again(everything: list[Object], pods: Pods) -> None:
    told = environment(pods(everything)["Deployment/everything-worker-large"])
    assert told["STENTOR_STT_OFFLINE"] == "true"
    (job,) = [pod for name, pod in pods(everything).items() if "prepull" in name]
    assert environment(job)["HF_HOME"] == told["HF_HOME"]
    assert (
        job["spec"]["volumes"][-1]
        == pods(everything)["Deployment/everything-worker-large"]["spec"]["volumes"][-1]
    )
