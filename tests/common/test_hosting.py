"""An engine in a child process answers calls, and gives values one by one."""

import os
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from stentor_common.engines import EngineLost
from stentor_common.errors import BadInput
from stentor_common.hosting import ChildProcess, EngineFault, resident_bytes

pytestmark = pytest.mark.live

HERE = Path(__file__).parent


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    return tmp_path / "notes"


@pytest.fixture
def child(notes: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ChildProcess]:
    found = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(HERE), found])))
    process = ChildProcess("hosted_counter:Counter", str(notes))
    yield process
    process.end()


def test_values_come_one_by_one(child: ChildProcess) -> None:
    assert list(child.stream("count", 3)) == [1, 2, 3]
    assert child.call("double", 4) == 8


def test_a_reader_that_has_enough_ends_the_generator(child: ChildProcess, notes: Path) -> None:
    with closing(child.stream("count", 10_000_000)) as numbers:
        assert next(numbers) == 1
    assert notes.read_text() == "closed"
    assert child.call("double", 4) == 8


def test_what_a_generator_raises_comes_after_its_values(child: ChildProcess) -> None:
    numbers = child.stream("until", 3)
    assert [next(numbers), next(numbers)] == [1, 2]
    with pytest.raises(BadInput, match="no further than 3"):
        next(numbers)
    assert child.call("double", 4) == 8


def test_an_error_of_the_engine_itself_tells_where_it_was(child: ChildProcess) -> None:
    with pytest.raises(EngineFault, match="TypeError") as raised:
        child.call("double")
    assert "Traceback" in raised.value.__notes__[0]


def test_a_child_that_ends_is_missed(child: ChildProcess) -> None:
    with pytest.raises(EngineLost, match="status 3"):
        child.call("vanish")


def test_another_interpreter_may_run_it(notes: Path) -> None:
    process = ChildProcess("builtins:complex", 1, 2, python=Path(sys.executable))
    try:
        assert process.call("conjugate") == complex(1, -2)
        assert resident_bytes(process.pid)
    finally:
        process.end()
