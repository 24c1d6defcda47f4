"""For tests of the whole of deployments where no process is to be started: packages are opened as ever, and
their `model.py` runs in this process."""

import asyncio
import gzip
import hashlib
import importlib.util
import inspect
import io
import sys
import tarfile
from collections.abc import Collection, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from stentor_common.errors import AppError
from stentor_deploy.environments import Environment, Lock, Tell, Wanted
from stentor_deploy.errors import BuildFailed, LoadFailed
from stentor_deploy.place import Opened
from stentor_deploy.running import LogLine, RunSpec
from stentor_deploy.testing import FunctionDriver, FunctionFleet, Model

DOUBLING = """
class Model:
    def predict(self, model_input):
        return [2 * each for each in model_input]
"""


class PackageDriver(FunctionDriver):
    """Runs the class `Model` of each package, whose `predict` may be a generator."""

    def __init__(self) -> None:
        super().__init__()
        self.specs: list[RunSpec] = []
        """What was asked to run, oldest first."""

    async def fleet(self, spec: RunSpec, tell: LogLine) -> FunctionFleet:
        self.specs.append(spec)
        self.trouble = None
        try:
            loaded = _loaded(spec, tell)
            methods = inspect.getmembers(loaded, inspect.ismethod)
            own = {
                name: method for name, method in methods if name[0] != "_" and name not in ("load", "predict")
            }
            self.models[spec.revision], self.methods[spec.revision] = loaded.predict, own
        except AppError as error:
            self.trouble = error
        except Exception as error:
            self.trouble = LoadFailed(f"{type(error).__name__}: {error}", details="Traceback: …")
        return await super().fleet(spec, tell)

    def model_of(self, spec: RunSpec) -> tuple[Model, Mapping[str, Model]]:
        return self.models.get(spec.revision, _no_model), self.methods.get(spec.revision, {})


class NoEnvironments:
    """Takes every requirement but `unknown-library`, and makes nothing. `gate` holds it back."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.removed: list[Collection[str]] = []
        """What was named to be kept, each time that others could be removed."""
        self.crashes = 0
        """So often a defect ends what is being resolved."""

    async def resolve(self, wanted: Wanted, tell: Tell) -> Lock:
        tell("resolving")
        await self.gate.wait()
        if self.crashes:
            self.crashes -= 1
            raise RuntimeError("a defect")
        if "unknown-library" in wanted.requirements:
            raise BuildFailed("there is no package unknown-library; is its name right?")
        lines = tuple(sorted(wanted.requirements))
        key = hashlib.sha256("\n".join(lines).encode()).hexdigest()
        return Lock(python=wanted.python or "3.11", platform="test", lines=lines, key=key)

    async def ensure(self, lock: Lock, tell: Tell) -> Environment:
        tell("the environment is there")
        return Environment(lock.key, Path(sys.prefix), Path(sys.executable))

    async def compile(self, environment: Environment, modules: Collection[str]) -> object:
        return None

    async def remove_unused(self, keys_in_use: Collection[str], older_than: timedelta) -> object:
        self.removed.append(keys_in_use)
        return None


def place() -> Opened:
    return Opened(PackageDriver(), NoEnvironments())


def package(code: str = DOUBLING, **files: Any) -> bytes:
    """A packed folder with `model/model.py`, and further files by their paths: text."""
    return packed({"model/model.py": code, **files})


def packed(files: Mapping[str, str]) -> bytes:
    """A packed folder of texts by their paths: of the same files the same bytes, at any time."""
    written = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=written, mode="wb", mtime=0) as squeezed,
        tarfile.open(fileobj=squeezed, mode="w") as archive,
    ):
        for path, text in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return written.getvalue()


def _no_model(_asked: Any) -> Any:
    """Of a revision that was not loaded: a fleet that ends looks for it once more."""


def _loaded(spec: RunSpec, tell: LogLine) -> Any:
    path = spec.folder / spec.config.get("model_module_dir", "model") / "model.py"
    found = importlib.util.spec_from_file_location(f"model_{spec.revision}", path)
    assert found
    assert found.loader
    module = importlib.util.module_from_spec(found)
    module.__dict__["print"] = lambda *words: tell("stdout", " ".join(map(str, words)), "")
    found.loader.exec_module(module)
    parameters = inspect.signature(module.Model).parameters
    known = {"secrets": spec.secrets, "config": spec.config, "data_dir": spec.folder / "data"}
    model = module.Model(**{name: value for name, value in known.items() if name in parameters})
    if hasattr(model, "load"):
        model.load()
    return model
