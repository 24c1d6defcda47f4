"""Fleets of real processes: as many as wanted, started again, put to sleep and woken."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from stentor_common.errors import Unavailable
from stentor_deploy.errors import LoadFailed, ModelLost
from stentor_deploy.running import Fleet, Replica, RunSpec
from stentor_deploy.running.fleet import ProcessFleet
from stentor_deploy.running.process import ProcessDriver
from stentor_deploy.settings import DeploySettings

pytestmark = pytest.mark.live

Run = Callable[..., Awaitable[Fleet]]
Ask = Callable[..., Awaitable[Any]]
MakeSpec = Callable[..., RunSpec]

WHO = """
    import os

    class Model:
        def predict(self, _):
            return [os.getpid(), os.getppid()]
"""


async def until(fleet: Fleet, holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():
            await fleet.changed()


async def test_there_are_as_many_replicas_as_wanted(run: Run, ask: Ask) -> None:
    fleet = await run(WHO)
    await fleet.scale(2)
    await until(fleet, lambda: len(fleet.ready) == 2)
    processes = {(await ask(each, None))[0] for each in fleet.ready}
    assert len(processes) == 2
    await fleet.scale(1)
    await until(fleet, lambda: len(fleet.ready) == 1)
    assert fleet.wanted == 1
    assert (await ask(fleet.ready[0], None))[0] in processes


async def test_a_replica_that_is_not_wanted_ends_after_its_calls(
    run: Run, ask: Ask, seen: Callable[..., Awaitable[None]]
) -> None:
    fleet = await run(
        """
        import time

        class Model:
            def predict(self, seconds):
                print("begun")
                time.sleep(seconds)
                return "done"
        """
    )
    replica = fleet.ready[0]
    call = asyncio.ensure_future(ask(replica, 0.3))
    await seen(("stdout", "begun", ""))
    await fleet.scale(0)
    assert fleet.ready == []
    assert await call == "done"


async def test_a_model_that_does_not_load_is_tried_again_after_a_pause(run: Run, tmp_path: Path) -> None:
    fleet = await run("class Model:\n    def load(self):\n        raise OSError('not yet')")
    assert isinstance(fleet.trouble, LoadFailed)
    (fleet.spec.folder / "model" / "model.py").write_text("class Model:\n    def predict(self, _): ...")
    await until(fleet, lambda: bool(fleet.ready))
    assert fleet.trouble is None


async def test_nothing_is_left_when_the_driver_closes(
    run: Run, ask: Ask, driver: ProcessDriver, tmp_path: Path
) -> None:
    fleet = await run(WHO)
    process, _ = await ask(fleet.ready[0], None)
    await driver.close()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    assert list((tmp_path / "run").iterdir()) == []


async def test_without_isolation_every_layer_is_told_as_missing(spec: MakeSpec, tmp_path: Path) -> None:
    driver = ProcessDriver(DeploySettings(isolation="off"), tmp_path)
    fleet = await driver.fleet(spec(WHO), lambda *_: None)
    await fleet.scale(1)
    await until(fleet, lambda: bool(fleet.ready or fleet.trouble))
    missing = fleet.ready[0].loaded.isolation.missing
    assert set(missing) == {"namespaces", "mounts", "limits", "user", "landlock", "seccomp"}
    await driver.close()


async def test_where_isolation_is_required_nothing_runs_without_a_layer(
    spec: MakeSpec, tmp_path: Path
) -> None:
    driver = ProcessDriver(DeploySettings(isolation="required"), tmp_path)
    complete, lacking = spec(WHO), spec(WHO)
    # Nobody but the superuser can read it: a server of the superuser cannot use another user for it.
    lacking.folder.chmod(0o700)
    for each in (complete, lacking):
        fleet = await driver.fleet(each, lambda *_: None)
        await fleet.scale(1)
        await until(fleet, lambda fleet=fleet: bool(fleet.ready or fleet.trouble))  # type: ignore[misc]
        if each is complete or os.geteuid() != 0:
            assert fleet.ready[0].loaded.isolation.missing == {}
        else:
            assert isinstance(fleet.trouble, Unavailable)
            assert "user: files that it needs can be read by the superuser alone" in fleet.trouble.message
    await driver.close()


SERVER = """
import asyncio, sys
from pathlib import Path
from stentor_deploy.running import Limits, RunSpec
from stentor_deploy.running.process import ProcessDriver
from stentor_deploy.settings import DeploySettings

async def main():
    package, folder, python = map(Path, sys.argv[1:])
    driver = ProcessDriver(DeploySettings(), folder)
    limits = Limits(512 * 1024**2, threads=1)
    spec = RunSpec("of-another", package, {}, python, "", python.parent.parent, limits)
    fleet = await driver.fleet(spec, lambda stream, line, request: print(line, flush=True))
    await fleet.scale(1)
    await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="processes are found by what Linux tells of them")
