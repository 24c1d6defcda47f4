"""The ground in k8s/: what kustomize makes of it, and runbooks that do what they say."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from stentor_dev import helm
from stentor_dev.installation import find_program

Object = dict[str, Any]

K8S = helm.ROOT / "k8s"
RUNBOOKS = sorted((K8S / "runbooks").glob("*.sh"))
CUSTOM = ("cnpg.io", "rabbitmq.com", "min.io", "coreos.com")
OPERATORS = yaml.safe_load(Path(__file__).with_name("operators.yaml").read_text())
TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "boolean": bool,
    "quantity": (str, int),
}

KUBECTL = """#!{python}
import json, os, sys
from pathlib import Path
words, folder = sys.argv[1:], Path(os.environ["CLUSTER"])
with (folder / "calls").open("a") as calls:
    calls.write(json.dumps(words) + "\\n")
text = " ".join(words)
secret = json.loads((folder / "secret").read_text())
if "patch secret" in text:
    secret |= json.load(sys.stdin)["stringData"]
    (folder / "secret").write_text(json.dumps(secret))
elif "get secret stentor --output" in text:
    print(secret.get(text.split('"')[1], ""), end="")
elif "get secret" in text and "-app" in text:
    print("owner:password", end="")
elif "get deployments" in text:
    print("deployment.apps/stentor-auth\\ndeployment.apps/stentor-stt")
elif "get cluster.postgresql" in text:
    print((folder / "cluster").read_text())
elif "apply --filename" in text:
    (folder / "applied").write_text(sys.stdin.read())
