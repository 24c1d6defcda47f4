"""Weights that a package names instead of holding them: brought into its folder before it is built, so that
its model needs no network."""

import asyncio
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from stentor_common.adapters import Adapter, resolve
from stentor_common.shelf import NAME, ModelShelf, ShelfKind, hub_cache_folder
from stentor_common.transformers_files import WEIGHTS, patterns_for
from stentor_deploy.errors import BadPackage
from stentor_deploy.packages import Package
from stentor_deploy.packages.draft import CONFIG_FILE
from stentor_deploy.packages.yaml_files import write_yaml

KINDS = tuple(ShelfKind("a model in the format of transformers", weights) for weights in WEIGHTS)
HUB = {"hub": Adapter("huggingface_hub:HfApi", extra="deploy", library="huggingface_hub")}


@dataclass(frozen=True, slots=True)
class Shelves:
    """Where weights are looked for."""

    folder: Path
    """Holds `models/<owner>/<name>`, which an operator fills."""
    download: bool
    """Whether the hub is asked for what is neither there nor in the hub's cache."""
    most_bytes: int


async def bring_weights(package: Package, folder: Path, shelves: Shelves) -> Package:
    """The package with the weights that it names in its folder, and a configuration that says so.

    Raises BadPackage when they cannot be had; MissingExtra.
    """
    name = package.hub_model
    if name is None:
        return package
    target = Path(package.config["data_dir"]) / "model"
    await asyncio.to_thread(_bring, name, folder / target, shelves)
    config: dict[str, Any] = {**package.config, "model_metadata": {**package.config["model_metadata"]}}
    metadata = config["model_metadata"]
    metadata["transformer_config"] = {**metadata["transformer_config"], "model": target.as_posix()}
    write_yaml(folder / CONFIG_FILE, config)
    return package.model_copy(update={"config": config, "hub_model": None})


def _bring(name: str, target: Path, shelves: Shelves) -> None:
    if not NAME.fullmatch(name):
        raise BadPackage(f"{name[:100]!r} is no name of a model; name one like owner/model")
    found = _here(name, shelves)
    if found is None and not shelves.download:
        raise _absent(name, "fetching from the model hub is switched off here")
    if found is None:
        found = _fetched(name, shelves)
    there = {file.name: file for file in found.iterdir() if file.is_file()}
    files = [file for each, file in there.items() if _is_wanted(each, patterns_for(there))]
    _check(name, sum(file.stat().st_size for file in files), shelves)
    target.mkdir(parents=True, exist_ok=True)
    for file in files:
        # Links of the hub's cache are followed.
        shutil.copyfile(file, target / file.name)


def _here(name: str, shelves: Shelves) -> Path | None:
    """The folder or the hub's cache, where the weights are there already."""
    cache = hub_cache_folder(os.environ)
    places = (ModelShelf(kind, shelves.folder, cache) for kind in KINDS)
    found = next((place.locate(name) for place in places if place.has(name)), None)
    return found if found and (found / "config.json").is_file() else None


def _fetched(name: str, shelves: Shelves) -> Path:
    hub = resolve(HUB, "hub")()
    try:
        files = {
            each.rfilename: each.size or 0 for each in hub.model_info(name, files_metadata=True).siblings
        }
        wanted = patterns_for(files)
        taken = (size for file, size in files.items() if _is_wanted(file, wanted))
        _check(name, sum(taken), shelves)
        return Path(hub.snapshot_download(name, allow_patterns=list(wanted)))
    except (OSError, ValueError, httpx2.HTTPError) as error:
        why = "the model hub did not give it; check the name and the network"
        raise _absent(name, why) from error


def _check(name: str, size: int, shelves: Shelves) -> None:
    if size > shelves.most_bytes:
        raise BadPackage(
            f"the weights of {name} have {size} bytes, more than the limit of {shelves.most_bytes}"
        )


def _absent(name: str, why: str) -> BadPackage:
    return BadPackage(
        f"the package holds no weights, only the name {name!r}, and {why}. Save the weights into data/model "
        "(pipeline.save_pretrained), or ask the operator to put them into the data folder, as "
        f"models/{name}",
        param="model_metadata.transformer_config.model",
    )


def _is_wanted(file: str, patterns: Sequence[str]) -> bool:
    return any(Path(file).match(each) for each in patterns)
