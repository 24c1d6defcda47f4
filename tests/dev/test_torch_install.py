"""CUDA is not fetched for a machine without a GPU; with real pip, on packages that the test makes."""

import sys
import zipfile
from pathlib import Path

import pytest

from stentor_dev.torch_install import install, main

pytestmark = pytest.mark.live


def wheel(folder: Path, name: str, *needs: str) -> None:
    """A package with nothing in it but what it needs."""
    info = f"{name}-1.0.dist-info"
    metadata = "\n".join(
        [
            "Metadata-Version: 2.1",
            f"Name: {name}",
            "Version: 1.0",
            *(f"Requires-Dist: {need}" for need in needs),
        ]
    )
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as packed:
        packed.writestr(f"{info}/METADATA", metadata + "\n")
        packed.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        packed.writestr(f"{info}/RECORD", "")


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    folder = tmp_path / "wheels"
    folder.mkdir()
    wheel(folder, "nvidia_cublas")
    wheel(folder, "cudatorch", "nvidia-cublas")
    wheel(folder, "cputorch", "sympathy")
    wheel(folder, "sympathy")
    return folder


def arguments(wheels: Path, target: Path, package: str) -> list[str]:
    return ["--isolated", "--no-index", "--find-links", str(wheels), "--target", str(target), package]


def command(wheels: Path, target: Path, package: str) -> list[str]:
    return [sys.executable, "-m", "pip", "install", *arguments(wheels, target, package)]


def installed(target: Path) -> set[str]:
    return {each.name.partition("-")[0] for each in target.glob("*.dist-info")}


def test_cuda_is_not_installed_without_a_device(wheels: Path, tmp_path: Path) -> None:
    assert install(command(wheels, tmp_path / "there", "cudatorch"), cuda=False) is None
    assert installed(tmp_path / "there") == set()


def test_cuda_is_installed_where_there_is_a_device(wheels: Path, tmp_path: Path) -> None:
    assert install(command(wheels, tmp_path / "there", "cudatorch"), cuda=True) == 0
    assert installed(tmp_path / "there") == {"cudatorch", "nvidia_cublas"}


def test_a_build_for_the_cpu_is_installed_and_leaves_an_empty_note(wheels: Path, tmp_path: Path) -> None:
    note = tmp_path / "note"
    assert main([str(note), "--required", "--", *arguments(wheels, tmp_path / "there", "cputorch")]) == 0
    assert installed(tmp_path / "there") == {"cputorch", "sympathy"}
    assert note.read_text() == ""


@pytest.mark.parametrize(("required", "status"), [([], 0), (["--required"], 1)])
def test_what_is_left_out_is_noted_with_what_to_do(
    wheels: Path, tmp_path: Path, required: list[str], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As on a machine without the driver's program.
    monkeypatch.setenv("PATH", "")
    note = tmp_path / "note"
    assert main([str(note), *required, "--", *arguments(wheels, tmp_path / "there", "cudatorch")]) == status
    assert "make summaries TORCH_INDEX=" in note.read_text()


def test_what_pip_cannot_find_is_a_failure_without_note(wheels: Path, tmp_path: Path) -> None:
    note = tmp_path / "note"
    assert main([str(note), "--", *arguments(wheels, tmp_path / "there", "nosuch")]) != 0
    assert not note.exists()
