"""Pickles tell what they were made with; nobody loads them to know it."""

import bz2
import gzip
import lzma
import os
import pickle
import sys
import types
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import sklearn
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from stentor_common.errors import TooLarge
from stentor_deploy.packages import pickles
from stentor_deploy.packages.opening import open_package
from stentor_deploy.packages.rules import Given, Rules

RULES = Rules()
ROWS, CLASSES = [[0.0, 1.0], [1.0, 0.0], [0.2, 0.9], [0.9, 0.1]], [0, 1, 0, 1]

Pickler = Callable[[Any, Path], object]


@pytest.fixture(scope="module")
def estimator() -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(ROWS, CLASSES)


@pytest.fixture
def old_estimator(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What another version of scikit-learn would have left in a pickle."""
    monkeypatch.setattr("sklearn.base.__version__", "1.3.0")
    return LogisticRegression().fit(ROWS, CLASSES)


def by_pickle(protocol: int) -> Pickler:
    return lambda value, path: path.write_bytes(pickle.dumps(value, protocol))


def by_joblib(compress: Any) -> Pickler:
    return lambda value, path: joblib.dump(value, path, compress=compress)


def packed(pack: Callable[[bytes], bytes]) -> Pickler:
    return lambda value, path: path.write_bytes(pack(pickle.dumps(value)))


WRITERS: dict[str, Pickler] = {
    **{f"pickle {protocol}": by_pickle(protocol) for protocol in range(6)},
    "joblib": by_joblib(0),
    **{f"joblib {kind}": by_joblib((kind, 3)) for kind in ("zlib", "gzip", "bz2", "lzma", "xz")},
    **{f"zlib {level}": packed(partial(zlib.compress, level=level)) for level in (1, 6, 9)},
    "gzip": packed(gzip.compress),
    "bz2": packed(bz2.compress),
    "xz": packed(lzma.compress),
}


@pytest.mark.parametrize("written", WRITERS)
def test_the_version_of_the_library_is_read_however_it_is_written(
    tmp_path: Path, old_estimator: Any, written: str
) -> None:
    path = tmp_path / "model"
    WRITERS[written](old_estimator, path)
    assert pickles.is_pickle(path)
    found = pickles.look(path, RULES)
    assert found.versions == {"scikit-learn": "1.3.0"}
    assert "sklearn" in found.modules


def test_all_estimators_of_a_pipeline_are_seen_and_its_libraries(tmp_path: Path, estimator: Any) -> None:
    path = tmp_path / "model.joblib"
    joblib.dump(estimator, path)
    found = pickles.look(path, RULES)
    assert found.sklearn == {sklearn.__version__}
    assert {"sklearn", "numpy", "joblib"} <= found.modules
    assert found.distributions == ["joblib", "numpy", "scikit-learn"]


def test_names_of_columns_are_noticed(tmp_path: Path, estimator: Any) -> None:
    joblib.dump(estimator, tmp_path / "plain")
    estimator[0].feature_names_in_ = np.array(["a", "b"], dtype=object)
    joblib.dump(estimator, tmp_path / "named")
    assert not pickles.look(tmp_path / "plain", RULES).columns
    assert pickles.look(tmp_path / "named", RULES).columns


def test_instructions_among_large_arrays_are_found(tmp_path: Path, old_estimator: Any) -> None:
    path = tmp_path / "model"
    noise = np.frombuffer(os.urandom(3 * pickles.PIECE), dtype=np.uint8)
    joblib.dump([noise, old_estimator, noise], path)
    assert pickles.look(path, RULES).versions == {"scikit-learn": "1.3.0"}


@pytest.mark.parametrize("before", range(-60, 60, 7))
def test_a_version_on_the_border_of_two_readings_is_found(tmp_path: Path, before: int) -> None:
    path = tmp_path / "model"
    path.write_bytes(
        b"\x80\x04" + bytes(pickles.PIECE + before) + b"\x8c\x10_sklearn_version\x94\x8c\x051.3.0ub."
    )
    assert pickles.look(path, RULES).versions == {"scikit-learn": "1.3.0"}


def test_nothing_is_run_while_looking(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "sprung"),)

    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(Trap()))
    open_package(path, tmp_path / "package", RULES, Given(framework="sklearn"))
    assert not (tmp_path / "sprung").exists()


def test_a_small_file_that_becomes_a_large_one_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.write_bytes(zlib.compress(b"\x80\x04" + bytes(2**22)))
    with pytest.raises(TooLarge):
        pickles.look(path, Rules(max_unpacked_bytes=2**20))


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"\x80\x04", gzip.compress(b"\x80\x04", mtime=0)[:10], b"x\x9cbroken"]
)
def test_what_is_broken_says_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model"
    path.write_bytes(content)
    assert pickles.look(path, RULES).versions == {}


@pytest.mark.parametrize(
    "content", [b"hello", b"PK\x03\x04", b"\x08\x07", b"", gzip.compress(b"plain", mtime=0)]
)
def test_other_files_are_no_pickles(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model"
    path.write_bytes(content)
    assert not pickles.is_pickle(path)


def test_of_several_versions_the_newest_counts_and_all_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version, name in (("1.10.1", "a.pkl"), ("1.9.0", "b.pkl")):
        monkeypatch.setattr("sklearn.base.__version__", version)
        (tmp_path / name).write_bytes(pickle.dumps(StandardScaler()))
    source = tmp_path / "source"
    (source / "data").mkdir(parents=True)
    (source / "model.py").write_text("class Model:\n    def predict(self, x):\n        return x\n")
    for name in ("a.pkl", "b.pkl"):
        (tmp_path / name).rename(source / "data" / name)
    package = open_package(source, tmp_path / "package", RULES, Given())
    assert package.pickled_with == {"scikit-learn": "1.10.1"}
    assert "1.10.1, 1.9.0" in package.notes[0].message


def test_a_class_of_the_script_that_made_it_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = types.ModuleType("__main__")
    script.Mine = type("Mine", (LogisticRegression,), {"__module__": "__main__"})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "__main__", script)
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps([script.Mine(), LogisticRegression()]))
    package = open_package(path, tmp_path / "package", RULES, Given())
    assert [note.code for note in package.notes] == ["class_of_script"]
