"""Files that PyTorch writes: zip archives of pickles, tensors and code. They are listed, never loaded."""

import zipfile
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from stentor_deploy.errors import BadPackage
from stentor_deploy.packages.rules import Rules
from stentor_deploy.packages.zips import names

EXTERN = ".data/extern_modules"
LARGEST_LIST = 1024**2

SKOPS = "schema.json"
KERAS = "model.weights.h5"
"""What others who write zips have in theirs."""


class Kind(StrEnum):
    script = "script"
    """TorchScript: `torch.jit.save`."""
    package = "package"
    """`torch.package`: a pickle with the code it needs."""
    saved = "saved"
    """`torch.save`: a pickle, of weights or of a whole model, without code."""
    other = "other"


@dataclass(frozen=True, slots=True)
class TorchArchive:
    kind: Kind
    names: frozenset[str]
    """Of its members, without the folder that all of them are in."""
    extern: frozenset[str] = frozenset()
    """Top-level modules that a package imports from elsewhere."""

    def holds(self, name: str) -> bool:
        return name in self.names


def read_archive(path: Path, rules: Rules) -> TorchArchive:
    """Raises BadPackage if it is no zip."""
    found = names(path, rules)
    tops = {name.partition("/")[0] for name in found}
    inner = frozenset(name.partition("/")[2] for name in found) if len(tops) == 1 else frozenset(found)
    extern = frozenset[str]()
    if EXTERN in inner:
        extern = _extern(path, next(name for name in found if name.endswith(EXTERN)))
    return TorchArchive(_kind(inner), inner, extern)


def _kind(inner: frozenset[str]) -> Kind:
    if EXTERN in inner:
        return Kind.package
    if "constants.pkl" in inner and any(name.startswith("code/") for name in inner):
        return Kind.script
    if {"data.pkl", "version"} <= inner:
        return Kind.saved
    return Kind.other


def _extern(path: Path, name: str) -> frozenset[str]:
    try:
        with zipfile.ZipFile(path) as archive, archive.open(name) as file:
            text = file.read(LARGEST_LIST)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError) as error:
        raise BadPackage(f"{path.name} is damaged: {error}") from error
    return frozenset(line.partition(".")[0] for line in text.decode(errors="replace").split())
