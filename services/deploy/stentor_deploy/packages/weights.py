"""Weights without a configuration: one file of a framework, or a folder that transformers saved."""

import json
from pathlib import Path
from typing import Any

from stentor_deploy.errors import BadPackage
from stentor_deploy.packages import pickles, torch_archives
from stentor_deploy.packages.adapting import adapt, gather
from stentor_deploy.packages.draft import Draft
from stentor_deploy.packages.folder import read_requirements
from stentor_deploy.packages.tasks import needs_of, task_of
from stentor_deploy.packages.torch_archives import KERAS, SKOPS, Kind
from stentor_deploy.packages.zips import is_zip

SKLEARN, PYTORCH, ONNX, TRANSFORMERS = "sklearn", "pytorch", "onnx", "transformers"
FRAMEWORKS = {
    "sklearn": SKLEARN,
    "scikit-learn": SKLEARN,
    "xgboost": SKLEARN,
    "lightgbm": SKLEARN,
    "catboost": SKLEARN,
    "pytorch": PYTORCH,
    "torch": PYTORCH,
    "torchscript": PYTORCH,
    "onnx": ONNX,
    "transformers": TRANSFORMERS,
    "huggingface": TRANSFORMERS,
}
"""What people call them, and what runs them here."""

WEIGHTS = (".joblib", ".pkl", ".pickle", ".onnx", ".pt", ".pth", ".ts", ".skops")
SAVED = ("*.safetensors", "pytorch_model*.bin")
ONNX_START = b"\x08"
"""Its first field is a number: the version of its format."""
HDF5 = b"\x89HDF"
POINTER = b"version https://git-lfs"
LARGEST_POINTER = 1024
INSTEAD = "upload a folder with a model.py that loads it"


def is_saved_by_transformers(root: Path) -> bool:
    path = root / "config.json"
    return path.is_file() and bool({"model_type", "architectures"} & _json(path).keys())


def weights_in(root: Path) -> list[Path]:
    """Files at the top of a folder that look like weights."""
    return sorted(path for path in root.iterdir() if path.suffix.lower() in WEIGHTS and path.is_file())


def read_weights(draft: Draft, file: Path) -> None:
    """A package around one file of weights. Raises BadPackage."""
    read_requirements(draft)
    path = gather(draft.root) / file.name
    _refuse_pointer(path)
    framework = _framework(draft, path)
    draft.config["model_framework"] = draft.fields["framework"] = framework
    settings = READERS[framework](draft, path)
    adapt(draft, ADAPTERS[framework], {"model_file": f"model/{path.name}"} | settings)


def read_saved_by_transformers(draft: Draft) -> None:
    """A package around a folder of `save_pretrained`. Raises BadPackage."""
    read_requirements(draft)
    folder = gather(draft.root)
    weights = [path for pattern in SAVED for path in folder.glob(pattern)]
    if not weights:
        raise BadPackage("the folder has a config.json and no weights (model.safetensors) beside it")
    for path in weights:
        _refuse_pointer(path)
    config = _json(folder / "config.json")
    task = draft.given.task or task_of(config)
    if not task:
        raise BadPackage("its files do not tell what the model is for: say so, as task=text-classification")
    if (folder / "modules.json").is_file():
        draft.note("modules_ignored", "modules.json: the model is run by transformers alone, without pooling")
    draft.require(needs_of(task, folder))
    draft.config |= {"model_framework": TRANSFORMERS, "model_type": task}
    draft.fields["framework"] = TRANSFORMERS
    adapt(draft, "transformers_folder", {"task": task, "own_code": "auto_map" in config})


def _framework(draft: Draft, path: Path) -> str:
    """By what is said, checked against the content; by the content alone if nothing is."""
    said = draft.given.framework
    if said and said.lower() not in FRAMEWORKS:
        raise BadPackage(f"framework {said!r} is not known; known are {', '.join(FRAMEWORKS)}. Or {INSTEAD}")
    found = _sniffed(draft, path)
    known = FRAMEWORKS[said.lower()] if said else found
    if known == TRANSFORMERS:
        raise BadPackage("transformers needs all that save_pretrained wrote; upload that folder")
    if known is None:
        raise BadPackage(f"{path.name} is neither an archive nor of a framework known here; {INSTEAD}")
    if found is not None and found != known:
        raise BadPackage(f"{path.name} is a file of {found}, not of {said}")
    if found is None:
        raise BadPackage(f"{path.name} does not look like a file of {said}")
    return known


