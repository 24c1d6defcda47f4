"""A model that PyTorch saved with its code: TorchScript, or a package of `torch.package`."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any


class Model:
    """Takes a nested list of numbers, which becomes one tensor in the type of the model's weights, or
    `{"inputs": [...]}`; a list of whole numbers stays one for models that begin with an embedding. Several
    arguments come by their names.

    Answers `{"predictions": ...}`: a list, one list for each of several outputs, or lists by name.
    """

    def __init__(self, config: dict[str, Any], data_dir: Path) -> None:
        self._metadata = config["model_metadata"]
        self._path = data_dir / self._metadata["model_file"]

    def load(self) -> None:
        torch: Any = importlib.import_module("torch")
        self._torch = torch
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        if "torch_package" in self._metadata:
            importer = importlib.import_module("torch.package").PackageImporter(str(self._path))
            package, resource = self._metadata["torch_package"], self._metadata["torch_resource"]
            self._model = importer.load_pickle(package, resource, map_location=self._device)
        else:
            self._model = torch.jit.load(str(self._path), map_location=self._device)
        if hasattr(self._model, "eval"):
            self._model.eval()
        self._keeps_numbers = _begins_with_embedding(self._model, torch)
        first = next(self._model.parameters(), None) if hasattr(self._model, "parameters") else None
        self._type = first.dtype if first is not None else torch.float32

    def predict(self, model_input: Any) -> dict[str, Any]:
        value = model_input
        if isinstance(value, dict) and set(value) in ({"inputs"}, {"instances"}):
            (value,) = value.values()
        with self._torch.inference_mode():
            if isinstance(value, dict):
                found = self._model(**{name: self._tensor(each) for name, each in value.items()})
            else:
                found = self._model(self._tensor(value))
        return {"predictions": _listed(found)}

    def _tensor(self, value: Any) -> Any:
        if not isinstance(value, (list, int, float)):
            raise ValueError("the input must be a nested list of numbers")
        tensor = self._torch.tensor(value)
        if tensor.dtype == self._torch.bool or (self._keeps_numbers and not tensor.is_floating_point()):
            return tensor.to(self._device)
        return tensor.to(device=self._device, dtype=self._type)


def _begins_with_embedding(model: Any, torch: Any) -> bool:
    if not hasattr(model, "modules"):
        return False
    kinds = (getattr(each, "original_name", type(each).__name__) for each in model.modules())
    leaves = (kind for kind in kinds if hasattr(torch.nn, kind) and kind not in ("Sequential", "ModuleList"))
    return next(leaves, "").startswith("Embedding")


def _listed(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _listed(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_listed(each) for each in value]
    return value.tolist() if hasattr(value, "tolist") else value
