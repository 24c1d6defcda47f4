"""Programs that make environments, and packages of the system."""

import asyncio
import os
import sys
from pathlib import Path

import psutil
import pytest

from stentor_deploy.environments import Wanted
from stentor_deploy.environments.commands import run
from stentor_deploy.environments.environments import Environments
from stentor_deploy.environments.rules import EnvironmentRules
from stentor_deploy.environments.system_packages import check_system_packages
from stentor_deploy.errors import Unsupported

FAMILY = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("started", flush=True)
time.sleep(600)
"""


async def test_each_line_is_told_as_it_comes_and_kept(tmp_path: Path) -> None:
    told: list[str] = []
    code = "import sys; print('one', flush=True); print('two', file=sys.stderr); sys.stdout.write('rest')"
    said = await run((sys.executable, "-c", code), tell=told.append, folder=tmp_path)
    assert sorted(told) == ["one", "rest", "two"]
    assert said.lines == tuple(told)
    assert said.status == 0


async def test_a_program_sees_nothing_secret_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STENTOR_SECRET", "s3cret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
    code = "import os; print(sorted(os.environ.items()), os.read(0, 1))"
    said = await run((sys.executable, "-c", code), tell=print, folder=tmp_path, variables={"SAID": "yes"})
    assert "s3cret" not in said.text
    assert "('SAID', 'yes')" in said.text
    assert said.text.endswith("b''")


async def test_passwords_and_the_folder_are_not_told(tmp_path: Path) -> None:
    code = f"print('https://somebody:s3cret@example.com/simple and {tmp_path}/made/x')"
    said = await run((sys.executable, "-c", code), tell=print, folder=tmp_path)
    assert said.lines == ("https://example.com/simple and made/x",)


async def test_what_a_program_writes_can_be_read_by_the_users_that_models_run_as(tmp_path: Path) -> None:
    strict = os.umask(0o077)
    try:
        await run((sys.executable, "-c", "open('written', 'w')"), tell=print, folder=tmp_path)
    finally:
        os.umask(strict)
    assert (tmp_path / "written").stat().st_mode & 0o777 == 0o644


async def test_a_line_without_end_is_cut(tmp_path: Path) -> None:
    code = "import sys; sys.stdout.write('x' * 1_000_000)"
    said = await run((sys.executable, "-c", code), tell=lambda _: None, folder=tmp_path)
    assert max(map(len, said.lines)) <= 4000


async def test_cancelled_a_program_ends_with_all_that_it_has_started(tmp_path: Path) -> None:
    started = asyncio.Event()
    running = asyncio.create_task(
        run((sys.executable, "-c", FAMILY), tell=lambda _: started.set(), folder=tmp_path)
    )
    async with asyncio.timeout(30):
        await started.wait()
    family = psutil.Process().children(recursive=True)
    assert len(family) >= 2
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    _, alive = psutil.wait_procs(family, timeout=30)
    assert alive == []


async def test_a_program_that_is_not_there_fails_like_any_other(tmp_path: Path) -> None:
    said = await run((tmp_path / "nowhere",), tell=print, folder=tmp_path)
    assert said.status
    assert "nowhere does not start" in said.text


@pytest.fixture
def dpkg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system whose list of packages is known."""
    program = tmp_path / "dpkg-query"
    lines = [
        "installed\\tffmpeg\\tamd64\\t",
        "installed\\tlibgl1\\tamd64\\tlibgl1-mesa-glx (= 1.0), libgl",
        "config-files\\tgone\\tamd64\\t",
    ]
    program.write_text("#!/bin/sh\nprintf '" + "\\n".join(lines) + "\\n'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")


@pytest.mark.usefixtures("dpkg")
@pytest.mark.parametrize("names", [(), ("ffmpeg",), ("ffmpeg:amd64", "libgl1"), ("libgl1-mesa-glx", "libgl")])
async def test_system_packages_that_are_there_or_stood_in_for_will_do(names: tuple[str, ...]) -> None:
    await check_system_packages(names)


@pytest.mark.usefixtures("dpkg")
async def test_system_packages_that_are_missing_are_listed() -> None:
    with pytest.raises(Unsupported, match="gone, cmake: not installed on this server") as raised:
        await check_system_packages(["ffmpeg", "gone", "cmake"])
    assert raised.value.param == "system_packages"


@pytest.mark.usefixtures("dpkg")
async def test_a_package_that_wants_missing_ones_gets_no_environment(tmp_path: Path) -> None:
    wanted = Wanted((), system_packages=("cmake",))
    with pytest.raises(Unsupported, match="cmake"):
        await Environments(tmp_path, EnvironmentRules()).resolve(wanted, print)


@pytest.mark.parametrize("name", ["--admindir=/tmp", "ffmpeg=4", "a b", "", "Ffmpeg"])
async def test_what_is_no_name_of_a_system_package_is_refused(name: str) -> None:
    with pytest.raises(Unsupported, match="no name of a system package"):
        await check_system_packages([name])


async def test_on_another_system_they_cannot_be_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unsupported, match="ffmpeg: this system cannot tell"):
        await check_system_packages(["ffmpeg"])
