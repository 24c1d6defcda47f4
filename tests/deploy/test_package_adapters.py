"""Model classes that come with Stentor: whatever was packed answers as the model itself did."""

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import onnx
import pytest
import yaml
from onnx import TensorProto, helper
from sklearn.cluster import KMeans
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression

from stentor_deploy.packages.opening import open_package
from stentor_deploy.packages.packer import Packing, archived, pack_callable, pack_onnx, pack_sklearn
from stentor_deploy.packages.rules import Given, Rules

ROWS, KINDS = load_iris(return_X_y=True)

Served = Callable[..., Any]


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """The model of a package, made and loaded as the runner does it."""
    root = tmp_path / "package"

    def serve(source: Path, **given: Any) -> Any:
        config = open_package(source, root, Rules(), Given(**given)).config
        for folder in (root, *(root / name for name in config["external_package_dirs"])):
            monkeypatch.syspath_prepend(str(folder))
        parts = [*Path(config["model_module_dir"]).parts, Path(config["model_class_filename"]).stem]
        module = importlib.import_module(".".join(parts))
        offered = {"config": config, "data_dir": root / config["data_dir"]}
        names = module.Model.__init__.__code__.co_varnames
        model = module.Model(**{name: value for name, value in offered.items() if name in names})
        model.load()
        return model

    known = set(sys.modules)
    yield serve
    own = {"stentor_adapter", "model", "service", "octoai", "loader"}
    for name in set(sys.modules) - known:
        if name.partition(".")[0] in own:
            del sys.modules[name]


def saved(model: Any, path: Path) -> Path:
    joblib.dump(model, path)
    return path


class TestEstimator:
    def test_answers_classes_and_probabilities(self, served: Served, tmp_path: Path) -> None:
        forest = RandomForestClassifier(5, random_state=0).fit(ROWS, KINDS)
        model = served(saved(forest, tmp_path / "forest.joblib"))
        rows = ROWS[[0, 60, 149]].tolist()
        answer = json.loads(json.dumps(model.predict(rows)))
        assert answer == {"predictions": [0, 1, 2], "probabilities": forest.predict_proba(rows).tolist()}

    @pytest.mark.parametrize("word", ["inputs", "instances", "data"])
    def test_takes_rows_in_the_words_of_others(self, served: Served, tmp_path: Path, word: str) -> None:
        line = LinearRegression().fit([[0.0], [1.0]], [0.0, 2.0])
        model = served(saved(line, tmp_path / "line.joblib"))
        assert model.predict({word: [[3.0]]})["predictions"] == [pytest.approx(6.0)]

    def test_takes_records_by_the_names_of_columns(self, served: Served, tmp_path: Path) -> None:
        line = LinearRegression().fit([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]], [0.0, 1.0, 10.0])
        line.feature_names_in_ = np.array(["ones", "tens"], dtype=object)
        model = served(saved(line, tmp_path / "line.joblib"))
        for records in (
            [{"tens": 2, "ones": 3}],
            {"tens": 2, "ones": 3},
            {"dataframe_records": [{"tens": 2, "ones": 3}]},
            {"dataframe_split": {"columns": ["tens", "ones"], "data": [[2, 3]]}},
        ):
            assert model.predict(records)["predictions"] == [pytest.approx(23.0)]
        with pytest.raises(ValueError, match="lacks tens"):
            model.predict([{"ones": 1}])

    def test_without_classes_answers_what_it_has(self, served: Served, tmp_path: Path) -> None:
        clusters = KMeans(2, n_init=1, random_state=0).fit(ROWS)
        assert served(saved(clusters, tmp_path / "m.joblib")).predict(ROWS[:2].tolist())["predictions"]

    def test_that_only_transforms_answers_that(self, served: Served, tmp_path: Path) -> None:
        components = PCA(2).fit(ROWS)
        found = served(saved(components, tmp_path / "m.joblib")).predict(ROWS[:1].tolist())
        assert np.allclose(found["predictions"], components.transform(ROWS[:1]))

    @pytest.mark.parametrize("wrong", [[1.0, 2.0], "text", 5, [], None])
    def test_says_what_it_takes(self, served: Served, tmp_path: Path, wrong: Any) -> None:
        model = served(saved(LinearRegression().fit([[0.0], [1.0]], [0, 1]), tmp_path / "m.joblib"))
        with pytest.raises(ValueError, match=r"list of rows"):
            model.predict(wrong)

    def test_is_packed_with_an_example_and_its_answer(self, served: Served, tmp_path: Path) -> None:
        forest = RandomForestClassifier(3, random_state=0).fit(ROWS, KINDS)
        packing = Packing(name="iris", example=ROWS[:2].tolist())
        pack_sklearn(forest, tmp_path / "packed", packing)
        archive = tmp_path / "iris.tar.gz"
        archive.write_bytes(archived(tmp_path / "packed"))
        model = served(archive)
        config = yaml.safe_load((tmp_path / "package" / "config.yaml").read_text())
        metadata = config["model_metadata"]
        assert model.predict(metadata["example_model_input"]) == metadata["example_model_output"]
        assert any(line.startswith("scikit-learn==") for line in config["requirements"])


