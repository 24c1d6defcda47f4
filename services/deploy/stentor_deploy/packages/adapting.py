"""Adapters: model classes of ours that run what has none of its own. They travel within the package, so
that it runs the same wherever it is, and are never imported here."""

import shutil
from pathlib import Path
from typing import Any

from stentor_deploy.errors import BadPackage
from stentor_deploy.packages.draft import Draft

ADAPTERS = Path(__file__).parent / "adapters"
FOLDER = "stentor_adapter"
"""Within the package. People call their own modules `model` and `service`."""
STAND_IN = "octoai"


def adapt(draft: Draft, adapter: str, settings: dict[str, Any]) -> None:
    """Give the package a model class; it finds its settings in the configuration's `model_metadata`."""
    put_adapter(draft.root, adapter)
    draft.config["model_module_dir"] = FOLDER
    draft.config["model_metadata"] = draft.config["model_metadata"] | settings


def put_adapter(root: Path, adapter: str) -> None:
    folder = root / FOLDER
    if folder.exists():
        raise BadPackage(f"the package has a {FOLDER} of its own, where Stentor's would go; rename it")
    folder.mkdir()
    (folder / "__init__.py").touch()
    shutil.copyfile(ADAPTERS / f"{adapter}.py", folder / "model.py")
    if adapter == "octoai_service":
        shutil.copytree(ADAPTERS / STAND_IN, folder / STAND_IN, ignore=shutil.ignore_patterns("__pycache__"))


def gather(root: Path) -> Path:
    """Move all of a package's files to where weights belong in a Truss. Gives that folder."""
    files = list(root.iterdir())
    # A name that is not among them, until the folder of that name has been moved itself.
    aside = root / f"{FOLDER}.data"
    if aside.exists():
        raise BadPackage(f"the package has a {aside.name} of its own; rename it")
    aside.mkdir()
    for file in files:
        file.rename(aside / file.name)
    (root / "data").mkdir()
    return aside.rename(root / "data" / "model")
