"""What the chart takes, what it refuses, and what an upgrade changes."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from stentor_dev import helm

Object = dict[str, Any]
Render = Callable[..., list[Object]]
VALUES = helm.CHART / "values.yaml"


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"replicas": 3}, "Additional property replicas is not allowed"),
        ({"services": {"stt": {"replicas": "two"}}}, "Expected: integer"),
        ({"services": {"stt": {"replica": 2}}}, "Additional property replica is not allowed"),
        ({"services": {"auth": {"enabled": False}}}, "Additional property enabled is not allowed"),
        ({"pools": {"whisper": {"autoscaling": {"maximum": 2}}}}, "maximum is not allowed"),
        ({"pools": {"other": {"capability": "stt"}}}, "image is required"),
        ({"pools": {"Other": {"capability": "stt", "image": "api"}}}, "Property name of .Other."),
        ({"pools": {"voices": {"batch": 8}}}, "capability"),
        ({"settings": {"STENTOR_PORT": 80}}, "settings"),
        ({"settings": {"STENTOR_DATABASE_URL": "postgresql://"}}, "settings"),
        ({"settings": {"PATH": "/"}}, "settings"),
        ({"images": {"tag": "latest"}}, "images.tag"),
        ({"images": {"digests": {"api": "abc"}}}, "images.digests.api"),
        ({"devServers": {"images": {"minio": "minio/minio:latest"}}}, "devServers.images.minio"),
        ({"publicUrl": "speech.example.com"}, "publicUrl"),
        ({"ingress": {"trustedProxies": ["10.0.0.1"]}}, "trustedProxies"),
        ({"secrets": {"existing": ""}}, "secrets.existing must name a secret"),
        ({"ingress": {"tls": {"enabled": True}}}, "ingress.tls needs ingress.hosts"),
        ({"models": {"namespace": "stentor"}}, "models.namespace must hold nothing else"),
        ({"networkPolicy": {"serverPorts": []}}, "nobody would reach PostgreSQL"),
        ({"pools": {"whisper": {"models": ["tiny"]}}}, "pools.whisper serves tiny, which services.stt"),
        (
            {
                "services": {"stt": {"models": ["whisper-base", "large-v3"]}},
                "pools": {"whisper": {"models": ["whisper-base"]}},
            },
            "services.stt lists large-v3, which no pool serves",
        ),
        ({"pools": {"pipelines": None}}, "services.pipelines is on and no pool has that capability"),
        (
            {"services": {"stt": {"autoscaling": {"enabled": True, "min": 21}}}},
            "services.stt.autoscaling.min is 21, more than its max 20",
        ),
        (
            {"pools": {"voices": {"autoscaling": {"enabled": True, "min": 9}}}},
            "pools.voices.autoscaling.min is 9, more than its max 8",
        ),
        ({"modelCache": {"kind": "existing"}}, "modelCache.existingClaim must name a claim"),
        ({"modelCache": {"prepull": {"enabled": True, "repositories": ["a/b"]}}}, "needs a volume"),
    ],
)
def test_what_cannot_be_meant_is_refused(render: Render, values: Object, complaint: str) -> None:
    with pytest.raises(helm.Refused, match=complaint):
        render(**values)


def test_false_and_zero_of_a_pool_win_over_the_defaults(render: Render) -> None:
    pool = {"whisper": {"preload": False, "replicas": 0}}
    (worker,) = [each for each in render(pools=pool) if each["metadata"]["name"] == "stentor-worker-whisper"
                 and each["kind"] == "Deployment"]  # fmt: skip
    assert worker["spec"]["replicas"] == 0
    assert "STENTOR_STT_PRELOAD" not in str(worker)


def test_what_a_pool_says_wins_over_its_service_and_that_over_all(render: Render) -> None:
    objects = render(
        settings={"STENTOR_STT_BEAM_SIZE": 1, "STENTOR_LOG_LEVEL": "debug", "STENTOR_SWEEP_SECONDS": 2.5},
        services={"stt": {"settings": {"STENTOR_STT_BEAM_SIZE": 2, "STENTOR_STT_OFFLINE": True}}},
        pools={"whisper": {"settings": {"STENTOR_STT_BEAM_SIZE": 3}}},
    )
    (worker,) = [each for each in objects if each["metadata"]["name"] == "stentor-worker-whisper"
                 and each["kind"] == "Deployment"]  # fmt: skip
    (own,) = worker["spec"]["template"]["spec"]["containers"]
    told = {each["name"]: each.get("value") for each in own["env"]}
    assert told["STENTOR_STT_BEAM_SIZE"] == "3"
    assert told["STENTOR_STT_OFFLINE"] == "true"
    assert told["STENTOR_LOG_LEVEL"] == "debug"
    assert told["STENTOR_SWEEP_SECONDS"] == "2.5"


def test_a_service_that_is_off_leaves_nothing(render: Render) -> None:
    rest = {each["metadata"]["name"] for each in render(services={"deploy": {"enabled": False}})}
    assert not [name for name in rest if "deploy" in name or name.endswith("-models")]


def test_an_upgrade_to_another_image_changes_nothing_but_images(render: Render) -> None:
    before, after = (render(images={"tag": tag}) for tag in ("1.0.0", "1.0.1"))
    changed = list(changes(before, after))
    assert changed
    for place in changed:
        assert re.search(r"(containers\[0\]\.image|STENTOR_DEPLOY_KUBERNETES_IMAGE)$", place)


def test_what_kubernetes_never_changes_is_the_same_whatever_is_set(
    render: Render, everything: list[Object]
) -> None:
    """Else an upgrade fails: selectors of Deployments, and what StatefulSets claim."""
    for each in everything:
        if each["kind"] == "Deployment":
            component = each["metadata"]["name"].partition("-")[2]
            assert each["spec"]["selector"]["matchLabels"] == {
                "app.kubernetes.io/name": "stentor",
                "app.kubernetes.io/instance": "stentor",
                "app.kubernetes.io/component": component,
            }


def test_the_migration_runs_before_new_processes_start(render: Render) -> None:
    (job,) = [each for each in render() if each["metadata"]["name"] == "stentor-migrate"]
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    # It runs before anything of the release is there.
    assert (
        "serviceAccountName" not in job["spec"]["template"]["spec"]
        or job["spec"]["template"]["spec"]["serviceAccountName"] == "default"
    )
    assert job["spec"]["template"]["spec"]["containers"][0]["args"] == ["stentor", "migrate"]


def test_throw_away_servers_are_migrated_beside_them(render: Render) -> None:
    objects = render(secrets={"existing": ""}, devServers={"enabled": True})
    (job,) = [each for each in objects if each["metadata"]["name"].startswith("stentor-migrate")]
    assert "annotations" not in job["metadata"]
    (secret,) = [each for each in objects if each["kind"] == "Secret"]
    told = secret["stringData"]
    hosts = {each["metadata"]["name"] for each in objects if each["kind"] == "Service"}
    for key in ("database-url", "queue-url", "store-url", "broker-api-url"):
        (host,) = re.findall(r"@([\w-]+)[.:]", told[key])
        assert host in hosts
    assert told["rabbitmq-password"] in told["rabbitmq.conf"]
    assert told["signing-key"].startswith("-----BEGIN RSA PRIVATE KEY-----")


def test_every_value_is_explained() -> None:
    """By a comment above it or above the keys it stands with, or where a key of that name came first."""
    explained: set[str] = set()
    silent = []
    for path, comment in leaves(VALUES.read_text()):
        if comment:
            explained.add(path[-1])
        elif path[-1] not in explained:
            silent.append(".".join(path))
    assert silent == []


def test_the_schema_knows_every_value_and_no_other() -> None:
    """Values and schema list the same; `additionalProperties` is false wherever keys are known."""
    schema = json.loads((helm.CHART / "values.schema.json").read_text())
    values = yaml.safe_load(VALUES.read_text())
    assert schema["additionalProperties"] is False
    assert schema["properties"].keys() - {"global"} == values.keys()
    for name in (
        "images",
        "secrets",
        "services",
        "models",
        "modelCache",
        "ingress",
        "networkPolicy",
        "monitoring",
    ):
        assert schema["properties"][name]["properties"].keys() == values[name].keys()
        assert schema["properties"][name]["additionalProperties"] is False
    assert schema["definitions"]["poolDefaults"]["properties"].keys() == values["poolDefaults"].keys()


def changes(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """Places where two trees differ."""
    if isinstance(before, dict) and isinstance(after, dict):
        name = before.get("name") if "value" in before else None
        for key in before.keys() | after.keys():
            yield from changes(before.get(key), after.get(key), f"{path}.{name or key}")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, pair in enumerate(zip(before, after, strict=True)):
            yield from changes(*pair, f"{path}[{index}]")
    elif before != after:
        yield path


def leaves(text: str) -> Iterator[tuple[list[str], bool]]:
    """Keys with a value on their line, and whether a comment of their depth stands above them without a blank
    line between."""
    stack: list[tuple[int, str]] = []
    commented: set[int] = set()
    for line in text.splitlines():
        depth = len(line) - len(line.lstrip())
        if not line.strip():
            commented.clear()
        elif line.lstrip().startswith("#"):
            commented.add(depth)
        elif found := re.match(r" *([\w-]+):(.*)", line):
            stack = [(outer, key) for outer, key in stack if outer < depth] + [(depth, found[1])]
            if found[2].strip():
                yield [key for _, key in stack], depth in commented
            else:
                commented = {outer for outer in commented if outer <= depth}
