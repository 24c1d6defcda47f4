"""Images hold what is started in them, and no more is promised than their recipe says."""

import importlib.util
import json
import re
import shlex
import subprocess
import sys
import tomllib
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from stentor_common.settings import Settings
from stentor_dev import helm, nginx

Object = dict[str, Any]
Pods = Callable[[list[Object]], dict[str, Object]]

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
IMAGES = tomllib.loads((DOCKER / "images.toml").read_text())["images"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DOCKERFILE = (DOCKER / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((DOCKER / "compose.yaml").read_text())
GPU_ONLY = {"nvidia-cublas-cu12", "nvidia-cudnn-cu12"}
"""Not on machines without an accelerator."""


def named(image: str) -> str:
    """The name that images.toml has for it."""
    return Path(image).name.partition(":")[0].partition("@")[0].removeprefix("stentor-")


def module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec
    assert spec.loader
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


build, requirements = module(DOCKER / "build.py"), module(DOCKER / "requirements.py")


def asked_for(image: Object) -> list[str]:
    return [*requirements.requirements(PROJECT, image["extras"]), *image.get("packages", [])]


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_is_made_of_extras_that_there_are_in_pinned_versions(name: str) -> None:
    constraints = (ROOT / "requirements" / "constraints.txt").read_text()
    pinned = {canonicalize_name(line.partition("==")[0]) for line in constraints.splitlines() if "==" in line}
    wanted = {canonicalize_name(Requirement(line).name) for line in asked_for(IMAGES[name])}
    assert wanted - pinned - GPU_ONLY == set()


def test_the_images_of_the_chart_are_those_of_the_list(objects: list[Object], pods: Pods) -> None:
    used = {
        named(each["image"])
        for name, pod in pods(objects).items()
        if "StatefulSet" not in name
        for each in pod["spec"]["containers"]
    }
    assert used <= IMAGES.keys()


def test_the_chart_starts_in_an_image_what_it_is_made_for(objects: list[Object], pods: Pods) -> None:
    for pod in pods(objects).values():
        for each in pod["spec"]["containers"]:
            name = re.search(r"/stentor-([\w-]+)[:@]", each["image"])
            if name and each["args"][:2] == ["python", "-m"]:
                assert each["args"][2] in IMAGES[name[1]]["runs"]


def test_the_dockerfile_is_told_all_it_asks_for() -> None:
    asked = set(re.findall(r"^ARG (\w+)", DOCKERFILE, re.MULTILINE)) - {"PYTHON"}
    told = {"VERSION", "REVISION", *build.arguments("api", IMAGES["api"])}
    assert asked == told


def test_the_dockerfile_makes_small_images_without_rights() -> None:
    *_, last = DOCKERFILE.split("\nFROM ")
    assert "USER 10001:10001" in last
    assert set(re.findall("COPY (.+)", last)) == {
        "--from=libraries /opt/stentor /opt/stentor",
        "--from=product /opt/stentor/product /opt/stentor/product",
    }
    assert 'ENTRYPOINT ["/usr/bin/tini", "--"]' in last
    assert "HEALTHCHECK" not in DOCKERFILE
    assert not re.search(r"latest|curl|ADD ", DOCKERFILE)
    # The user that pods have.
    assert set(re.findall(r"--uid (\d+)", DOCKERFILE)) == {"10001"}


def test_what_the_dockerfile_copies_is_let_through_and_is_there() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    let_through = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    for line in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE):
        for source in line.split():
            assert source in let_through
            assert (ROOT / source).exists()


def said(*words: str) -> list[list[str]]:
    """Commands that build.py would run."""
    command = [sys.executable, str(DOCKER / "build.py"), "--tag", "1.2.3", "--print", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [shlex.split(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("builder", "first"), [("docker", "docker buildx build"), ("podman", "podman build")]
)
def test_each_image_is_built_by_one_command_of_whichever_builder(builder: str, first: str) -> None:
    commands = said("--builder", builder, "--indexes", "--index-url https://mirror.example")
    assert len(commands) == len(IMAGES)
    for words in commands:
        assert " ".join(words).startswith(first)
        assert "INDEXES=--index-url https://mirror.example" in words
        assert str(ROOT) == words[-1]


def test_an_image_for_processors_never_brings_pytorch_for_accelerators() -> None:
    for words, torch in (
        ((), "--torch-backend cpu"),
        (
            ("--torch-index", "https://cpu.example"),
            "--extra-index-url https://cpu.example",
        ),
    ):
        by_name = {words[words.index("--tag") + 1]: words for words in said("--builder", "buildah", *words)}
        assert f"TORCH={torch}" in by_name["ghcr.io/stentor/stentor-summarize-cpu:1.2.3"]
        assert "TORCH=" in by_name["ghcr.io/stentor/stentor-summarize-cuda:1.2.3"]


def test_images_are_pushed_with_what_the_builder_can_say_of_them() -> None:
    ((*docker,),) = said("--builder", "docker", "--push", "api")
    assert {"--push", "--sbom=true"} <= set(docker)
    _, push = said("--builder", "podman", "--push", "api")
    assert push == ["podman", "push", "ghcr.io/stentor/stentor-api:1.2.3"]


def test_without_a_builder_it_is_said_what_is_needed(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, DOCKER / "build.py", "--tag", "1", "api"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "apt-get install buildah" in done.stderr


def test_compose_starts_what_images_are_made_for() -> None:
    own = {name: each for name, each in COMPOSE["services"].items() if "stentor/stentor-" in each["image"]}
    started = set()
    for each in own.values():
        found = re.fullmatch(r"ghcr.io/stentor/stentor-([\w-]+):\${STENTOR_TAG:-dev}", each["image"])
        assert found
        if each["command"] != ["stentor", "migrate"]:
            assert each["command"][2] in IMAGES[found[1]]["runs"]
            started.add(tuple(each["command"][2:]))
        assert each["cap_drop"] == ["ALL"]
        assert each["read_only"]
    services = {"stt", "tts", "summarize", "pipelines", "deploy"}
    assert started == {(f"stentor_{name}", role) for name in services for role in ("api", "worker")} | {
        ("stentor_auth", "api")
    }


def test_compose_tells_settings_that_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs" / "settings.md").read_text()
    known = set(re.findall(r"`(STENTOR_\w+)`", page)) | {"HF_HOME"}
    for each in COMPOSE["services"].values():
        if "stentor/stentor-" in each["image"]:
            assert each["environment"].keys() <= known
            for name, value in each["environment"].items():
                monkeypatch.setenv(name, value)
    settings = Settings()
    assert not settings.embedded
    assert len(b64decode(settings.secret_key.get_secret_value())) == 32


def test_the_proxy_of_compose_has_the_paths_of_the_ingress() -> None:
    objects = helm.render(values={"secrets": {"existing": "servers"}})
    (ingress,) = [each for each in objects if each["kind"] == "Ingress"]
    wanted = {
        (rule["path"], rule["backend"]["service"]["name"].removeprefix("stentor-"))
        for rule in ingress["spec"]["rules"][0]["http"]["paths"]
    }
    text = (DOCKER / "nginx.conf").read_text()
    below = set(re.findall(r"location (\S+)/ { proxy_pass http://(\w+); }", text))
    exact = set(re.findall(r"location = (\S+) { proxy_pass http://(\w+); }", text))
    assert below == exact == wanted


@pytest.mark.live
def test_the_proxy_of_compose_has_a_configuration_that_nginx_takes(tmp_path: Path) -> None:
    # Names of containers mean nothing here.
    text = re.sub(r"server \w+:8000", "server 127.0.0.1:8000", (DOCKER / "nginx.conf").read_text())
    (tmp_path / "nginx.conf").write_text(text)
    words = ["-t", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf"), "-e", "stderr"]
    done = subprocess.run([nginx.find_nginx(), *words], capture_output=True, text=True, check=False)
    assert "syntax is ok" in done.stderr, done.stderr


def test_chart_and_images_are_of_the_version_of_the_product() -> None:
    chart = yaml.safe_load((helm.CHART / "Chart.yaml").read_text())
    assert chart["appVersion"] == PROJECT["version"]


def test_the_list_of_images_says_what_each_is_for() -> None:
    assert all(image["what"] for image in IMAGES.values())
    assert json.dumps(sorted(IMAGES)) == json.dumps(
        ["api", "deploy", "speech-cpu", "summarize-cpu", "summarize-cuda", "whisper-cpu", "whisper-cuda"]
    )
