"""Weights that a package names instead of holding them: brought into its folder before it is built, so that
its model needs no network."""

import asyncio
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from stentor_common.adapters import Adapter, resolve
from stentor_common.shelf import NAME, hub_cache_folder
from stentor_deploy.errors import BadPackage
from stentor_deploy.packages import Package
from stentor_deploy.packages.draft import CONFIG_FILE
from stentor_deploy.packages.yaml_files import write_yaml

FORMATS = ("*.safetensors", "pytorch_model*.bin")
"""Of weights, the better one first."""
BESIDE = ("*.json", "*.txt", "*.model", "*.jinja")
"""What is taken with the weights: no code, and no other formats of them."""

HUB = {"hub": Adapter("huggingface_hub:HfApi", extra="deploy", library="huggingface_hub")}


@dataclass(frozen=True, slots=True)
class Shelves:
    """Where weights are looked for."""

    models: Path
    """Folders `<owner>/<name>` of an operator."""
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
    found = _here(shelves.models / name) or _cached(name)
    if found is None and not shelves.download:
        raise _absent(name, shelves, "fetching from the model hub is switched off here")
    if found is None:
        found = _fetched(name, shelves)
    _check(name, sum(file.stat().st_size for file in _files(found)), shelves)
    target.mkdir(parents=True, exist_ok=True)
    for file in _files(found):
        shutil.copyfile(file, target / file.name)


def _here(folder: Path) -> Path | None:
    return folder if (folder / "config.json").is_file() and _files(folder, FORMATS) else None


def _cached(name: str) -> Path | None:
    snapshots = hub_cache_folder(os.environ) / f"models--{name.replace('/', '--')}" / "snapshots"
    return next((found for each in snapshots.glob("*") if (found := _here(each))), None)


def _fetched(name: str, shelves: Shelves) -> Path:
    hub = resolve(HUB, "hub")()
    try:
        files = {
            each.rfilename: each.size or 0 for each in hub.model_info(name, files_metadata=True).siblings
        }
        safe = any(file.endswith(".safetensors") for file in files)
        wanted = [*BESIDE, FORMATS[0] if safe else FORMATS[1]]
        taken = (size for file, size in files.items() if any(Path(file).match(each) for each in wanted))
        _check(name, sum(taken), shelves)
        return Path(hub.snapshot_download(name, allow_patterns=wanted))
    except (OSError, ValueError, httpx2.HTTPError) as error:
        why = "the model hub did not give it; check the name and the network"
        raise _absent(name, shelves, why) from error


def _check(name: str, size: int, shelves: Shelves) -> None:
    if size > shelves.most_bytes:
        raise BadPackage(
            f"the weights of {name} have {size} bytes, more than the limit of {shelves.most_bytes}"
        )


def _absent(name: str, shelves: Shelves, why: str) -> BadPackage:
    return BadPackage(
        f"the package holds no weights, only the name {name!r}, and {why}. Save the weights into data/model "
        "(pipeline.save_pretrained), or ask the operator to put them into the data folder, as "
        f"{shelves.models.name}/{name}",
        param="model_metadata.transformer_config.model",
    )


def _files(folder: Path, patterns: tuple[str, ...] = (*FORMATS, *BESIDE)) -> list[Path]:
    """Those wanted, links of the hub's cache followed."""
    safe = any(folder.glob(FORMATS[0]))
    unwanted = FORMATS[1] if safe else ""
    return [
        file
        for pattern in patterns
        if pattern != unwanted
        for file in sorted(folder.glob(pattern))
        if file.is_file()
    ]
