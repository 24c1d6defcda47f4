"""Folders with `model.py` and no configuration: the class is found by its methods."""

from pathlib import Path

from stentor_deploy.errors import BadPackage
from stentor_deploy.packages import source_code
from stentor_deploy.packages.draft import Draft
from stentor_deploy.packages.requirements import read_file

PLACES = ("model/model.py", "model.py")
REQUIREMENTS = ("requirements.txt", "aai_pip-requirements.txt", "pyproject.toml")
USUAL = "Model"


def is_folder(root: Path) -> bool:
    return any((root / place).is_file() for place in PLACES)


def read_folder(draft: Draft) -> None:
    """Raises BadPackage."""
    place = next(place for place in PLACES if (draft.root / place).is_file())
    draft.config["model_module_dir"] = str(Path(place).parent)
    draft.config["model_class_name"] = _class_name(draft.root / place, place)
    read_requirements(draft)


def read_requirements(draft: Draft) -> None:
    """Of the first of the usual files that is there."""
    for name in REQUIREMENTS:
        if (draft.root / name).is_file():
            draft.requirements = read_file(draft.root, name)
            return


def _class_name(path: Path, shown: str) -> str:
    tree = source_code.parsed(path)
    if source_code.defines(tree, USUAL):
        return USUAL
    found = [node.name for node in source_code.classes(tree) if "predict" in source_code.methods(node)]
    if len(found) == 1:
        return found[0]
    if found:
        raise BadPackage(f"{shown} has several classes with predict ({', '.join(found)}); call one Model")
    raise BadPackage(f"{shown} must hold a class Model with a method predict(self, model_input)")