async def test_what_a_server_left_that_was_killed_is_cleared(
    package: Callable[[str], Path], run: Run, tmp_path: Path
) -> None:
    left = package(
        """
        import subprocess

        started = subprocess.Popen(["/bin/sleep", "60"], stdout=subprocess.DEVNULL)
        print(started.pid)

        class Model:
            def predict(self, _): ...
        """
    )
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVER, left, tmp_path, sys.executable, stdout=asyncio.subprocess.PIPE
    )
    assert server.stdout
    process = Path("/proc", (await server.stdout.readline()).decode().strip())
    assert process.exists()
    server.kill()
    await server.communicate()
    await run(WHO)
    assert not process.exists() or "Z" in (process / "stat").read_text()
    assert not list((tmp_path / "run").glob("of-another-*"))


async def test_an_interpreter_that_is_gone_is_told(spec: MakeSpec, driver: ProcessDriver) -> None:
    fleet = await driver.fleet(spec(WHO, python=Path("/nowhere/bin/python")), lambda *_: None)
    await fleet.scale(1)
    await until(fleet, lambda: bool(fleet.trouble))
    assert isinstance(fleet.trouble, LoadFailed | Unavailable)
    assert "/nowhere/bin/python" in fleet.trouble.message + getattr(fleet.trouble, "details", "")


async def test_a_crash_answers_all_calls_that_were_under_way(run: Run, ask: Ask) -> None:
    fleet = await run("import os\nclass Model:\n    def predict(self, _):\n        os._exit(1)")
    calls = [ask(fleet.ready[0], None) for _ in range(5)]
    told = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(each) for each in told] == [ModelLost] * 5


async def test_lines_of_a_crash_tell_that_it_is_started_again(
    run: Run, ask: Ask, printed: list[tuple[str, str, str]]
) -> None:
    fleet = await run("import os\nclass Model:\n    def predict(self, _):\n        os._exit(9)")
    with pytest.raises(ModelLost):
        await ask(fleet.ready[0], None)
    await until(fleet, lambda: fleet.restarts == 1)
    assert ("system", "its process ended with status 9; it is started again", "") in printed


@pytest.mark.skipif(sys.platform != "linux", reason="standbys copy themselves on Linux alone")
class TestStandby:
    """A model that was put to sleep wakes from a process that has imported its libraries."""

    SOURCE = """
        import decimal, os, random, sys, xml.dom.minidom

        fresh = "imported" not in sys.modules["decimal"].__dict__
        decimal.imported = True

        class Model:
            def __init__(self, secrets):
                self.secret = secrets["key"]

            def predict(self, code):
                return eval(code)
    """

    @pytest.fixture
    async def woken(self, run: Run) -> tuple[Fleet, Replica]:
        """After one sleep."""
        fleet = await run(self.SOURCE, config={"secrets": {"key": None}}, secrets={"key": "mine"})
        assert isinstance(fleet, ProcessFleet)
        await self.sleep(fleet)
        await fleet.scale(1)
        await until(fleet, lambda: bool(fleet.ready))
        return fleet, fleet.ready[0]

    @staticmethod
    async def sleep(fleet: ProcessFleet) -> None:
        await fleet.scale(0)
        async with asyncio.timeout(30):
            while not fleet.standby:  # noqa: ASYNC110 - it is a real process that gets ready
                await asyncio.sleep(0.01)

    async def test_it_runs_in_a_copy_with_all_layers(self, woken: tuple[Fleet, Replica], ask: Ask) -> None:
        _, replica = woken
        assert replica.loaded.isolation.missing == {}
        assert "xml.dom.minidom" in replica.loaded.modules
        assert await ask(replica, "self.secret") == "mine"
        assert await ask(replica, "os.getpgrp() == os.getpid()") is True

    async def test_copies_draw_other_numbers(self, woken: tuple[Fleet, Replica], ask: Ask) -> None:
        fleet, _ = woken
        await fleet.scale(2)
        await until(fleet, lambda: len(fleet.ready) == 2)
        drawn = {await ask(each, "random.random()") for each in fleet.ready}
        parents = {await ask(each, "os.getppid()") for each in fleet.ready}
        assert (len(drawn), len(parents)) == (2, 1)

    async def test_a_copy_sees_only_its_own_scratch_folder(
        self, woken: tuple[Fleet, Replica], ask: Ask
    ) -> None:
        _, replica = woken
        code = "[os.listdir(os.environ['HOME']), os.access(os.environ['HOME'] + '/..', os.R_OK)]"
        assert (await ask(replica, code))[0] == ["tmp"]
        with pytest.raises(Exception, match="Permission denied"):
            await ask(replica, "os.listdir(os.environ['HOME'] + '/..')")

    async def test_a_copy_that_ends_is_told_and_made_again(
        self, woken: tuple[Fleet, Replica], ask: Ask
    ) -> None:
        fleet, replica = woken
        with pytest.raises(ModelLost, match="status 4"):
            await ask(replica, "os._exit(4)")
        await until(fleet, lambda: bool(fleet.ready))
        assert await ask(fleet.ready[0], "1") == 1

    async def test_when_the_standby_is_gone_it_starts_from_nothing(
        self, woken: tuple[Fleet, Replica], ask: Ask
    ) -> None:
        fleet, replica = woken
        parent = await ask(replica, "os.getppid()")
        os.kill(parent, 9)
        await until(fleet, lambda: fleet.restarts == 1 and bool(fleet.ready))
        assert await ask(fleet.ready[0], "os.getppid()") == os.getpid()
