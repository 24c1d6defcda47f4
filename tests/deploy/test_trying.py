"""Trying a revision: what its examples say, and whether its calls may be joined."""

import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

from stentor_deploy.errors import LoadFailed
from stentor_deploy.packages import Format, Package
from stentor_deploy.running import Limits, RunSpec
from stentor_deploy.testing import FunctionDriver, Model, no_lines
from stentor_deploy.trials import Batching, Trial
from stentor_deploy.trying import Tryout, alike, put_together


async def tried(
    model: Model, *, allow_mismatch: bool = False, most_joined: int = 32, **package: Any
) -> Trial:
    revision = uuid.uuid4()
    here = Path(sys.executable).parent
    spec = RunSpec(
        revision=str(revision),
        folder=here,
        config={},
        python=Path(sys.executable),
        environment="none",
        environment_folder=here,
        limits=Limits(memory_bytes=2**30, threads=1),
    )
    driver = FunctionDriver({revision: model})
    tryout = Tryout(most_joined=most_joined, seconds=5)
    read = Package(format=Format.folder, config={}, **package)
    fleet = await driver.fleet(spec, no_lines(revision))
    try:
        trial, _ = await tryout.run(fleet, read, allow_mismatch=allow_mismatch)
    finally:
        await fleet.close()
    return trial


def squares(rows: list[float]) -> list[float]:
    return [row * row for row in rows]


def columns(rows: list[float]) -> dict[str, Any]:
    return {"predictions": [row > 0 for row in rows], "scores": [[row, -row] for row in rows]}


def shares(rows: list[float]) -> list[float]:
    """What a row gets depends on the others."""
    return [row / sum(rows) for row in rows]


def largest(rows: list[float]) -> float:
    return max(rows)


@pytest.mark.parametrize("model", [squares, columns])
@pytest.mark.parametrize("examples", [([1.0, 2.0],), ([1.0], [2.0])])
async def test_calls_are_joined_where_rows_are_answered_each_by_itself(
    model: Model, examples: tuple[Any, ...]
) -> None:
    trial = await tried(model, examples=examples)
    assert (trial.batch, trial.batching) == (32, Batching.proved)


@pytest.mark.parametrize("model", [shares, largest, len, str])
async def test_calls_are_not_joined_where_rows_see_each_other(model: Model) -> None:
    trial = await tried(model, examples=([1.0, 2.0],))
    assert (trial.batch, trial.batching) == (1, Batching.unlike)


@pytest.mark.parametrize("examples", [(), ([1.0],), ([1.0], [1.0]), ({"a": 1}, {"a": 2}), ([1.0, 2.0], 3)])
async def test_without_two_different_rows_nothing_is_known(examples: tuple[Any, ...]) -> None:
    trial = await tried(lambda asked: asked, examples=examples)
    assert (trial.batch, trial.batching) == (1, Batching.untried)


async def test_what_a_package_says_of_joining_is_believed() -> None:
    assert (await tried(squares, batch=8)).batch == 8
    assert (await tried(squares, batch=64, most_joined=16)).batch == 16
    refused = await tried(squares, batch=1, examples=([1.0, 2.0],))
    assert (refused.batch, refused.batching) == (1, Batching.off)


async def test_the_answer_to_an_example_must_be_the_expected_one() -> None:
    examples: dict[str, Any] = {"examples": ([1.0, 2.0],), "expected": ([1.0, 4.1],)}
    with pytest.raises(LoadFailed, match=r"example 1 was answered with \[1.0, 4.0\]") as raised:
        await tried(squares, **examples)
    assert raised.value.code == "unexpected_answer"
    trial = await tried(squares, allow_mismatch=True, **examples)
    assert [note.code for note in trial.notes] == ["unexpected_answer"]
    assert trial.examples[0].expected is False


async def test_an_example_that_fails_keeps_the_model_from_its_calls() -> None:
    with pytest.raises(LoadFailed, match="example 2 failed: TypeError"):
        await tried(squares, examples=([1.0], ["x"]))


async def test_long_answers_are_not_kept() -> None:
    [example] = (await tried(lambda asked: asked * 10_000, examples=("x",))).examples
    assert (example.output, example.kept) == (None, False)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (1, 1.00000001, True),
        (1, 1.1, False),
        (0, 1e-12, True),
        (1, True, False),
        (False, False, True),
        ([1, [2.0]], [1, [2.0]], True),
        ([1], [1, 1], False),
        ({"a": 1}, {"a": 1}, True),
        ({"a": 1}, {"b": 1}, False),
        ("a", "a", True),
        (None, 0, False),
        (float("nan"), float("nan"), False),
    ],
)
def test_answers_are_alike_but_for_the_last_digits(one: Any, other: Any, same: bool) -> None:
    assert alike(one, other, 1e-5) is same


@pytest.mark.parametrize(
    ("answers", "joined"),
    [
        ([[1], [2]], [1, 2]),
        ([[[1, 2]], [[3, 4]]], [[1, 2], [3, 4]]),
        ([{"a": [1], "b": ["x"]}, {"a": [2], "b": ["y"]}], {"a": [1, 2], "b": ["x", "y"]}),
        ([{"a": [1]}, {"b": [2]}], None),
        ([{"a": 1}, {"a": 1}], None),
        ([[1, 2], [3, 4]], None),
        ([1, 2], None),
        ([{}, {}], None),
    ],
)
def test_answers_to_single_rows_are_put_together(answers: list[Any], joined: Any) -> None:
    assert put_together(answers) == joined
