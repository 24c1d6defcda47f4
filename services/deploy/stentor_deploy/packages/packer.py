"""Packages made of models in memory, in the layout of Truss, with no library of its own needed.

What is written runs wherever Truss folders do; versions of libraries are those that the model was made with,
and an example goes in with the answer it has now.
"""

import gzip
import importlib.util
import inspect
import io
import json
import sys
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from stentor_deploy.packages.adapting import FOLDER, put_adapter
from stentor_deploy.packages.draft import CONFIG_FILE
from stentor_deploy.packages.tasks import needs_of
from stentor_deploy.packages.yaml_files import write_yaml

LIBRARIES = {
    "sklearn": ("scikit-learn", "numpy", "joblib"),
    "torch": ("torch", "numpy"),
    "onnx": ("onnxruntime", "numpy"),
    "callable": ("cloudpickle",),
}
CALLABLE = '''\
"""A function, as it was when it was packed."""

import pickle


class Model:
    def __init__(self, data_dir):
        self._path = data_dir / "model" / "function.pkl"

    def load(self):
        with self._path.open("rb") as file:
            self._function = pickle.load(file)

    def predict(self, model_input):
        return self._function(model_input)
'''


@dataclass(frozen=True, slots=True)
class Packing:
    """What goes into a package beside the model."""

    name: str = "model"
    requirements: Sequence[str] | None = None
    """None: the libraries that such models need, in the versions that are installed here."""
    example: Any = None
    """An input, as JSON. Asked of the model while packing, where that is possible."""
    answer: Any = None
    """What should come out for it; None: whatever does."""
    further: dict[str, Any] = field(default_factory=dict)
    """Further keys of the configuration."""


def pack_sklearn(model: Any, folder: Path, packing: Packing) -> Path:
    """An estimator of scikit-learn, or of a library that follows it."""
    import joblib

    weights = _weights(folder)
    joblib.dump(model, weights / "model.joblib")
    config = _config(packing, "sklearn", [*LIBRARIES["sklearn"], _home(model)], file="model.joblib")
    # Estimators take rows, each by itself.
    config["model_metadata"]["max_batch_size"] = 64
    return _finish(folder, packing, "pickled_model", config)


def pack_torch(model: Any, folder: Path, packing: Packing, *, like: Any = None) -> Path:
    """A module of PyTorch, as TorchScript: scripted, or traced with an input `like` those to come."""
    torch: Any = importlib.import_module("torch")
    weights = _weights(folder)
    model = model.eval()
    if not isinstance(model, torch.jit.ScriptModule):
        model = torch.jit.script(model) if like is None else torch.jit.trace(model, like)
    torch.jit.save(model, str(weights / "model.pt"))
    return _finish(
        folder, packing, "torch_file", _config(packing, "pytorch", LIBRARIES["torch"], file="model.pt")
    )


def pack_transformers(pipeline: Any, folder: Path, packing: Packing) -> Path:
    """A pipeline of transformers, with its weights."""
    weights = _weights(folder)
    pipeline.save_pretrained(str(weights))
    config = _config(packing, "transformers", list(needs_of(pipeline.task, weights)))
    config |= {"model_type": pipeline.task, "model_metadata": {"task": pipeline.task}}
    return _finish(folder, packing, "transformers_folder", config)


def pack_onnx(model: Any, folder: Path, packing: Packing) -> Path:
    """A model of ONNX: its bytes, or the object that the library has for it."""
    content = model if isinstance(model, bytes) else model.SerializeToString()
    (_weights(folder) / "model.onnx").write_bytes(content)
    return _finish(
        folder, packing, "onnx_file", _config(packing, "onnx", LIBRARIES["onnx"], file="model.onnx")
    )


def pack_callable(function: Callable[[Any], Any], folder: Path, packing: Packing) -> Path:
    """Anything that takes one input, with what it refers to."""
    import cloudpickle

    (_weights(folder) / "function.pkl").write_bytes(cloudpickle.dumps(function))
    return _finish(folder, packing, None, _config(packing, "custom", LIBRARIES["callable"]))


def pack_source(source: str, folder: Path, packing: Packing) -> Path:
    """A model class, by the text of its module. What it answers is not asked here."""
    _put_source(folder, source)
    _write_config(folder, packing, {"requirements": list(packing.requirements or ())})
    return folder


def archived(folder: Path, top: str = "") -> bytes:
    """A gzipped tar of a folder, the same for the same files; all in one folder `top`, if that is given."""
    content = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=content, mode="wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for path in sorted(folder.rglob("*")):
            if "__pycache__" not in path.parts:
                name = path.relative_to(folder).as_posix()
                tar.add(path, f"{top}/{name}" if top else name, recursive=False, filter=_anonymous)
    return content.getvalue()


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = int(member.mtime)
    return member


def _weights(folder: Path) -> Path:
    path = folder / "data" / "model"
    path.mkdir(parents=True)
    return path


def _config(packing: Packing, framework: str, libraries: Sequence[str], file: str = "") -> dict[str, Any]:
    wanted = packing.requirements
    if wanted is None:
        wanted = [_pinned(name) for name in dict.fromkeys(libraries)]
    return {
        "model_framework": framework,
        "requirements": list(wanted),
        "model_metadata": {"model_file": f"model/{file}"} if file else {},
    }


def _pinned(name: str) -> str:
    try:
        # What follows the `+` says how it was built, which no index knows.
        return f"{name}=={metadata.version(name).partition('+')[0]}"
    except metadata.PackageNotFoundError:
        return name


def _home(model: Any) -> str:
    """The distribution that a model's class comes from."""
    top = type(model).__module__.partition(".")[0]
    found = metadata.packages_distributions().get(top)
    return found[0] if found else "scikit-learn"


def _finish(folder: Path, packing: Packing, adapter: str | None, config: dict[str, Any]) -> Path:
    if adapter:
        put_adapter(folder, adapter)
        config["model_module_dir"] = FOLDER
    else:
        _put_source(folder, CALLABLE)
    _write_config(folder, packing, config)
    metadata = config["model_metadata"]
    if "example_model_input" in metadata and "example_model_output" not in metadata:
        metadata["example_model_output"] = _asked(folder, config)
        _write_config(folder, packing, config)
    return folder


def _put_source(folder: Path, source: str) -> None:
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "__init__.py").touch()
    (folder / "model" / "model.py").write_text(source)


def _write_config(folder: Path, packing: Packing, config: dict[str, Any]) -> None:
    metadata = config.setdefault("model_metadata", {})
    if packing.example is not None:
        metadata.setdefault("example_model_input", packing.example)
    if packing.answer is not None:
        metadata.setdefault("example_model_output", packing.answer)
    version = f"py{sys.version_info.major}{sys.version_info.minor}"
    write_yaml(
        folder / CONFIG_FILE,
        {"model_name": packing.name, "python_version": version} | config | packing.further,
    )


def _asked(folder: Path, config: dict[str, Any]) -> Any:
    """What the packed model answers to its example, as it travels in JSON."""
    path = folder / config.get("model_module_dir", "model") / "model.py"
    spec = importlib.util.spec_from_file_location("packed_model", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    offered = {"config": config, "data_dir": folder / "data"}
    taken = inspect.signature(module.Model).parameters
    model = module.Model(**{name: value for name, value in offered.items() if name in taken})
    model.load()
    return json.loads(json.dumps(model.predict(config["model_metadata"]["example_model_input"])))
