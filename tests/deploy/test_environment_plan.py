"""What is asked of the resolver, and what is given up when it cannot be had."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest

from stentor_deploy.environments import Wanted
from stentor_deploy.environments.plan import Plan, planned, relaxed
from stentor_deploy.environments.pythons import Interpreter, choices
from stentor_deploy.environments.requirements import read_requirements
from stentor_deploy.errors import BuildFailed

TODAY = date(2026, 5, 1)
THEN = date(2023, 8, 1)


def plan(wanted: Wanted, *, builds: Sequence[str] = ()) -> Plan:
    asked = read_requirements(wanted.requirements).requirements
    return planned(wanted, asked, own_builds=builds, today=TODAY)


def codes(found: Plan) -> list[str]:
    return [note.code for note in found.notes]


def pickled(*requirements: str, version: str = "1.3.0", anyway: bool = False) -> Wanted:
    return Wanted(requirements, pickled_with=(("scikit_learn", version),), allow_mismatch=anyway)


def test_a_library_gets_the_version_that_the_model_was_saved_with() -> None:
    found = plan(pickled("scikit-learn>=1"))
    assert found.requirements == ("scikit-learn>=1", "scikit-learn==1.3.0")
    assert "version_of_pickle" in codes(found)


def test_a_library_that_only_the_model_names_is_added() -> None:
    assert plan(pickled()).requirements == ("scikit-learn==1.3.0",)


def test_requirements_that_agree_with_the_model_stay_as_they_are() -> None:
    assert plan(pickled("Scikit_Learn==1.3.0")).requirements == ("Scikit_Learn==1.3.0",)


def test_requirements_that_contradict_the_model_are_refused_with_both_versions() -> None:
    with pytest.raises(BuildFailed, match=r"scikit-learn 1\.3\.0.*`scikit-learn==1\.7\.2`.*allow_mismatch"):
        plan(pickled("scikit-learn==1.7.2"))


def test_another_version_than_the_models_may_be_allowed() -> None:
    assert plan(pickled("scikit-learn==1.7.2", anyway=True)).requirements == ("scikit-learn==1.7.2",)
    assert plan(pickled(anyway=True)).requirements == ("scikit-learn",)


def test_a_build_of_the_models_version_is_that_version() -> None:
    wanted = Wanted(("torch==2.13.0+cpu",), pickled_with=(("torch", "2.13.0"),))
    assert plan(wanted).requirements == ("torch==2.13.0+cpu",)


@pytest.mark.parametrize("version", ["1.0; import os", "-r /etc/passwd", "", "latest"])
def test_a_version_that_is_none_is_not_believed(version: str) -> None:
    assert plan(pickled("scikit-learn", version=version)).requirements == ("scikit-learn",)


@pytest.mark.parametrize(
    ("imports", "left"),
    [
        ({"torch"}, ("torch==2.13.0",)),
        ({"torch", "torchaudio"}, ("torch==2.13.0", "torchaudio")),
        ({"torch", "transformers"}, ("torch==2.13.0", "torchaudio", "torchvision")),
        (set(), ("torch==2.13.0", "torchaudio", "torchvision")),
    ],
)
def test_companions_of_torch_are_left_out_when_it_is_known_that_nothing_imports_them(
    imports: set[str], left: tuple[str, ...]
) -> None:
    wanted = Wanted(("torch==2.13.0", "torchaudio", "torchvision"), imports=frozenset(imports))
    assert plan(wanted).requirements == left


def test_companions_of_a_version_are_meant() -> None:
    wanted = Wanted(("torch", "torchaudio==2.11.0"), imports=frozenset({"torch"}))
    assert plan(wanted).requirements == wanted.requirements


@pytest.mark.parametrize(
    ("requirements", "constraints"),
    [
        (("scikit-learn==1.3.0",), ("numpy<2",)),
        (("scikit-learn==1.3.0", "numpy"), ("numpy<2",)),
        (("scikit-learn==1.3.0", "numpy==2.0.0"), ()),
        (("scikit-learn==1.5.0",), ()),
        (("scikit-learn",), ()),
    ],
)
def test_wheels_of_the_time_of_numpy_1_get_it(
    requirements: tuple[str, ...], constraints: tuple[str, ...]
) -> None:
    assert plan(Wanted(requirements)).constraints == constraints


@pytest.mark.parametrize(
    ("requirements", "made_on", "before"),
    [
        (("scikit-learn",), THEN, THEN),
        (("scikit-learn", "numpy==1.25.0"), THEN, THEN),
        (("scikit-learn==1.3.0",), THEN, None),
        (("scikit-learn",), TODAY, None),
        (("scikit-learn",), None, None),
        (("scikit-learn",), date(1980, 1, 1), None),
    ],
)
def test_without_a_version_that_of_the_packages_day_is_meant(
    requirements: tuple[str, ...], made_on: date | None, before: date | None
) -> None:
    assert plan(Wanted(requirements, made_on=made_on)).before == before


def test_builds_that_the_operator_laid_out_are_preferred_where_they_contradict_nothing() -> None:
    builds = ["torch==2.13.0+cpu"]
    assert plan(Wanted(("torch",)), builds=builds).own_builds == ("torch==2.13.0+cpu",)
    assert plan(Wanted(("torch>=2,<3",)), builds=builds).own_builds == ("torch==2.13.0+cpu",)
    assert plan(Wanted(("torch==2.12.0",)), builds=builds).own_builds == ()


def test_a_build_that_is_nowhere_is_given_up_first() -> None:
    first = plan(Wanted(("torch==2.13.0+cu999", "numpy"), made_on=THEN))
    second = relaxed(first, "there is no version of torch==2.13.0+cu999 and you require it")
    assert second is not None
    assert second.requirements == ("torch==2.13.0", "numpy")
    assert second.before == THEN
    assert "build_not_found" in codes(second)


def test_then_builds_of_the_operator_are_given_up_and_then_the_day() -> None:
    first = plan(Wanted(("torch",), made_on=THEN), builds=["torch==2.13.0+cpu"])
    words = "you require torch and torch==2.13.0+cpu is not for you"
    second = relaxed(first, words)
    assert second is not None
    assert (second.own_builds, second.before) == ((), THEN)
    third = relaxed(second, words)
    assert third is not None
    assert third.before is None
    assert "date_not_used" in codes(third)
    assert relaxed(third, words) is None


def interpreters(*versions: tuple[int, int]) -> list[Interpreter]:
    return [Interpreter(Path(f"/python{minor}"), (major, minor), "linux") for major, minor in versions]


HERE = interpreters((3, 11), (3, 9), (3, 13))


@pytest.mark.parametrize(
    ("python", "tried"),
    [
        (None, ["3.11", "3.9", "3.13"]),
        ("3.9", ["3.9"]),
        ("3.9.18", ["3.9"]),
        ("3.8", ["3.9", "3.11", "3.13"]),
        ("3.10", ["3.11", "3.13", "3.9"]),
        ("3.14", ["3.13", "3.11", "3.9"]),
    ],
)
def test_python_is_the_version_asked_for_or_the_nearest_newer_one(
    python: str | None, tried: list[str]
) -> None:
    found = choices(Wanted((), python=python), HERE)
    assert [interpreter.python for interpreter, _ in found] == tried
    as_asked = {python, "3.9" if python == "3.9.18" else None, "3.11" if python is None else None}
    assert all(bool(notes) == (interpreter.python not in as_asked) for interpreter, notes in found)


def test_who_insists_on_a_python_gets_that_or_none() -> None:
    insisting = Wanted((), python="3.9", strict_python=True)
    assert [interpreter.python for interpreter, _ in choices(insisting, HERE)] == ["3.9"]
    with pytest.raises(BuildFailed, match=r"3\.8.*3\.9, 3\.11, 3\.13.*STENTOR_DEPLOY_PYTHON"):
        choices(Wanted((), python="3.8", strict_python=True), HERE)


@pytest.mark.parametrize("python", ["2.7", "pypy", "3", "4.0", "../3.11"])
def test_a_python_that_is_none_is_refused(python: str) -> None:
    with pytest.raises(BuildFailed, match="none that is known"):
        choices(Wanted((), python=python), HERE)
