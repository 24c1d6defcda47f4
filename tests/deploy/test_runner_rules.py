"""The runner's rules that need no process: what it stands on, its frames, lists joined and taken apart."""

import ast
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stentor_deploy.runner import frames
from stentor_deploy.runner.encoding import MOST_NESTED, NotTellable, encode_json
from stentor_deploy.runner.joining import join, take_apart
from stentor_deploy.runner.syscalls import ARCHITECTURES, NUMBERS, build
from stentor_deploy.running.sandbox import RUNNER, may_set

calls = st.builds(
    frames.Call,
    kind=st.integers(0, 2),
    method=st.text("abcdefgh_", min_size=1, max_size=50),
    request_id=st.text("0123456789abcdef-", max_size=50),
    body=st.binary(max_size=100),
)


@pytest.mark.parametrize("path", sorted(RUNNER.glob("*.py")), ids=lambda path: path.name)
def test_it_stands_on_the_standard_library_of_an_old_python(path: Any) -> None:
    tree = ast.parse(path.read_text(), feature_version=(3, 8))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    known = sys.stdlib_module_names
    others = {name for name in names if name.partition(".")[0] not in known}
    assert {name for name in others if not name.startswith("stentor_deploy.runner")} == set()


@given(st.lists(calls, max_size=5))
def test_calls_come_out_as_they_went_in(asked: list[frames.Call]) -> None:
    assert frames.unpack_many(frames.pack_many([frames.pack_call(each) for each in asked])) == asked


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=50)), max_size=5))
def test_outcomes_come_out_as_they_went_in(outcomes: list[tuple[bool, bytes]]) -> None:
    assert frames.unpack_outcomes(frames.pack_outcomes(outcomes)) == outcomes


@given(st.binary(max_size=40))
def test_anything_else_is_refused_or_read_but_never_breaks(body: bytes) -> None:
    for read in (frames.unpack_call, frames.unpack_payload, frames.unpack_many, frames.unpack_outcomes):
        try:
            read(body)
        except ValueError:
            continue


@given(st.lists(st.lists(st.integers(), min_size=1, max_size=4), min_size=1, max_size=5))
def test_what_was_joined_is_given_back_to_whom_it_belongs(inputs: list[list[int]]) -> None:
    asked = [frames.Call(frames.JSON, "predict", "", str(each).encode()) for each in inputs]
    joined = join(asked)
    assert joined is not None
    answers = take_apart(
        {"same": joined.inputs, "text": [str(each) for each in joined.inputs]}, joined.lengths
    )
    assert answers == [{"same": each, "text": [str(number) for number in each]} for each in inputs]


@pytest.mark.parametrize("body", [b"{}", b"[]", b"1", b"[", b'"text"'])
def test_what_is_no_list_is_not_joined(body: bytes) -> None:
    assert join([frames.Call(frames.JSON, "predict", "", body)]) is None


@pytest.mark.parametrize("answer", [3, "ab", {}, [1], [1, 2, 3], {"a": [1, 2], "b": 1}, {1, 2}, None])
def test_an_answer_of_another_shape_is_nobodys_in_particular(answer: Any) -> None:
    assert take_apart(answer, [1, 1]) is None


def test_an_answer_that_holds_itself_is_refused() -> None:
    answer: list[Any] = []
    answer.append(answer)
    with pytest.raises(NotTellable, match=f"more than {MOST_NESTED} deep"):
        encode_json(answer)


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_the_filter_jumps_only_forward_within_itself(machine: str) -> None:
    program = build(machine, network=True, keep_group=True)
    assert len(program) < 4096
    for at, each in enumerate(program):
        assert at + 1 + max(each.yes, each.no) < len(program) or each.code == 0x06
        assert 0 <= each.yes < 256
        assert 0 <= each.no < 256


def test_every_refused_call_has_one_number_for_each_machine() -> None:
    for column in (0, 1):
        numbers = [pair[column] for pair in NUMBERS.values() if pair[column] is not None]
        assert len(set(numbers)) == len(numbers)


def test_a_filter_is_only_made_for_machines_that_are_known() -> None:
    with pytest.raises(KeyError):
        build("riscv64", network=False, keep_group=True)


@pytest.mark.parametrize("name", ["LD_PRELOAD", "PYTHONPATH", "PATH", "HOME", "STENTOR_SECRET", "DYLD_X"])
def test_a_package_cannot_set_variables_that_others_rely_on(name: str) -> None:
    assert not may_set(name)