def graph(kind: int, operation: str, names: list[str]) -> onnx.ModelProto:
    inputs = [helper.make_tensor_value_info(name, kind, [None, 2]) for name in names]
    output = helper.make_tensor_value_info("sum", kind, [None, 2])
    node = helper.make_node(operation, names if len(names) > 1 else [names[0], names[0]], ["sum"])
    made = helper.make_graph([node], "g", inputs, [output])
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


class TestOnnx:
    @pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.INT64, TensorProto.DOUBLE])
    def test_answers_by_the_names_of_outputs(self, served: Served, tmp_path: Path, kind: int) -> None:
        path = tmp_path / "double.onnx"
        onnx.save(graph(kind, "Add", ["x"]), str(path))
        model = served(path)
        assert model.predict([[1, 2]]) == {"sum": [[2, 4]]}
        assert model.predict({"x": [[1, 2]]}) == {"sum": [[2, 4]]}
        assert model.predict({"inputs": {"x": [[1, 2]]}}) == {"sum": [[2, 4]]}

    def test_takes_several_inputs_by_name(self, served: Served, tmp_path: Path) -> None:
        packing = Packing(example={"a": [[1, 2]], "b": [[3, 4]]}, answer={"sum": [[4, 6]]})
        model = served(pack_onnx(graph(TensorProto.FLOAT, "Add", ["a", "b"]), tmp_path / "packed", packing))
        assert model.predict(packing.example) == packing.answer
        with pytest.raises(ValueError, match="send a, b by name"):
            model.predict([[1, 2]])
        with pytest.raises(ValueError, match="no input 'c'"):
            model.predict({"c": [[1, 2]]})


def test_a_function_is_packed_with_what_it_refers_to(served: Served, tmp_path: Path) -> None:
    greeting = "hello"
    packed = pack_callable(lambda name: f"{greeting}, {name}", tmp_path / "packed", Packing(example="you"))
    assert served(packed).predict("world") == "hello, world"


