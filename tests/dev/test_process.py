"""A program runs as a direct child: watched, ended when asked, and never without the one that started it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from stentor_dev.process import Child, Command, StartFailed, free_port

SLEEPER = ("sleep", "1000")
STUBBORN = (
    sys.executable,
    "-uc",
    "import signal, time; signal.signal(15, signal.SIG_IGN); print(1); time.sleep(99)",
)
STARTER = """
import os, sys, threading
from pathlib import Path
from stentor_dev.process import Child, Command

def start():
    command = Command(("sleep", "1000"), directory=Path(sys.argv[1]), environment=os.environ)
    print(Child(command).pid, flush=True)

thread = threading.Thread(target=start)
thread.start()
thread.join()
sys.stdin.read()
"""


def command(folder: Path, *words: str) -> Command:
    return Command(words, directory=folder, environment=os.environ)


def test_a_program_that_ends_early_is_reported_with_its_log(tmp_path: Path) -> None:
    child = Child(command(tmp_path, sys.executable, "-c", "print('no such model'); exit(3)"))
    with pytest.raises(StartFailed, match=r"(?s)ended with 3.*no such model"):
        child.wait_until(lambda: False)


def test_a_program_that_is_never_ready_is_killed(tmp_path: Path) -> None:
    child = Child(command(tmp_path, *SLEEPER))
    with pytest.raises(StartFailed, match="took too long"):
        child.wait_until(lambda: False, timeout_seconds=0.1)
    assert not child.running


def test_a_missing_program_is_reported(tmp_path: Path) -> None:
    with pytest.raises(StartFailed, match="no-such-program"):
        Child(command(tmp_path, "no-such-program")).wait_for_success()


def test_a_program_that_ignores_the_request_is_killed(tmp_path: Path) -> None:
    child = Child(command(tmp_path, *STUBBORN))
    child.wait_until(lambda: child.log_tail() == "1\n")
    child.stop(patience_seconds=0.1)
    assert not child.running


def test_what_a_program_started_ends_with_it(tmp_path: Path) -> None:
    child = Child(command(tmp_path, "sh", "-c", "setsid sleep 1000 & echo $!; wait"))
    child.wait_until(lambda: child.log_tail().endswith("\n"))
    grandchild = psutil.Process(int(child.log_tail()))
    child.kill()
    assert is_gone(grandchild)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent is gone")
def test_a_child_dies_with_the_program_that_started_it_and_not_with_the_thread(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STARTER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as starter:
        assert starter.stdout
        child = psutil.Process(int(starter.stdout.readline()))
        Child(command(tmp_path / "pause", "sleep", "0.3")).wait_for_success()
        assert child.is_running()
        starter.send_signal(signal.SIGKILL)
        starter.wait()
    Child(command(tmp_path / "pause", "sleep", "0.3")).wait_for_success()
    assert is_gone(child)


def is_gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_no_port_is_given_out_twice() -> None:
    ports = [free_port() for _ in range(200)]
    assert len(set(ports)) == len(ports)
