"""Truss folders, old and current: https://docs.baseten.co/reference/truss-configuration."""

import re
from pathlib import Path
from typing import Any

from stentor_deploy.errors import BadPackage, Unsupported
from stentor_deploy.packages import source_code
from stentor_deploy.packages.draft import CONFIG_FILE, Draft
from stentor_deploy.packages.examples import of_file, of_metadata
from stentor_deploy.packages.keys import RULES
from stentor_deploy.packages.landing import path_parts
from stentor_deploy.packages.torch_archives import read_archive
from stentor_deploy.packages.yaml_files import read_mapping, scalar

OWN_SCRIPT = "__main__.py"

FOLDER_ELSEWHERE = re.compile(r"^(/|~|\.{1,2}[/\\]|[A-Za-z]:[/\\]|\\)")
UNUSED_IN_TORCH = ("torchaudio", "torchvision")

NEEDS = {
    "sklearn": ("scikit-learn",),
    "pytorch": ("torch",),
    "huggingface_transformer": ("transformers", "torch"),
}
"""What the code of generated packages imports, by framework; those who make them overlook some of it."""

COMMON = {"description", "requirements", "secrets", "resources", "weights", "train", "build", "runtime"}
"""Keys that other programs may have in their `config.yaml`."""


def is_truss(root: Path) -> bool:
    """Whether a folder's configuration is one of Truss, and not of the model's own."""
    path = root / CONFIG_FILE
    if not path.is_file():
        return False
    found = read_mapping(path)
    has_model = (root / str(found.get("model_module_dir", "model"))).is_dir()
    return bool((RULES.keys() - COMMON) & found.keys()) or (has_model and not found.keys() - RULES.keys())


def read_truss(draft: Draft) -> None:
    """Raises BadPackage, Unsupported."""
    given = read_mapping(draft.root / CONFIG_FILE)
    version = scalar(draft.root / CONFIG_FILE, "python_version")
    if version is not None and given.get("python_version") is not None:
        given["python_version"] = version
    for key, rule in RULES.items():
        if key in given:
            rule(draft, given[key])
    for key in given.keys() - RULES.keys():
        draft.config[key] = given[key]
        draft.note("config_unknown", f"{key}: is not known here; it is given to the model and else ignored")
    draft.require(NEEDS.get(draft.config["model_framework"], ()))
    _check_class(draft)
    _read_examples(draft)
    _check_transformers(draft)
    _check_torch(draft)


def _check_class(draft: Draft) -> None:
    config = draft.config
    path = draft.root / config["model_module_dir"] / config["model_class_filename"]
    shown = path.relative_to(draft.root)
    if not path.is_file():
        raise BadPackage(f"the package has no {shown}; it must hold class {config['model_class_name']}")
    if not source_code.defines(source_code.parsed(path), config["model_class_name"]):
        raise BadPackage(
            f"{shown} has no class {config['model_class_name']}; name yours under model_class_name"
        )


def _read_examples(draft: Draft) -> None:
    found = of_metadata(draft.config["model_metadata"]) + of_file(draft)
    found.sort(key=lambda each: not each.has_answer)
    draft.fields["examples"] = tuple(each.input for each in found)
    draft.fields["expected"] = tuple(each.answer for each in found if each.has_answer)


def _check_transformers(draft: Draft) -> None:
    """Packages of pipelines name their model, and often nothing but a folder of whoever made them."""
    settings: Any = draft.config["model_metadata"].get("transformer_config")
    model = settings.get("model") if isinstance(settings, dict) else None
    if not isinstance(model, str) or not model:
        return
    weights = f"{draft.config['data_dir']}/model"
    if (draft.root / weights / "config.json").is_file():
        settings["model"] = weights
        draft.note("weights_found", f"the pipeline is loaded from {weights} in place of {model!r}")
    elif _is_inside(draft.root, model):
        return
    elif FOLDER_ELSEWHERE.match(model) or "\\" in model:
        raise Unsupported(
            "model_metadata.transformer_config.model",
            f"{model!r} is a folder of the machine that made the package, and its weights are not in it. "
            f"Save them into {weights} (pipeline.save_pretrained), or deploy the saved folder with its task",
        )
    else:
        draft.fields["hub_model"] = model
        draft.note("weights_elsewhere", f"the package holds no weights, only the name {model!r}")


def _is_inside(root: Path, model: str) -> bool:
    try:
        return root.joinpath(*path_parts(model), "config.json").is_file()
    except BadPackage:
        return False


def _check_torch(draft: Draft) -> None:
    """Packages that `torch.package` wrote into a Truss."""
    metadata = draft.config["model_metadata"]
    name = metadata.get("torch_package_file")
    if not isinstance(name, str):
        return
    folder = Path(draft.config["data_dir"]) / str(metadata.get("model_binary_dir", "model"))
    path = draft.root / folder / name
    if not path.is_file():
        raise BadPackage(f"the package has no {folder / name}")
    archive = read_archive(path, draft.rules)
    if archive.holds(OWN_SCRIPT):
        draft.note(
            "script_inside",
            f"{folder / name} holds the script that made it, and runs all of it again whenever the model is "
            'loaded. Keep what makes and uploads the model behind `if __name__ == "__main__":`, or move the '
            "model's class into a module of its own",
        )
    draft.imports |= archive.extern
    unused = [name for name in UNUSED_IN_TORCH if name not in archive.extern and not _imports(draft, name)]
    draft.drop(unused, "nothing in the package imports it")


def _imports(draft: Draft, name: str) -> bool:
    return name in source_code.imported(draft.root)
