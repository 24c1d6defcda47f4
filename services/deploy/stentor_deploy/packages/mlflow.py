"""Model folders of MLflow: https://mlflow.org/docs/latest/ml/model/ (storage format, pyfunc).

What can be run without MLflow is: it is a server, a client and a store. Other flavours keep it.
"""

import json
from pathlib import Path
from typing import Any

from stentor_deploy.errors import BadPackage
from stentor_deploy.packages import pickles
from stentor_deploy.packages.adapting import adapt, gather
from stentor_deploy.packages.draft import Draft, python_version
from stentor_deploy.packages.landing import path_parts
from stentor_deploy.packages.requirements import lines_of, read_file
from stentor_deploy.packages.yaml_files import read_mapping

MODEL_FILE = "MLmodel"
LIBRARIES = ("mlflow", "mlflow-skinny")
NOT_NEEDED = "the model is run without it"
PYFUNC = "python_function"
OWN_LOADER = "mlflow."
LARGEST_EXAMPLE = 1024**2


def is_mlflow(root: Path) -> bool:
    return (root / MODEL_FILE).is_file()


def read_mlflow(draft: Draft) -> None:
    """Raises BadPackage."""
    folder = gather(draft.root)
    spec = read_mapping(folder / MODEL_FILE)
    flavors = _mapping(spec.get("flavors"))
    pyfunc = _mapping(flavors.get(PYFUNC))
    draft.requirements = _requirements(folder)
    _read_python(draft, folder, pyfunc)
    columns = _columns(spec)
    if "sklearn" in flavors:
        _read_sklearn(draft, folder, _mapping(flavors["sklearn"]), columns)
    elif "onnx" in flavors:
        _read_onnx(draft, folder, _mapping(flavors["onnx"]))
    elif PYFUNC in flavors:
        _read_pyfunc(draft, folder, pyfunc, columns)
    else:
        known = ", ".join(flavors) or "none"
        raise BadPackage(
            f"MLmodel has no flavour that is run here (sklearn, onnx, python_function), but {known}"
        )
    _read_code(draft, folder, pyfunc)
    _read_example(draft, folder, spec)


def _read_sklearn(draft: Draft, folder: Path, flavor: dict[str, Any], columns: list[str]) -> None:
    name = str(flavor.get("pickled_model") or "model.pkl")
    kind = str(flavor.get("serialization_format") or "cloudpickle")
    if kind not in ("pickle", "cloudpickle"):
        raise BadPackage(f"MLmodel: models saved with {kind} are not loaded here; save it with cloudpickle")
    path = _inside(folder, name)
    draft.drop(LIBRARIES, NOT_NEEDED)
    found = pickles.look(path, draft.rules)
    draft.require([*found.distributions, "scikit-learn", *(["cloudpickle"] if kind == "cloudpickle" else [])])
    draft.require(["pandas"] if columns or found.columns else [])
    version = flavor.get("sklearn_version")
    if version:
        draft.fields["pickled_with"] = {"scikit-learn": str(version)}
    draft.fields |= {"framework": "sklearn", "batch": None}
    adapt(draft, "pickled_model", {"model_file": f"model/{name}", "columns": columns})


def _read_onnx(draft: Draft, folder: Path, flavor: dict[str, Any]) -> None:
    name = str(flavor.get("data") or "model.onnx")
    path = _inside(folder, name)
    if path.is_dir():
        name = f"{name}/model.onnx"
        _inside(folder, name)
    draft.drop(LIBRARIES, NOT_NEEDED)
    draft.require(["onnxruntime", "numpy"])
    draft.fields["framework"] = "onnx"
    adapt(draft, "onnx_file", {"model_file": f"model/{name}"})


def _read_pyfunc(draft: Draft, folder: Path, flavor: dict[str, Any], columns: list[str]) -> None:
    loader = str(flavor.get("loader_module") or "")
    if not loader:
        raise BadPackage("MLmodel: the python_function flavour names no loader_module")
    data = flavor.get("data") or flavor.get("model_path")
    if data:
        _inside(folder, str(data))
    if loader.startswith(OWN_LOADER):
        draft.require(["mlflow"])
    draft.require(["pandas"] if columns else [])
    draft.fields["framework"] = loader.removeprefix(OWN_LOADER).partition(".")[0]
    adapt(draft, "mlflow_pyfunc", {"loader_module": loader, "data": data, "columns": columns})


def _read_code(draft: Draft, folder: Path, flavor: dict[str, Any]) -> None:
    code = flavor.get("code")
    if code and _inside(folder, str(code)).is_dir():
        draft.config["external_package_dirs"] = [f"data/model/{'/'.join(path_parts(str(code)))}"]


def _requirements(folder: Path) -> tuple[str, ...]:
    if (folder / "requirements.txt").is_file():
        return read_file(folder, "requirements.txt")
    path = folder / "conda.yaml"
    if not path.is_file():
        return ()
    found = read_mapping(path).get("dependencies")
    pips = [
        each["pip"] for each in found or [] if isinstance(each, dict) and isinstance(each.get("pip"), list)
    ]
    return lines_of([str(line) for lines in pips for line in lines])


def _read_python(draft: Draft, folder: Path, flavor: dict[str, Any]) -> None:
    path = folder / "python_env.yaml"
    said = flavor.get("python_version") or (read_mapping(path).get("python") if path.is_file() else None)
    if said:
        draft.fields["python"] = python_version(str(said))


def _columns(spec: dict[str, Any]) -> list[str]:
    """Names of the inputs' columns, if its signature has them."""
    told = _mapping(spec.get("signature")).get("inputs")
    try:
        found = json.loads(told) if isinstance(told, str) else told
    except (ValueError, RecursionError):
        return []
    if not isinstance(found, list):
        return []
    names = [each.get("name") for each in found if isinstance(each, dict) and each.get("type") != "tensor"]
    return [name for name in names if isinstance(name, str)]


def _read_example(draft: Draft, folder: Path, spec: dict[str, Any]) -> None:
    told = _mapping(spec.get("saved_input_example_info"))
    name = told.get("artifact_path")
    if not isinstance(name, str):
        return
    path = folder.joinpath(*path_parts(name))
    if not path.is_file() or path.stat().st_size > LARGEST_EXAMPLE:
        return
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        draft.note("example_unreadable", f"{name} is no JSON; the model is not tried with it")
        return
    is_split = told.get("type") == "dataframe" and isinstance(found, dict) and "data" in found
    draft.fields["examples"] = ({"dataframe_split": found} if is_split else found,)


def _inside(folder: Path, name: str) -> Path:
    path = folder.joinpath(*path_parts(name))
    if not path.exists():
        raise BadPackage(f"MLmodel names {name!r}, which is not in the package")
    return path


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
