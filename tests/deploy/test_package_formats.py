"""What else people upload: a model class alone, MLflow, OctoAI, weights of a framework."""

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from sklearn.linear_model import LogisticRegression

from stentor_deploy.errors import BadPackage
from stentor_deploy.packages import Format, Package
from stentor_deploy.packages.opening import open_package
from stentor_deploy.packages.rules import Given, Rules

MODEL = "class Model:\n    def predict(self, model_input):\n        return model_input\n"
ESTIMATOR = pickle.dumps(LogisticRegression().fit([[0.0], [1.0]], [0, 1]))
SCRIPT_FILE = ("m/data.pkl", "m/constants.pkl", "m/version", "m/code/__torch__.py")
SAVED_FILE = ("m/data.pkl", "m/version", "m/data/0")
PACKAGE_FILE = ("m/.data/extern_modules", "m/.data/version", "m/net/model.pkl", "m/mine.py")

Files = dict[str, str | bytes]
Open = Callable[..., Package]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "package"


@pytest.fixture
def opened(tmp_path: Path, folder: Path) -> Open:
    """Opens a folder by its files."""

    def open_it(files: Files, **given: Any) -> Package:
        source = tmp_path / "source"
        for name, content in files.items():
            path = source / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return open_package(source, folder, Rules(), Given(**given))

    return open_it


@pytest.fixture
def sent(tmp_path: Path, folder: Path) -> Open:
    """Opens a single file."""

    def open_it(content: bytes, file_name: str, **given: Any) -> Package:
        path = tmp_path / "upload"
        path.write_bytes(content)
        return open_package(path, folder, Rules(), Given(file_name=file_name, **given))

    return open_it


