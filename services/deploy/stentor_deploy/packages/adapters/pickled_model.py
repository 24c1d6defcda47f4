"""A pickled estimator with the methods of scikit-learn."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any

WRAPPED = ("inputs", "instances", "dataframe_records", "data")
SPLIT = "dataframe_split"


class Model:
    """Takes rows as lists of numbers, or as records by the names of columns; one record stands for itself.
    They may be wrapped as `inputs`, `instances`, `dataframe_records` or `dataframe_split`.

    Answers `{"predictions": [...]}`, with `probabilities` where the estimator tells them.
    """

    def __init__(self, config: dict[str, Any], data_dir: Path) -> None:
        metadata = config["model_metadata"]
        self._path = data_dir / metadata["model_file"]
        self._columns = list(metadata.get("columns") or [])

    def load(self) -> None:
        try:
            import joblib
        except ImportError:
            with self._path.open("rb") as file:
                self._model = pickle.load(file)  # noqa: S301 - what it is uploaded for
        else:
            self._model = joblib.load(self._path)
        known = getattr(self._model, "feature_names_in_", None)
        if not self._columns and known is not None:
            self._columns = [str(name) for name in known]
        self._predict: Any = getattr(self._model, "predict", None) or getattr(self._model, "transform", None)
        if self._predict is None:
            raise TypeError(f"{type(self._model).__name__} has neither predict nor transform")

    def predict(self, model_input: Any) -> dict[str, Any]:
        rows = self._table(_unwrapped(model_input))
        with warnings.catch_warnings():
            # Rows without names are what most callers send.
            warnings.filterwarnings("ignore", "X does not have valid feature names")
            answer = {"predictions": _listed(self._predict(rows))}
            if hasattr(self._model, "predict_proba"):
                answer["probabilities"] = _listed(self._model.predict_proba(rows))
        return answer

    def _table(self, rows: Any) -> Any:
        if isinstance(rows, dict):
            rows = [rows]
        if not isinstance(rows, list) or not rows:
            raise ValueError("the input must be a list of rows, as [[1.5, 2], [3, 4]]")
        if isinstance(rows[0], dict):
            return self._of_records(rows)
        if not isinstance(rows[0], (list, str)):
            raise ValueError("the input must be a list of rows: write [[1.5, 2]] for a single one")
        if self._columns and not isinstance(rows[0], str):
            return _frame(rows, self._columns, or_else=rows)
        return rows

    def _of_records(self, records: list[dict[str, Any]]) -> Any:
        columns = self._columns or list(records[0])
        missing = [name for name in columns if any(name not in record for record in records)]
        if missing:
            raise ValueError(f"the input lacks {', '.join(missing)}")
        rows = [[record[name] for name in columns] for record in records]
        return _frame(rows, columns, or_else=rows)


def _unwrapped(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    split = value.get(SPLIT)
    if isinstance(split, dict):
        columns = split.get("columns")
        rows = split.get("data") or []
        return [dict(zip(columns, row)) for row in rows] if columns else rows
    for name in WRAPPED:
        if isinstance(value.get(name), list) and len(value) == 1:
            return value[name]
    return value


def _frame(rows: list[Any], columns: list[str], or_else: Any) -> Any:
    """A table with names, if pandas is there and the names are as many as the values."""
    if any(len(row) != len(columns) for row in rows):
        return or_else
    try:
        import pandas
    except ImportError:
        return or_else
    return pandas.DataFrame(rows, columns=columns)


def _listed(value: Any) -> Any:
    if isinstance(value, list):
        # One array for each of several outputs.
        return [_listed(each) for each in value]
    return value.tolist() if hasattr(value, "tolist") else value
