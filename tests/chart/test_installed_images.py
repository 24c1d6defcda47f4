"""What the Dockerfile installs is enough for the processes that the chart starts in an image."""

import asyncio
import importlib.util
import re
import shlex
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from stentor_common.jwt import generate_pem
from stentor_deploy.environments.indexes import Indexes, configured_indexes
from stentor_deploy.environments.rules import EnvironmentRules
from stentor_dev import helm
from stentor_dev.images import Image, StepFailed
from stentor_dev.paper.calls import secret_of
from stentor_dev.process import Child, Command
from stentor_dev.servers import Servers
from stentor_dev.service import Service

Object = dict[str, Any]

_spec = importlib.util.spec_from_file_location("build", helm.ROOT / "docker" / "build.py")
assert _spec
assert _spec.loader
build = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(build)

CLUSTER = """
current-context: none
contexts: [{name: none, context: {cluster: none, user: nobody}}]
clusters: [{name: none, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: nobody, user: {token: nothing}}]
"""
FOR_PROCESSORS = [name for name in build.images() if not name.endswith("-cuda")]


@pytest.fixture(scope="module")
def indexes(tmp_path_factory: pytest.TempPathFactory) -> Indexes:
    """Where packages come from on this machine."""
    return asyncio.run(configured_indexes(EnvironmentRules(), tmp_path_factory.mktemp("indexes")))


@pytest.fixture(scope="module")
def containers() -> dict[str, list[Object]]:
    """Those of the chart as it is, by the name of their image."""
    found: dict[str, list[Object]] = {}
    for each in helm.render(values={"secrets": {"existing": "servers"}}):
        if each["kind"] == "Deployment" or each["metadata"]["name"] == "stentor-migrate":
            (own,) = each["spec"]["template"]["spec"]["containers"]
            name = re.search(r"/stentor-([\w-]+):", own["image"])
            assert name
            found.setdefault(name[1], []).append(own)
    return found


@pytest.mark.live
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", FOR_PROCESSORS)
def test_in_a_clean_folder_the_steps_bring_what_every_process_needs(
    name: str,
    indexes: Indexes,
    containers: dict[str, list[Object]],
    servers: Servers,
    migrated_postgres: str,
    tmp_path: Path,
) -> None:
    """Each process answers there, with nothing in its environment but what image and chart say."""
    words = shlex.join(indexes.options), torch_of(indexes)
    image = Image(tmp_path / "image", helm.ROOT, build.arguments(name, build.images()[name], *words))
    # Bytecode takes most of the time.
    image.install(UV_COMPILE_BYTECODE="0")
    secret = secret_of(servers, generate_pem())
    migrates = any(own["args"] == ["stentor", "migrate"] for own in containers[name])
    if not migrates:
        secret["database-url"] = servers.database_url(copy_of=migrated_postgres)
    begun = [
        Service(tmp_path / str(number), own["args"], environment(image, own, secret, tmp_path))
        for number, own in enumerate(containers[name])
    ]
    for each in begun:
        if each.argv == ["stentor", "migrate"]:
            Child(Command(each.argv, each.base, each.environment)).wait_for_success()
    lasting = [each for each in begun if each.argv[:2] == ["python", "-m"]]
    assert {each.argv[2] for each in lasting} == set(build.images()[name]["runs"])
    first, *others = lasting
    try:
        # Alone, as it compiles what the others load.
        first.start()
        with ThreadPoolExecutor(max_workers=3) as together:
            list(together.map(Service.start, others))
    finally:
        for each in lasting:
            each.kill()
        shutil.rmtree(tmp_path / "image")


def test_a_step_that_fails_says_why(tmp_path: Path) -> None:
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker" / "Dockerfile").write_text(
        "FROM scratch AS build\nWORKDIR /source\nRUN --mount=type=cache,target=/x \\\n  echo no such thing"
        " \\\n  && test -d /source/there\nFROM scratch\nENV PATH=/opt/stentor/bin:/bin\n"
    )
    image = Image(tmp_path / "image", tmp_path, {})
    with pytest.raises(StepFailed, match="no such thing"):
        image.install()
    (tmp_path / "image" / "source").rmdir()
    assert image.environment == {"PATH": f"{tmp_path}/image/opt/stentor/bin:/bin"}


def torch_of(indexes: Indexes) -> str:
    """Words that bring PyTorch for processors: none where a folder of the operator has it."""
    folders = [Path(each.removeprefix("file://")) for each in indexes.find_links]
    own = [wheel for folder in folders for wheel in folder.glob("torch-*+cpu-*.whl")]
    return "" if own else str(build.PROCESSORS_ONLY)


def environment(image: Image, container: Object, secret: dict[str, str], folder: Path) -> dict[str, str]:
    told = image.environment
    # Processes that ask a cluster have credentials of one, and here nobody answers.
    (folder / "cluster").write_text(CLUSTER)
    told["KUBECONFIG"] = str(folder / "cluster")
    # Nobody compiled the files; whoever needs one first does.
    del told["PYTHONDONTWRITEBYTECODE"]
    for each in container["env"]:
        value = each.get("value") or secret.get(each.get("valueFrom", {}).get("secretKeyRef", {}).get("key"))
        if value:
            told[each["name"]] = re.sub("^/(data|models)", rf"{folder}/volumes/\1", value)
    return told