def _sniffed(draft: Draft, path: Path) -> str | None:
    with path.open("rb") as file:
        start = file.read(8)
    if start.startswith(HDF5):
        raise BadPackage(f"{path.name} is a file of Keras, which is not loaded by itself here; {INSTEAD}")
    if is_zip(path):
        return _zipped(draft, path)
    if pickles.is_pickle(path):
        return SKLEARN
    is_onnx = path.suffix.lower() == ".onnx" or (draft.given.framework or "").lower() == ONNX
    return ONNX if is_onnx and start.startswith(ONNX_START) else None


def _zipped(draft: Draft, path: Path) -> str:
    archive = torch_archives.read_archive(path, draft.rules)
    if archive.kind in (Kind.script, Kind.package):
        return PYTORCH
    if archive.kind is Kind.saved:
        raise BadPackage(
            f"{path.name} was written by torch.save: it holds weights and not the model's code. Save it with "
            f"torch.jit.script(model).save(...), or {INSTEAD}"
        )
    if archive.holds(SKOPS):
        raise BadPackage(f"{path.name} is a file of skops, which is not loaded by itself here; {INSTEAD}")
    if archive.holds(KERAS):
        raise BadPackage(f"{path.name} is a file of Keras, which is not loaded by itself here; {INSTEAD}")
    raise BadPackage(f"{path.name} is neither an archive nor of a framework known here; {INSTEAD}")


def _pickle(draft: Draft, path: Path) -> dict[str, Any]:
    found = pickles.look(path, draft.rules)
    if pickles.SCRIPT in found.modules:
        draft.note(
            "class_of_script",
            f"{path.name} refers to `__main__`, the script that made it: what that script defines "
            "will be missing. Put it into a module beside a model.py",
        )
    if not found.distributions and not draft.given.framework:
        raise BadPackage(f"{path.name} is a pickle of no library that is known here; {INSTEAD}")
    draft.require([*found.distributions, "joblib", *(["pandas"] if found.columns else [])])
    draft.fields["batch"] = ROWS_AT_ONCE
    return {}


def _torch(draft: Draft, path: Path) -> dict[str, Any]:
    archive = torch_archives.read_archive(path, draft.rules)
    draft.require(["torch", "numpy"])
    draft.imports |= archive.extern
    if archive.kind is Kind.script:
        return {}
    found = [name for name in archive.names if name.endswith(".pkl") and not name.startswith(".data/")]
    if len(found) != 1:
        raise BadPackage(f"{path.name} must hold one pickled model; it holds {len(found)}")
    package, _, resource = found[0].rpartition("/")
    return {"torch_package": package.replace("/", "."), "torch_resource": resource}


def _onnx(draft: Draft, _: Path) -> dict[str, Any]:
    draft.require(["onnxruntime", "numpy"])
    return {}


def _refuse_pointer(path: Path) -> None:
    if path.stat().st_size <= LARGEST_POINTER and path.read_bytes().startswith(POINTER):
        raise BadPackage(f"{path.name} is a pointer of Git LFS, not the file itself (git lfs pull)")


def _json(path: Path) -> dict[str, Any]:
    """A small JSON object; anything else counts as an empty one."""
    try:
        found = json.loads(path.read_bytes()) if path.stat().st_size < 2**20 else {}
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


ROWS_AT_ONCE = 64
"""Calls that may be joined: estimators take rows, each by itself."""

READERS = {SKLEARN: _pickle, PYTORCH: _torch, ONNX: _onnx}
ADAPTERS = {SKLEARN: "pickled_model", PYTORCH: "torch_file", ONNX: "onnx_file"}
