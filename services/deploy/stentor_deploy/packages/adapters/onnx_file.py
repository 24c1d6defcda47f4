"""A model in the ONNX format, run by ONNX Runtime."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

TYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(int16)": "int16",
    "tensor(int8)": "int8",
    "tensor(uint64)": "uint64",
    "tensor(uint32)": "uint32",
    "tensor(uint16)": "uint16",
    "tensor(uint8)": "uint8",
    "tensor(bool)": "bool",
    "tensor(string)": "object",
}


class Model:
    """Takes a nested list for a model with one input, else lists by the names of its inputs; they may be
    wrapped as `inputs`. Answers with lists by the names of its outputs."""

    def __init__(self, config: dict[str, Any], data_dir: Path) -> None:
        self._path = data_dir / config["model_metadata"]["model_file"]

    def load(self) -> None:
        import numpy
        import onnxruntime

        self._numpy = numpy
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS") or 0)
        self._session = onnxruntime.InferenceSession(
            str(self._path), options, providers=onnxruntime.get_available_providers()
        )
        self._inputs = {each.name: each.type for each in self._session.get_inputs()}
        self._outputs = [each.name for each in self._session.get_outputs()]

    def predict(self, model_input: Any) -> dict[str, Any]:
        feeds = {name: self._array(name, value) for name, value in self._named(model_input).items()}
        found = self._session.run(None, feeds)
        return {name: _listed(value) for name, value in zip(self._outputs, found)}

    def _named(self, value: Any) -> dict[str, Any]:
        if isinstance(value, dict) and set(value) == {"inputs"} and "inputs" not in self._inputs:
            value = value["inputs"]
        if not isinstance(value, dict):
            if len(self._inputs) > 1:
                raise ValueError(f"the model has several inputs: send {', '.join(self._inputs)} by name")
            value = {next(iter(self._inputs)): value}
        named: dict[str, Any] = value
        unknown = [name for name in value if name not in self._inputs]
        if unknown:
            raise ValueError(f"the model has no input {unknown[0]!r}, but {', '.join(self._inputs)}")
        return named

    def _array(self, name: str, value: Any) -> Any:
        kind = TYPES.get(self._inputs[name])
        if kind is None:
            raise ValueError(f"input {name!r} is of type {self._inputs[name]}, which JSON cannot tell")
        return self._numpy.asarray(value, dtype=kind)


def _listed(value: Any) -> Any:
    """Classifiers made from scikit-learn tell probabilities as a list of mappings."""
    if isinstance(value, list):
        return [_listed(each) for each in value]
    if isinstance(value, dict):
        return {str(name): _listed(each) for name, each in value.items()}
    return value.tolist() if hasattr(value, "tolist") else value