class TestMlflow:
    LOADER = (
        "from pathlib import Path\nclass Doubling:\n    def __init__(self, path):\n"
        "        self.by = float(Path(path).read_text())\n"
        "    def predict(self, rows):\n        return [[self.by * value for value in row] for row in rows]\n"
        "def _load_pyfunc(path):\n    return Doubling(path)\n"
    )

    def test_a_loader_of_ones_own_needs_no_mlflow(self, served: Served, tmp_path: Path) -> None:
        source = tmp_path / "source"
        (source / "code").mkdir(parents=True)
        flavor = {"loader_module": "loader", "data": "factor", "code": "code"}
        (source / "MLmodel").write_text(yaml.safe_dump({"flavors": {"python_function": flavor}}))
        (source / "factor").write_text("2")
        (source / "code" / "loader.py").write_text(self.LOADER)
        assert served(source).predict({"instances": [[1, 2]]}) == {"predictions": [[2, 4]]}

    def test_an_estimator_answers_to_its_columns(self, served: Served, tmp_path: Path) -> None:
        source = tmp_path / "source"
        source.mkdir()
        spec = {
            "flavors": {"sklearn": {"pickled_model": "model.pkl", "serialization_format": "pickle"}},
            "signature": {"inputs": json.dumps([{"name": "ones"}, {"name": "tens"}])},
        }
        (source / "MLmodel").write_text(yaml.safe_dump(spec))
        line = LinearRegression().fit([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]], [0.0, 1.0, 10.0])
        saved(line, source / "model.pkl")
        assert served(source).predict([{"tens": 2, "ones": 3}])["predictions"] == [pytest.approx(23.0)]


class TestOctoai:
    SERVICE = """
from typing import List
from pydantic import BaseModel
from octoai.service import Service, path
from octoai.types import Audio, Image, Text


class Box(BaseModel):
    width: int
    label: str = "thing"


class Hello(Service):
    def on_server_startup(self):
        self.steps = ["started"]

    def setup(self):
        self.steps.append("set up")

    def infer(self, prompt: Text, times: int = 1) -> Text:
        return Text(text=" ".join([prompt.text] * times))

    def told(self) -> List[str]:
        return self.steps

    @path("/detect-boxes")
    def detect(self, image: Image) -> List[Box]:
        return [Box(width=len(image.to_bytes()))]

    def echo_sound(self, audio: Audio) -> Audio:
        return Audio.from_bytes(audio.to_bytes()[::-1])

    def _private(self) -> None: ...
"""

    @pytest.fixture
    def model(self, served: Served, tmp_path: Path) -> Any:
        source = tmp_path / "source"
        source.mkdir()
        (source / "service.py").write_text(self.SERVICE)
        return served(source)

    def test_infer_takes_its_arguments_by_name(self, model: Any) -> None:
        assert model.predict({"prompt": {"text": "hi"}, "times": 2}) == {"text": "hi hi"}
        assert model.infer({"prompt": {"text": "hi"}}) == {"text": "hi"}

    def test_it_was_started_and_set_up(self, model: Any) -> None:
        assert model.told({}) == ["started", "set up"]

    def test_further_methods_answer_by_their_names_and_paths(self, model: Any) -> None:
        image = {"image": {"data": "aGVsbG8="}}
        assert model.detect(image) == [{"width": 5, "label": "thing"}]
        assert model.detect_boxes(image) == model.detect(image)
        assert {"detect", "detect_boxes", "told", "echo_sound"} <= set(dir(type(model)))
        assert "_private" not in vars(type(model))

    def test_media_travel_in_base64(self, model: Any) -> None:
        assert model.echo_sound({"audio": {"data": "YWJj"}}) == {"data": "Y2Jh"}

    def test_media_at_a_place_that_cannot_be_read_say_so(self, model: Any) -> None:
        with pytest.raises(ValueError, match="must begin with http"):
            model.echo_sound({"audio": {"data": {"url": "file:///etc/passwd"}}})

    @pytest.mark.parametrize(
        ("given", "words"),
        [
            ({}, "lacks prompt"),
            ({"prompt": {"text": "x"}, "time": 1}, "no argument 'time'"),
            ({"prompt": {"words": "x"}}, "text: Field required"),
            ({"prompt": {"text": "x"}, "times": "many"}, "valid integer"),
            ("x", "hold prompt, times by name"),
        ],
    )
    def test_arguments_are_checked(self, model: Any, given: Any, words: str) -> None:
        with pytest.raises(ValueError, match=words):
            model.predict(given)
