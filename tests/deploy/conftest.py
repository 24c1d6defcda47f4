"""Models in source, run as they are when they are deployed."""

import asyncio
import json
import sys
import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stentor_deploy.running import Fleet, Limits, Payload, Replica, RunSpec
from stentor_deploy.running.process import ProcessDriver
from stentor_deploy.settings import DeploySettings

MIB = 1024**2

Package = Callable[[str], Path]
Run = Callable[..., Awaitable[Fleet]]
Printed = list[tuple[str, str, str]]


@pytest.fixture
def package(tmp_path: Path) -> Package:
    """Makes a package of the source of its `model.py`."""

    def make(source: str) -> Path:
        folder = tmp_path / f"package-{len(list(tmp_path.glob('package-*')))}"
        (folder / "model").mkdir(parents=True)
        (folder / "data").mkdir()
        (folder / "model" / "model.py").write_text(textwrap.dedent(source))
        return folder

    return make


@pytest.fixture
def spec(package: Package) -> Callable[..., RunSpec]:
    """What it takes to run a model of that source, under this very Python."""

    def make(source: str, **changes: Any) -> RunSpec:
        python = Path(sys.executable)
        limits = Limits(memory_bytes=512 * MIB, threads=1, processes=64, scratch_bytes=16 * MIB)
        folder = package(source)
        made = RunSpec(folder.name, folder, {}, python, "of-tests", python.parent.parent, limits)
        return replace(made, **changes)

    return make


@pytest.fixture
async def driver(tmp_path: Path) -> AsyncIterator[ProcessDriver]:
    opened = ProcessDriver(DeploySettings(), tmp_path)
    yield opened
    await opened.close()


@pytest.fixture
def printed() -> Printed:
    """What models print: stream, line, request."""
    return []


@pytest.fixture
def seen(printed: Printed) -> Callable[..., Awaitable[None]]:
    """Returns when models have printed these."""

    async def wait(*lines: tuple[str, str, str]) -> None:
        async with asyncio.timeout(20):
            while not set(lines) <= set(printed):  # noqa: ASYNC110 - what prints is a real process
                await asyncio.sleep(0.005)

    return wait


@pytest.fixture
def run(driver: ProcessDriver, spec: Callable[..., RunSpec], printed: Printed) -> Run:
    """A fleet of one replica of a model of that source, ready or in trouble."""

    async def start(source: str, **changes: Any) -> Fleet:
        fleet = await driver.fleet(spec(source, **changes), lambda *line: printed.append(line))
        await fleet.scale(1)
        async with asyncio.timeout(30):
            while not fleet.ready and not fleet.trouble:
                await fleet.changed()
        return fleet

    return start


@pytest.fixture
def load(run: Run) -> Callable[..., Awaitable[Replica]]:
    """A replica of a model of that source, ready."""

    async def start(source: str, **changes: Any) -> Replica:
        fleet = await run(source, **changes)
        if fleet.trouble:
            raise fleet.trouble
        return fleet.ready[0]

    return start


@pytest.fixture
def ask() -> Callable[..., Awaitable[Any]]:
    """Asks with JSON and reads the answer."""

    async def call(replica: Replica, value: Any, *, seconds: float = 10, **how: str) -> Any:
        answer = await replica.predict(Payload(json.dumps(value).encode()), seconds=seconds, **how)
        return json.loads(answer.body)

    return call
