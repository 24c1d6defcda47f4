"""What a model might try, tried: real processes behind the real sandbox of this system."""

import asyncio
import os
import socket
import sys
import tempfile
import textwrap
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from stentor_deploy.errors import LoadFailed, ModelFailed, ModelLost, ModelTooSlow
from stentor_deploy.running import Fleet, Limits, Payload, Replica, RunSpec
from stentor_deploy.running.process import ProcessDriver
from stentor_deploy.settings import DeploySettings

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(sys.platform != "linux", reason="its layers are those of Linux"),
]

Load = Callable[..., Awaitable[Replica]]
Run = Callable[..., Awaitable[Fleet]]
Ask = Callable[..., Awaitable[Any]]

MIB = 1024**2

TRIES = """
    import os, socket, subprocess, sys

    class Model:
        def predict(self, code):
            scope = {}
            try:
                exec(code, scope)
            except BaseException as error:
                return f"{type(error).__name__}: {error}"
            return scope.get("result")
"""
"""Runs what it is asked to, as the model itself could."""


@pytest.fixture
async def trying(load: Load, ask: Ask) -> Callable[[str], Awaitable[Any]]:
    """The model that tries, and every layer this system has around it."""
    replica = await load(TRIES)
    assert replica.loaded.isolation.missing == {}
    return lambda code: ask(replica, code)


async def test_it_reads_nothing_that_is_not_its_own(
    trying: Callable[[str], Awaitable[Any]], tmp_path: Path
) -> None:
    """Secrets of the server, of the system, of other models; and what runs beside it."""
    (tmp_path / "secret").write_text("of the server")
    other = tmp_path / "run" / "other-revision"
    other.mkdir(parents=True)
    for path in (
        tmp_path / "secret",
        "/etc/shadow",
        f"/proc/{os.getpid()}/environ",
        f"/proc/{os.getpid()}/cmdline",
        Path.home() / ".bashrc",
        __file__,
    ):
        said = str(await trying(f"result = open({str(path)!r}).read()"))
        assert said.startswith(("PermissionError", "FileNotFoundError")), f"{path}: {said}"
    for folder in (other, tmp_path / "run", "/root", "/home", "/proc", "/var"):
        said = str(await trying(f"import os; result = os.listdir({str(folder)!r})"))
        assert said.startswith(("PermissionError", "FileNotFoundError")), f"{folder}: {said}"


