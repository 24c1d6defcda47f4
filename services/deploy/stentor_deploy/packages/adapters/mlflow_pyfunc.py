"""A model of MLflow, loaded as its format says: by `_load_pyfunc` of the module that MLmodel names."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any


class Model:
    """Takes the words of MLflow's own server (`dataframe_split`, `dataframe_records`, `instances`, `inputs`),
    or the bare value. Answers `{"predictions": ...}`."""

    def __init__(self, config: dict[str, Any], data_dir: Path) -> None:
        metadata = config["model_metadata"]
        self._loader = metadata["loader_module"]
        self._columns = metadata.get("columns") or []
        folder = data_dir / "model"
        self._path = folder / metadata["data"] if metadata.get("data") else folder

    def load(self) -> None:
        self._model = importlib.import_module(self._loader)._load_pyfunc(str(self._path))

    def predict(self, model_input: Any) -> dict[str, Any]:
        found = self._model.predict(self._table(model_input))
        return {"predictions": _listed(found)}

    def _table(self, value: Any) -> Any:
        if isinstance(value, dict) and isinstance(value.get("dataframe_split"), dict):
            split = value["dataframe_split"]
            return _frame(split["data"], split.get("columns") or self._columns)
        for name in ("dataframe_records", "instances", "inputs"):
            if isinstance(value, dict) and set(value) == {name}:
                value = value[name]
        if not self._columns or not isinstance(value, list):
            return value
        if value and isinstance(value[0], dict):
            return _frame([[record[name] for name in self._columns] for record in value], self._columns)
        return _frame(value, self._columns)


def _frame(rows: list[Any], columns: list[str]) -> Any:
    import pandas

    return pandas.DataFrame(rows, columns=columns or None)


def _listed(value: Any) -> Any:
    if hasattr(value, "to_dict") and getattr(value, "ndim", 0) == 2:
        return value.to_dict("records")
    if isinstance(value, dict):
        return {str(name): _listed(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_listed(each) for each in value]
    return value.tolist() if hasattr(value, "tolist") else value
