"""Sequence-to-sequence models in CTranslate2's format, made once of those in the format of transformers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any
from uuid import uuid4

WEIGHTS = "model.bin"
QUANTIZATION = "int8"
"""How the weights are kept; the engine may compute in another format."""

_NORMALIZES_FIRST = {"bart": False, "mbart": True, "pegasus": True}
_NORMALIZES_EMBEDDING = {"bart": True, "mbart": True, "pegasus": False}
"""What configs of these models no longer say in transformers 5, and the converter asks for."""


def converted(source: Path, models: Path) -> Path:
    """The folder of the converted model, below `models`; made the first time, and again when the weights
    have changed. Raises ValueError for a kind of model that cannot be converted."""
    target = models / ".converted" / f"{source.name}-{_fingerprint(source)}"
    if (target / WEIGHTS).is_file():
        return target
    partial = target.with_name(f".{target.name}-{uuid4().hex}")
    partial.parent.mkdir(parents=True, exist_ok=True)
    try:
        _convert(source, partial)
        if not (target / WEIGHTS).is_file():
            # Whoever was quicker has made the same.
            shutil.rmtree(target, ignore_errors=True)
            partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target


def _fingerprint(source: Path) -> str:
    """Changes with the weights."""
    states = [each.stat() for each in sorted(source.iterdir()) if each.suffix in (".safetensors", ".bin")]
    return f"{sum(each.st_size for each in states):x}-{max(each.st_mtime_ns for each in states):x}"


def _convert(source: Path, target: Path) -> None:
    # Here, as it brings torch, which a model that is converted already does without.
    from ctranslate2.converters import TransformersConverter

    class Converter(TransformersConverter):  # type: ignore[misc]
        def load_model(self, model_class: Any, model_name_or_path: str, **arguments: Any) -> Any:
            model = super().load_model(model_class, model_name_or_path, **arguments)
            kind = model.config.model_type
            for name, known in (
                ("normalize_before", _NORMALIZES_FIRST),
                ("normalize_embedding", _NORMALIZES_EMBEDDING),
            ):
                if kind in known and not hasattr(model.config, name):
                    setattr(model.config, name, known[kind])
            return model

    Converter(str(source)).convert(str(target), quantization=QUANTIZATION)
    _name_tokens(target / "config.json", source)


def _name_tokens(config: Path, source: Path) -> None:
    """Models whose tokenizer calls its tokens otherwise get the names that the library insists on."""
    found = json.loads(config.read_text())
    tokenizer = json.loads((source / "tokenizer_config.json").read_text())
    for name, other in (("eos_token", "sep_token"), ("bos_token", "cls_token")):
        if found.get(name, "") is None:
            token = tokenizer.get(other)
            found[name] = token["content"] if isinstance(token, dict) else token
    config.write_text(json.dumps(found))