async def test_it_knows_none_of_the_servers_variables(
    run: Run, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STENTOR_SECRET_KEY", "of the server")
    fleet = await run(TRIES, variables={"MINE": "1", "LD_PRELOAD": "/evil.so", "PATH": "/evil"})
    found = await ask(fleet.ready[0], "import os; result = dict(os.environ)")
    assert "of the server" not in found.values()
    assert found["MINE"] == "1"
    assert "LD_PRELOAD" not in found
    assert "/evil" not in found["PATH"]


async def test_it_writes_to_its_scratch_folder_alone(
    trying: Callable[[str], Awaitable[Any]], tmp_path: Path
) -> None:
    for path in (tmp_path / "written", "model/model.py", Path(sys.prefix) / "written", "/etc/written"):
        said = str(await trying(f"open({str(path)!r}, 'w')"))
        assert said.startswith(("PermissionError", "FileNotFoundError", "OSError")), f"{path}: {said}"
    for folder in ("None", "'/dev/shm'", "os.environ['HOME']"):
        code = f"import os, tempfile; f = tempfile.NamedTemporaryFile(dir={folder}); result = f.write(b'x')"
        assert await trying(code) == 1


@pytest.mark.skipif(
    any(Path(prefix).is_relative_to(tempfile.gettempdir()) for prefix in (sys.prefix, sys.base_prefix)),
    reason="the interpreter lies where models would have temporary files",
)
async def test_its_folder_for_temporary_files_is_its_own(ask: Ask) -> None:
    """Unless something that it needs lies there: then it has that and no more."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as elsewhere:
        Path(elsewhere).chmod(0o755)
        driver = ProcessDriver(DeploySettings(), Path(elsewhere))
        package = Path(elsewhere) / "package"
        (package / "model").mkdir(parents=True)
        (package / "model" / "model.py").write_text(textwrap.dedent(TRIES))
        python = Path(sys.executable)
        limits = Limits(512 * MIB, threads=1)
        spec = RunSpec("elsewhere", package, {}, python, "", python.parent.parent, limits)
        try:
            fleet = await driver.fleet(spec, lambda *_: None)
            await fleet.scale(1)
            while not fleet.ready:
                await fleet.changed()
            code = "import os; open('/tmp/of-a-model', 'w').write('x'); result = os.listdir('/tmp')"
            assert await ask(fleet.ready[0], code) == ["of-a-model"]
        finally:
            await driver.close()
    assert not (Path(tempfile.gettempdir()) / "of-a-model").exists()


async def test_it_reaches_no_network_and_no_program_of_this_machine(
    trying: Callable[[str], Awaitable[Any]], tmp_path: Path
) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    path = tmp_path / "listening"
    local = socket.socket(socket.AF_UNIX)
    local.bind(str(path))
    local.listen()
    with listener, local:
        for code in (
            f"import socket; socket.create_connection(('127.0.0.1', {listener.getsockname()[1]}), 2)",
            f"import socket; socket.socket(socket.AF_UNIX).connect({str(path)!r})",
            "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 53))",
            "import socket; socket.create_server(('127.0.0.1', 0))",
        ):
            assert str(await trying(code)).startswith("PermissionError"), code


async def test_with_network_it_reaches_the_network_and_still_no_program_of_this_machine(
    load: Load, ask: Ask, tmp_path: Path
) -> None:
    replica = await load(TRIES, network=True)
    assert replica.loaded.isolation.missing == {}
    path = tmp_path / "listening"
    listener, local = socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_UNIX)
    local.bind(str(path))
    local.listen()
    with listener, local:
        code = "import socket; socket.create_connection(('127.0.0.1', {}), 2); result = 'there'"
        assert await ask(replica, code.format(listener.getsockname()[1])) == "there"
        code = f"import socket; socket.socket(socket.AF_UNIX).connect({str(path)!r})"
        assert (await ask(replica, code)).startswith("PermissionError")


async def test_it_touches_no_other_process(trying: Callable[[str], Awaitable[Any]]) -> None:
    for code in (
        f"import os; os.kill({os.getpid()}, 0)",
        "import os; os.kill(1, 0)",
        "import os; os.setuid(0)",
        "import os; os.setresuid(0, 0, 0)",
    ):
        assert str(await trying(code)).startswith("PermissionError"), code
    # ptrace of the parent, unshare of a user namespace, mount, bpf: by number, as only code in C would.
    for number, arguments in (
        (101, "16, 1, 0, 0"),
        (272, "0x10000000"),
        (165, "0, 0, 0, 0, 0"),
        (321, "0, 0, 0"),
    ):
        if os.uname().machine == "x86_64":
            code = f"import ctypes; result = ctypes.CDLL(None).syscall({number}, {arguments})"
            assert await trying(code) == -1


async def test_threads_and_programs_work(trying: Callable[[str], Awaitable[Any]]) -> None:
    said = await trying(
        "import subprocess; result = subprocess.check_output(['/bin/echo', 'here'], text=True)"
    )
    assert said == "here\n"
    code = "import concurrent.futures as c; result = list(c.ThreadPoolExecutor(4).map(abs, [-1, -2]))"
    assert await trying(code) == [1, 2]


async def test_many_processes_end_with_the_model(run: Run, ask: Ask) -> None:
    """A fork bomb is stopped by the limit, or by the watch where the system does not count."""
    fleet = await run(TRIES)
    code = """
import os, time
made = 0
try:
    while made < 1000:
        if os.fork() == 0:
            os.setsid() if made % 2 else os.setpgid(0, 0)
            time.sleep(1000)
            os._exit(0)
        made += 1
except BlockingIOError:
    pass
result = made
"""
    made = await ask(fleet.ready[0], code)
    assert 0 < made <= 64
    await fleet.close()
    left = [pid for pid in Path("/proc").glob("[0-9]*") if str(fleet.spec.folder) in command_line(pid)]
    assert left == []


def command_line(process: Path) -> str:
    try:
        return (process / "cwd").readlink().as_posix()
    except OSError:
        return ""


async def test_memory_over_the_limit_is_an_error_of_the_model(run: Run, ask: Ask) -> None:
    fleet = await run(TRIES, limits=Limits(128 * MIB, threads=1))
    said = await ask(fleet.ready[0], "x = bytearray(2 * 1024**3)")
    assert said.startswith("MemoryError")
    assert await ask(fleet.ready[0], "result = 1") == 1


async def test_memory_of_all_its_processes_counts(run: Run, ask: Ask) -> None:
    fleet = await run(TRIES, limits=Limits(128 * MIB, threads=1))
    code = "import mmap, time; x = mmap.mmap(-1, 256 * 1024**2); x.write(b'1' * len(x)); time.sleep(60)"
    with pytest.raises(ModelLost, match="MiB of memory; the limit is 128 MiB"):
        await ask(fleet.ready[0], code, seconds=30)


async def test_an_endless_call_ends_with_its_process_and_the_next_is_served(run: Run, ask: Ask) -> None:
    fleet = await run(TRIES)
    with pytest.raises(ModelTooSlow, match=r"no answer within 0\.2 s"):
        await ask(fleet.ready[0], "while True: pass", seconds=0.2)
    async with asyncio.timeout(20):
        while not fleet.ready:
            await fleet.changed()
    assert fleet.restarts == 1
    assert await ask(fleet.ready[0], "result = 2") == 2


async def test_an_endless_asynchronous_call_ends_alone(run: Run, ask: Ask) -> None:
    fleet = await run(
        """
        import asyncio

        class Model:
            async def predict(self, seconds):
                await asyncio.sleep(seconds)
                return seconds
        """,
        concurrency=2,
    )
    replica = fleet.ready[0]
    other = asyncio.ensure_future(ask(replica, 0.5))
    with pytest.raises(ModelTooSlow):
        await ask(replica, 1000, seconds=0.1)
    assert await other == 0.5
    assert (fleet.restarts, replica.in_flight) == (0, 0)


async def test_a_call_whose_caller_left_still_ends_in_time(
    run: Run, ask: Ask, seen: Callable[..., Awaitable[None]]
) -> None:
    fleet = await run(TRIES)
    left = asyncio.ensure_future(ask(fleet.ready[0], "print('begun')\nwhile True: pass", seconds=0.2))
    await seen(("stdout", "begun", ""))
    left.cancel()
    async with asyncio.timeout(20):
        while not fleet.restarts:
            await fleet.changed()
    assert await asyncio.gather(left, return_exceptions=True)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import os; os._exit(7)", "ended with status 7"),
        ("import ctypes; ctypes.string_at(0)", "Segmentation fault"),
        ("import os; os.closerange(3, 100)", "its process ended"),
    ],
)
async def test_a_crash_in_a_call_is_told_and_the_model_is_started_again(
    run: Run, ask: Ask, code: str, said: str
) -> None:
    fleet = await run(TRIES)
    with pytest.raises(ModelLost, match=said):
        await ask(fleet.ready[0], code)
    async with asyncio.timeout(20):
        while not fleet.ready:
            await fleet.changed()
    assert await ask(fleet.ready[0], "result = 1") == 1


async def test_leaving_by_exit_is_an_error_like_others(load: Load, ask: Ask) -> None:
    replica = await load("import sys\nclass Model:\n    def predict(self, _):\n        sys.exit(3)")
    with pytest.raises(ModelFailed):
        await ask(replica, None)
    with pytest.raises(ModelFailed):
        await ask(replica, None)


FORGE = """
    import os, stat, struct

    class Model:
        def predict(self, frame):
            for each in range(3, 64):
                try:
                    if stat.S_ISSOCK(os.fstat(each).st_mode):
                        os.write(each, bytes.fromhex(frame))
                except OSError:
                    pass
            return 1
"""
"""Writes to the connection itself, which it can find."""


@pytest.mark.parametrize(
    "frame",
    [
        "ffffffff" + "00000001" + "43",  # 4 GiB
        "00000000" + "00000063" + "43",  # answers a call that nobody made
        "00000000" + "00000000" + "ff",  # no kind
        "00000002" + "00000001" + "43" + "ffff",  # an answer that is none
        "00000002" + "00000000" + "42" + "7b7d",  # loaded once more
        "47" * 4000,
    ],
)
async def test_frames_that_make_no_sense_end_the_process(run: Run, ask: Ask, frame: str) -> None:
    fleet = await run(FORGE)
    with pytest.raises(ModelLost, match="does not keep to the protocol"):
        await ask(fleet.ready[0], frame)


async def test_what_it_prints_without_end_slows_it_alone(
    run: Run, ask: Ask, printed: list[tuple[str, str, str]]
) -> None:
    fleet = await run(TRIES)
    replica = fleet.ready[0]
    with pytest.raises(ModelTooSlow):
        await ask(replica, "while True: print('x' * 2000)", seconds=0.3)
    assert 10 < len(printed) < 3000


async def test_a_huge_answer_past_the_limit_of_the_runner_is_refused(run: Run) -> None:
    """Even where the model gets around the runner's own check."""
    fleet = await run(
        """
        import sys

        class Model:
            def predict(self, _):
                sys.modules["stentor_deploy.runner.pipeline"].Pipeline._packed = lambda self, value, **_: (
                    b"\\0" * 8 * 1024**2
                )
                return 1
        """,
        limits=Limits(512 * MIB, threads=1, answer_bytes=MIB),
    )
    replica = fleet.ready[0]
    await replica.predict(Payload(b"1"), seconds=10)
    with pytest.raises(ModelLost, match="does not keep to the protocol"):
        await replica.predict(Payload(b"1"), seconds=10)


async def test_what_it_writes_is_bounded(trying: Callable[[str], Awaitable[Any]]) -> None:
    code = "import os; f = open(os.environ['HOME'] + '/big', 'wb'); f.write(bytes(32 * 1024**2)); f.flush()"
    assert "File too large" in str(await trying(code))


@pytest.mark.parametrize("source", ["import time\ntime.sleep(1000)", "while True: pass"])
async def test_a_load_without_end_is_given_up(run: Run, source: str) -> None:
    fleet = await run(source, load_seconds=0.5)
    assert isinstance(fleet.trouble, LoadFailed)
    assert "did not load within 0.5 s" in fleet.trouble.message