def zip_of(*names: str, **contents: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in names:
            archive.writestr(name, contents.get(name.rpartition("/")[2], ""))
    return content.getvalue()


MLFLOW: Files = {
    "MLmodel": yaml.safe_dump(
        {
            "flavors": {
                "python_function": {
                    "loader_module": "mlflow.sklearn",
                    "model_path": "model.pkl",
                    "python_version": "3.9.18",
                },
                "sklearn": {
                    "pickled_model": "model.pkl",
                    "serialization_format": "cloudpickle",
                    "sklearn_version": "1.2.2",
                },
            },
            "signature": {"inputs": json.dumps([{"name": "age", "type": "long"}]), "outputs": None},
            "saved_input_example_info": {"artifact_path": "input_example.json", "type": "dataframe"},
        }
    ),
    "model.pkl": b"\x80\x04N.",
    "requirements.txt": "mlflow==2.8.0\nscikit-learn==1.2.2\ncloudpickle==2.2.1\n",
    "input_example.json": json.dumps({"columns": ["age"], "data": [[31]]}),
}
WEIGHTS: Files = {"model.safetensors": b"12345678"}


class TestModelClass:
    @pytest.mark.parametrize("place", ["model.py", "model/model.py"])
    def test_stands_at_the_top_or_in_its_folder(self, opened: Open, folder: Path, place: str) -> None:
        package = opened({place: MODEL, "requirements.txt": "numpy\nslashml==0.1.6\n"})
        assert package.format == Format.folder
        assert package.requirements == ("numpy",)
        assert folder / package.config["model_module_dir"] / "model.py" == folder / place

    def test_may_have_any_name_if_it_is_the_only_one(self, opened: Open) -> None:
        code = "class Helper: ...\nclass SpeedyAudio:\n    def predict(self, audio): ...\n"
        package = opened({"model.py": code, "aai_pip-requirements.txt": "librosa"})
        assert package.config["model_class_name"] == "SpeedyAudio"
        assert package.requirements == ("librosa",)

    @pytest.mark.parametrize("code", ["from x import Model", "Model = make()", "import x as Model", MODEL])
    def test_may_be_bound_in_any_way(self, opened: Open, code: str) -> None:
        assert opened({"model.py": code}).config["model_class_name"] == "Model"

    def test_is_asked_for_in_words(self, opened: Open) -> None:
        with pytest.raises(BadPackage, match="class Model with a method predict"):
            opened({"model.py": "print('hello')"})

    def test_is_one(self, opened: Open) -> None:
        code = "class A:\n  def predict(self): ...\nclass B:\n  def predict(self): ...\n"
        with pytest.raises(BadPackage, match="A, B"):
            opened({"model.py": code})

    def test_may_read_a_configuration_of_its_own(self, opened: Open) -> None:
        package = opened({"model.py": MODEL, "config.yaml": "learning_rate: 0.1\ndescription: mine\n"})
        assert package.format == Format.folder


class TestMlflow:
    def test_an_estimator_is_run_without_mlflow(self, opened: Open) -> None:
        package = opened(MLFLOW)
        assert (package.format, package.framework, package.python) == (Format.mlflow, "sklearn", "3.9")
        assert package.requirements == ("scikit-learn==1.2.2", "cloudpickle==2.2.1", "pandas")
        assert package.pickled_with == {"scikit-learn": "1.2.2"}
        assert package.config["model_metadata"]["columns"] == ["age"]
        assert package.examples == ({"dataframe_split": {"columns": ["age"], "data": [[31]]}},)
        assert "mlflow==2.8.0" in package.notes[0].message

    def test_requirements_may_be_those_of_conda(self, opened: Open) -> None:
        conda = {"dependencies": ["python=3.8", "pip", {"pip": ["mlflow", "scikit-learn==1.0"]}]}
        files = {name: text for name, text in MLFLOW.items() if name != "requirements.txt"}
        package = opened(files | {"conda.yaml": yaml.safe_dump(conda)})
        assert package.requirements[0] == "scikit-learn==1.0"

    def test_other_flavours_keep_mlflow(self, opened: Open) -> None:
        flavors = {"python_function": {"loader_module": "mlflow.prophet", "data": "model.pr"}}
        package = opened({"MLmodel": yaml.safe_dump({"flavors": flavors}), "model.pr": b"x"})
        assert package.framework == "prophet"
        assert package.requirements == ("mlflow",)

    def test_code_that_came_along_can_be_imported(self, opened: Open, folder: Path) -> None:
        flavors = {"python_function": {"loader_module": "mine", "code": "code"}}
        package = opened({"MLmodel": yaml.safe_dump({"flavors": flavors}), "code/mine.py": "x = 1"})
        (place,) = package.config["external_package_dirs"]
        assert (folder / place / "mine.py").is_file()
        assert package.requirements == ()

    @pytest.mark.parametrize(
        ("spec", "words"),
        [
            ({"flavors": {"spark": {}}}, "spark"),
            ({}, "none"),
            ({"flavors": {"sklearn": {"pickled_model": "gone.pkl"}}}, r"gone\.pkl"),
            ({"flavors": {"sklearn": {"pickled_model": "../x"}}}, "leads out"),
            (
                {"flavors": {"sklearn": {"pickled_model": "m", "serialization_format": "skops"}}},
                "cloudpickle",
            ),
            ({"flavors": {"python_function": {}}}, "loader_module"),
        ],
    )
    def test_what_cannot_be_run_is_told(self, opened: Open, spec: Any, words: str) -> None:
        with pytest.raises(BadPackage, match=words):
            opened({"MLmodel": yaml.safe_dump(spec)})


class TestOctoai:
    SERVICE = (
        "from octoai.service import Service\nfrom octoai.types import Audio, Text\nimport torch\n"
        "class Hello(Service):\n    def infer(self, audio: Audio) -> Text: ...\n"
    )

    def test_a_service_needs_none_of_its_library(self, opened: Open) -> None:
        package = opened(
            {"service.py": self.SERVICE, "requirements.txt": "octoai-sdk==0.10.1\ntorch\nnumpy<2"}
        )
        assert package.format == Format.octoai
        assert package.requirements == ("torch", "numpy<2", "pydantic>=2.1", "soundfile")
        assert package.config["model_metadata"]["service_class"] == "Hello"

    @pytest.mark.parametrize(
        ("code", "words"),
        [
            ("class Hello: ...", "derives from"),
            ("class A(Service):\n  def infer(self): ...\nclass B(Service): ...\n", "A, B"),
            ("class A(Service): ...", "no method infer"),
        ],
    )
    def test_what_is_no_service_is_told(self, opened: Open, code: str, words: str) -> None:
        with pytest.raises(BadPackage, match=words):
            opened({"service.py": code})


class TestOneFile:
    def test_of_an_estimator(self, sent: Open, folder: Path) -> None:
        package = sent(ESTIMATOR, "classifier.pkl", name="iris")
        assert (package.format, package.framework, package.model_name) == (Format.file, "sklearn", "iris")
        assert "scikit-learn" in package.requirements
        assert package.pickled_with.keys() == {"scikit-learn"}
        assert package.batch
        assert (folder / "data" / "model" / "classifier.pkl").read_bytes() == ESTIMATOR

    def test_of_onnx(self, sent: Open) -> None:
        package = sent(b"\x08\x07\x12\x02me", "model.onnx")
        assert (package.framework, package.requirements) == ("onnx", ("onnxruntime", "numpy"))

    def test_of_torchscript(self, sent: Open) -> None:
        package = sent(zip_of(*SCRIPT_FILE), "model.pt")
        assert (package.framework, package.requirements) == ("pytorch", ("torch", "numpy"))

    def test_of_a_torch_package(self, sent: Open) -> None:
        package = sent(zip_of(*PACKAGE_FILE, extern_modules="torch\nmine.deep\n"), "model.pt")
        metadata = package.config["model_metadata"]
        assert (metadata["torch_package"], metadata["torch_resource"]) == ("net", "model.pkl")
        assert package.imports == ("mine", "torch")

    @pytest.mark.parametrize(
        ("content", "name", "words"),
        [
            (zip_of(*SAVED_FILE), "model.pt", r"torch\.jit\.script"),
            (zip_of("schema.json", "0.npy"), "model.skops", "skops"),
            (zip_of("config.json", "model.weights.h5"), "model.keras", "Keras"),
            (b"\x89HDF\r\n\x1a\n", "model.h5", "Keras"),
            (pickle.dumps({"a": 1}), "model.pkl", "no library that is known"),
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "m.onnx", "pointer of Git LFS"),
            (b"GGUF", "model.gguf", "nor of a framework"),
            (b"hello", "model.onnx", "nor of a framework"),
        ],
    )
    def test_of_another_kind_is_refused_with_advice(
        self, sent: Open, content: bytes, name: str, words: str
    ) -> None:
        with pytest.raises(BadPackage, match=words):
            sent(content, name)

    def test_is_checked_against_what_is_said_of_it(self, sent: Open) -> None:
        with pytest.raises(BadPackage, match="sklearn, not of onnx"):
            sent(ESTIMATOR, "model.bin", framework="onnx")

    def test_of_a_framework_nobody_knows(self, sent: Open) -> None:
        with pytest.raises(BadPackage, match="known are sklearn"):
            sent(ESTIMATOR, "model.bin", framework="prophet")

    @pytest.mark.parametrize("name", ["../../etc/model.pkl", "C:\\models\\model.pkl", ""])
    def test_keeps_its_place_whatever_it_is_called(self, sent: Open, folder: Path, name: str) -> None:
        path = folder / "data" / sent(ESTIMATOR, name).config["model_metadata"]["model_file"]
        assert path.read_bytes() == ESTIMATOR
        assert path.parent == folder / "data" / "model"

    def test_brings_requirements_beside_it(self, sent: Open, tmp_path: Path) -> None:
        beside = tmp_path / "beside.txt"
        beside.write_text("scikit-learn==1.9.1\n")
        package = sent(ESTIMATOR, "m.pkl", extra={"requirements.txt": beside})
        assert "scikit-learn==1.9.1" in package.requirements
        assert "scikit-learn" not in package.requirements

    def test_may_come_in_an_archive(self, opened: Open) -> None:
        assert opened({"m.pkl": ESTIMATOR, "README.md": "mine"}).framework == "sklearn"

    def test_is_one(self, opened: Open) -> None:
        with pytest.raises(BadPackage, match=r"a\.pkl, b\.onnx"):
            opened({"a.pkl": ESTIMATOR, "b.onnx": b"\x08", "c.txt": "x"})