"""


def kustomize(folder: str) -> list[Object]:
    return [each for each in yaml.safe_load_all(helm.run("kubectl", "kustomize", K8S / folder)) if each]


class Cluster:
    """One secret, and whatever a runbook asked of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        program = folder / "bin" / "kubectl"
        program.parent.mkdir()
        program.write_text(KUBECTL.replace("{python}", sys.executable))
        program.chmod(0o755)
        self.keep({})

    def keep(self, secret: dict[str, str]) -> None:
        (self.folder / "secret").write_text(json.dumps(secret))

    @property
    def secret(self) -> dict[str, str]:
        found: dict[str, str] = json.loads((self.folder / "secret").read_text())
        return found

    @property
    def calls(self) -> list[str]:
        return [" ".join(json.loads(line)) for line in (self.folder / "calls").read_text().splitlines()]

    def run(self, runbook: str, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        path = f"{self.folder / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        return subprocess.run(
            [K8S / "runbooks" / runbook, *words],
            env={"PATH": path, "CLUSTER": str(self.folder), **variables},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster(tmp_path)


@pytest.mark.parametrize("folder", ["base", "overlays/dev", "operators"])
def test_the_ground_is_what_kubernetes_takes(folder: str) -> None:
    objects = kustomize(folder)
    assert objects
    for each in objects:
        if not each["apiVersion"].split("/")[0].endswith(CUSTOM):
            kubernetes_validate.validate(each, helm.KUBERNETES, strict=True)


def test_operators_know_the_fields_that_are_asked_of_them() -> None:
    for each in kustomize("operators"):
        kind = f"{each['apiVersion']} {each['kind']}"
        assert list(complaints(each["spec"], OPERATORS[kind])) == [], kind


def test_a_field_that_an_operator_does_not_know_is_found() -> None:
    (postgres,) = [each["spec"] for each in kustomize("operators") if each["kind"] == "Cluster"]
    postgres |= {"instances": "3", "replicas": 3, "monitoring": {"enablePodMonitor": True}}
    postgres["plugins"][0]["parameters"] = {"days": 30}
    assert sorted(complaints(postgres, OPERATORS["postgresql.cnpg.io/v1 Cluster"])) == [
        ".instances is no integer",
        ".monitoring.enablePodMonitor is deprecated",
        ".plugins[0].parameters.days is no string",
        ".replicas is unknown",
    ]


def complaints(value: Any, known: Any, place: str = "") -> Iterator[str]:
    """What of a value is not as operators.yaml says."""
    if isinstance(known, list):
        for index, each in enumerate(value):
            yield from complaints(each, known[0], f"{place}[{index}]")
    elif known == "strings" or isinstance(known, dict):
        for name, each in value.items():
            yield from of_field(name, each, known, f"{place}.{name}")
    elif not isinstance(value, TYPES[known]):
        yield f"{place} is no {known}"


def of_field(name: str, value: Any, known: Any, place: str) -> Iterator[str]:
    if known == "strings":
        yield from complaints(value, "string", place)
    elif name in known.get("deprecated", "").split():
        yield f"{place} is deprecated"
    elif name in known:
        yield from complaints(value, known[name], place)
    elif name not in known.get("others", "").split():
        yield f"{place} is unknown"


def test_namespaces_keep_the_strictest_standard() -> None:
    namespaces = [each for each in kustomize("base") if each["kind"] == "Namespace"]
    assert {each["metadata"]["name"] for each in namespaces} == {"stentor", "stentor-models"}
    for each in namespaces:
        assert each["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_priorities_and_runtimes_of_the_profiles_are_part_of_the_ground(objects: list[Object]) -> None:
    made = {each["metadata"]["name"] for each in kustomize("base")}
    pods = [each["spec"]["template"]["spec"] for each in objects if "template" in each.get("spec", {})]
    for pod in pods:
        assert {pod.get("priorityClassName"), pod.get("runtimeClassName")} - {None} <= made


def test_throw_away_servers_are_those_of_the_chart() -> None:
    rendered = helm.render(values={"devServers": {"enabled": True}})
    wanted = {each["metadata"]["name"]: each["spec"] for each in rendered if each["kind"] == "StatefulSet"}
    own = {
        each["metadata"]["name"]: each["spec"]
        for each in kustomize("overlays/dev")
        if each["kind"] == "StatefulSet"
    }
    assert own.keys() == wanted.keys()
    for name, spec in own.items():
        assert containers(spec) == containers(wanted[name])


def containers(spec: Object) -> Any:
    return spec["template"]["spec"]["containers"]


def test_the_device_plugin_is_told_yaml() -> None:
    told = yaml.safe_load((K8S / "gpu" / "nvidia-device-plugin.yaml").read_text())
    assert {yaml.safe_load(each)["version"] for each in told["config"]["map"].values()} == {"v1"}


@pytest.mark.parametrize("path", RUNBOOKS, ids=lambda path: path.stem)
def test_a_runbook_is_a_program(path: Path) -> None:
    subprocess.run(["bash", "-n", path], check=True)
    if path.stem != "common":
        assert os.access(path, os.X_OK)
        assert path.read_text().startswith("#!/usr/bin/env bash\n# ")


def test_shellcheck_has_nothing_to_say_about_any_program_of_the_shell() -> None:
    program = find_program("shellcheck")
    if program is None:
        pytest.skip("shellcheck is missing: `apt-get install -y shellcheck` or `brew install shellcheck`")
    # Files that are read by others are looked for beside them.
    words: list[str | Path] = [
        program,
        "--external-sources",
        "--source-path=SCRIPTDIR",
        *RUNBOOKS,
        helm.ROOT / ".ci" / "run",
    ]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_secret_is_made_with_keys_that_stay(cluster: Cluster) -> None:
    addresses = {"DATABASE_URL": "postgresql://x", "QUEUE_URL": "amqp://x", "STORE_URL": "s3+http://x"}
    done = cluster.run("make-secret.sh", **addresses)
    assert done.returncode == 0, done.stderr
    first = cluster.secret
    keys = yaml.safe_load((helm.CHART / "values.yaml").read_text())["secrets"]["keys"]
    assert first.keys() <= set(keys.values())
    assert {keys[each] for each in ("database", "queue", "store", "secretKey", "signingKey")} <= first.keys()
    assert first["signing-key"].startswith("-----BEGIN")
    cluster.run("make-secret.sh", **addresses | {"STORE_URL": "s3+http://y"})
    assert cluster.secret == first | {"store-url": "s3+http://y"}


def test_a_signing_key_is_exchanged_in_steps_that_end_no_token(cluster: Cluster) -> None:
    cluster.keep({"signing-key": "old"})
    done = cluster.run("rotate-signing-key.sh", ACCESS_TOKEN_SECONDS="0")
    assert done.returncode == 0, done.stderr
    restarts = [call for call in cluster.calls if "rollout restart deployment/stentor-auth" in call]
    assert len(restarts) == 3
    assert cluster.secret["signing-key"].startswith("-----BEGIN")
    assert cluster.secret["previous-keys"] == ""


def test_the_key_of_what_is_kept_is_exchanged_and_the_old_one_still_read(cluster: Cluster) -> None:
    cluster.keep({"secret-key": "old"})
    assert cluster.run("rotate-secret-key.sh").returncode == 0
    new, old = cluster.secret["secret-key"].split(",")
    assert old == "old"
    assert cluster.run("rotate-secret-key.sh", "--forget").returncode == 0
    assert cluster.secret["secret-key"] == new


def test_a_node_is_drained_after_it_is_closed(cluster: Cluster) -> None:
    assert cluster.run("drain-gpu-node.sh", "node-7").returncode == 0
    calls = cluster.calls
    assert calls[0] == "cordon node-7"
    assert any(call.startswith("drain node-7 --ignore-daemonsets") for call in calls)
    assert cluster.run("drain-gpu-node.sh").returncode != 0


def test_a_backup_becomes_a_cluster_beside_the_old_one(cluster: Cluster) -> None:
    (postgres,) = [each for each in kustomize("operators") if each["kind"] == "Cluster"]
    (cluster.folder / "cluster").write_text(json.dumps(postgres))
    cluster.keep({"database-url": "old"})
    assert cluster.run("restore-backup.sh", "yesterday").returncode != 0
    done = cluster.run("restore-backup.sh", "2026-01-31T03:15:00Z")
    assert done.returncode == 0, done.stderr
    made = json.loads((cluster.folder / "applied").read_text())
    assert list(complaints(made["spec"], OPERATORS["postgresql.cnpg.io/v1 Cluster"])) == []
    name, spec = made["metadata"]["name"], made["spec"]
    assert name.startswith("stentor-postgres-")
    assert spec["bootstrap"]["recovery"]["recoveryTarget"] == {"targetTime": "2026-01-31T03:15:00Z"}
    # It reads what the old one wrote, and writes beside it.
    (old,) = spec["externalClusters"]
    assert old["name"] == spec["bootstrap"]["recovery"]["source"]
    store = {"barmanObjectName": "stentor-backup"}
    assert old["plugin"]["parameters"] == store | {"serverName": "stentor-postgres"}
    assert spec["plugins"][0]["parameters"] == store | {"serverName": name}
    assert cluster.secret["database-url"] == f"postgresql+asyncpg://owner:password@{name}-rw:5432/stentor"
    stopped = next(index for index, call in enumerate(cluster.calls) if "scale --replicas 0" in call)
    applied = next(index for index, call in enumerate(cluster.calls) if "apply" in call)
    assert stopped < applied


def test_nobody_is_stopped_where_there_is_no_backup_to_go_back_to(cluster: Cluster) -> None:
    (cluster.folder / "cluster").write_text(json.dumps({"metadata": {}, "spec": {"instances": 1}}))
    done = cluster.run("restore-backup.sh", "2026-01-31T03:15:00Z")
    assert done.returncode != 0
    assert "stentor-postgres has no backups by the plugin" in done.stderr
    assert not any("scale" in call for call in cluster.calls)
