"""Who may import whom, and what must not be loaded by importing."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMON = "stentor_common"
MAY_IMPORT = {
    COMMON: set(),
    "stentor_auth": {COMMON},
    "stentor_stt": {COMMON},
    "stentor_tts": {COMMON},
    "stentor_summarize": {COMMON},
    "stentor_pipelines": {COMMON},
    "stentor_deploy": {COMMON},
    "stentor_allinone": {
        COMMON,
        "stentor_auth",
        "stentor_stt",
        "stentor_tts",
        "stentor_summarize",
        "stentor_pipelines",
        "stentor_deploy",
    },
    "stentor_dev": set(),
}
PURE = ["stentor_stt/transcript.py", "stentor_stt/subtitles.py", "stentor_stt/voices/turns.py"]
"""Rules of the domain: the standard library and each other."""

HEAVY = (
    "torch",
    "transformers",
    "faster_whisper",
    "ctranslate2",
    "av",
    "numpy",
    "onnxruntime",
    "minio",
    "aio_pika",
    "asyncpg",
)
COMPOSE = f"""
import sys
from stentor_allinone.compose import AllSettings, compose
from stentor_common.host import create_app
import stentor_allinone.main, stentor_allinone.up, stentor_stt.__main__, stentor_tts.__main__
import stentor_auth.__main__, stentor_summarize.__main__, stentor_pipelines.__main__, stentor_deploy.__main__
compose(AllSettings.read(data_dir=sys.argv[1]))
print(*[name for name in {HEAVY!r} if name in sys.modules])
"""


OTHER_LIBRARIES = ("llamacpp",)
"""Modules of extras that development does not bring."""


def packages() -> dict[str, Path]:
    found = [*ROOT.glob("libs/*/stentor_*"), *ROOT.glob("services/*/stentor_*"), ROOT / "dev" / "stentor_dev"]
    return {path.name: path for path in found}


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            yield str(node.module)


def test_every_package_is_in_the_table() -> None:
    assert packages().keys() == MAY_IMPORT.keys()


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_imports_only_what_it_may(package: str) -> None:
    allowed = MAY_IMPORT[package] | {package}
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in packages()[package].rglob("*.py")
        for name in imported(path)
        if name.startswith("stentor_") and name.partition(".")[0] not in allowed
    ]
    assert wrong == []


@pytest.mark.parametrize("name", PURE)
def test_rules_of_the_domain_stand_on_the_standard_library(name: str) -> None:
    package, _, _ = name.partition("/")
    known = {*sys.stdlib_module_names, package}
    path = packages()[package].parent / name
    assert {found.partition(".")[0] for found in imported(path)} <= known


def test_starting_loads_no_model_library_and_no_driver(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", COMPOSE, tmp_path], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout.split() == []


def test_importing_reads_no_settings() -> None:
    """Settings are built at the edge: a bad variable must not break an import."""
    names = [
        f"{name}.{path.relative_to(folder).with_suffix('')}".replace("/", ".")
        for name, folder in packages().items()
        for path in folder.rglob("*.py")
        if path.stem not in ("__init__", "__main__", "tether", *OTHER_LIBRARIES)
    ]
    text = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)"
    environment = {"STENTOR_PORT": "not a number", "STENTOR_STT_MODELS": "not json", "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", text, *names], capture_output=True, text=True, check=False, env=environment
    )
    assert done.stderr == ""


def test_the_folder_of_migrations_is_no_package() -> None:
    """It has the name of the library, and would hide it."""
    assert not (ROOT / "alembic" / "__init__.py").exists()


def test_tests_import_nothing_from_each_other() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in (ROOT / "tests").rglob("*.py")
        for name in imported(path)
        if name.partition(".")[0] in ("tests", "conftest")
    ]
    assert wrong == []