class TestSavedByTransformers:
    @pytest.mark.parametrize(
        ("architecture", "task"),
        [
            ("BertForMaskedLM", "fill-mask"),
            ("DistilBertForSequenceClassification", "text-classification"),
            ("Wav2Vec2ForCTC", "automatic-speech-recognition"),
            ("GPT2LMHeadModel", "text-generation"),
            ("BertModel", "feature-extraction"),
        ],
    )
    def test_its_task_is_known_by_its_class(self, opened: Open, architecture: str, task: str) -> None:
        config = {"model_type": "bert", "architectures": [architecture]}
        package = opened(WEIGHTS | {"config.json": json.dumps(config)})
        assert (package.framework, package.config["model_metadata"]["task"]) == ("transformers", task)
        assert {"transformers", "torch"} <= set(package.requirements)

    def test_or_is_said(self, opened: Open) -> None:
        package = opened(WEIGHTS | {"config.json": '{"model_type": "t5"}'}, task="translation")
        assert package.config["model_metadata"]["task"] == "translation"

    def test_or_is_asked_for(self, opened: Open) -> None:
        with pytest.raises(BadPackage, match="task=text-classification"):
            opened(WEIGHTS | {"config.json": '{"model_type": "t5"}'})

    def test_needs_its_weights(self, opened: Open) -> None:
        with pytest.raises(BadPackage, match="no weights"):
            opened({"config.json": '{"model_type": "bert"}'}, task="fill-mask")

    def test_needs_them_themselves(self, opened: Open) -> None:
        pointer = {"model.safetensors": "version https://git-lfs.github.com/spec/v1\noid sha256:0\n"}
        with pytest.raises(BadPackage, match="Git LFS"):
            opened(pointer | {"config.json": '{"model_type": "bert"}'}, task="fill-mask")


def test_a_folder_of_the_adapters_name_is_not_overwritten(opened: Open) -> None:
    with pytest.raises(BadPackage, match="stentor_adapter"):
        opened({"service.py": TestOctoai.SERVICE, "stentor_adapter/x.py": ""})


@pytest.mark.parametrize("code", ["class Model:\n    def predict(self): ...", "import torch\nModel = 1"])
def test_a_package_of_torch_is_warned_of_the_script_in_it(opened: Open, code: str) -> None:
    metadata = {"torch_package_file": "model.pt", "model_binary_dir": "model"}
    config = {"model_metadata": metadata, "requirements": ["torch==2.1", "torchaudio", "torchvision"]}
    package = opened(
        {
            "config.yaml": yaml.safe_dump(config),
            "model/model.py": code,
            "data/model/model.pt": zip_of(*PACKAGE_FILE, "m/__main__.py", extern_modules="torchvision.ops\n"),
        }
    )
    assert package.requirements == ("torch==2.1", "torchvision")
    assert {note.code for note in package.notes} == {"script_inside", "requirement_dropped"}
