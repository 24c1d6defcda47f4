"""The voice encoder's weights: where they are, and reading their file without torch.

They are those of Resemblyzer (Apache-2.0), a Python package that carries them and needs torch and a C
compiler to install. Stentor wants the file alone.
"""

import hashlib
import importlib.util
import pickle
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt

from stentor_common.shelf import ModelNotFound

Weights: TypeAlias = Mapping[str, npt.NDArray[np.float32]]

NAME = "voice-encoder"
FILE = "pretrained.pt"
PACKAGE = "resemblyzer"
PIP = "pip install --no-deps resemblyzer==0.1.4"
SHA256 = "39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e"


def located(data_dir: Path) -> Path:
    """The weights' file: in `models/voice-encoder` of the data directory, else in the package.

    Raises ModelNotFound with the command that brings it.
    """
    own = data_dir / "models" / NAME / FILE
    # Found without importing: the package needs torch when it is imported.
    spec = importlib.util.find_spec(PACKAGE)
    packaged = [Path(place) / FILE for place in (spec.submodule_search_locations if spec else None) or ()]
    for path in (own, *packaged):
        if path.is_file():
            return path
    raise ModelNotFound(
        "speakers cannot be told apart, the weights of the voice encoder are not on this machine: "
        f"run `{PIP}`, or put its {FILE} in the folder models/{NAME} of the data directory"
    )


def read(path: Path) -> Weights:
    """The encoder's tensors by name. Raises ModelNotFound unless this is the very file that is known.

    The file has the form torch saved in until version 1.5: five pickles (magic number, version, the
    machine's properties, the objects, the order of their storages), then the storages' bytes.
    """
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != SHA256:
            raise ModelNotFound(
                f"{FILE} of the voice encoder is damaged or another version: run `{PIP} --force-reinstall`"
            )
        file.seek(0)
        saved = [_Unpickler(file).load() for _ in range(5)]
        storages = {key: _storage(file) for key in saved[4]}
    model: Mapping[str, Any] = saved[3]["model_state"]
    return {name: tensor.cut_from(storages) for name, tensor in model.items()}


@dataclass(frozen=True, slots=True)
class _Tensor:
    """A stretch of a storage: what torch's function of that name is called with to rebuild one."""

    storage: str
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    requires_grad: bool
    hooks: object

    def cut_from(self, storages: Weights) -> npt.NDArray[np.float32]:
        size = int(np.prod(self.shape))
        return storages[self.storage][self.offset : self.offset + size].reshape(self.shape)


class _Unpickler(pickle.Unpickler):
    """Makes plain objects and descriptions of tensors; a pickle that names anything else is refused."""

    def find_class(self, module: str, name: str) -> Any:
        allowed = {
            "collections.OrderedDict": OrderedDict,
            "torch.FloatStorage": "float32",
            "torch._utils._rebuild_tensor_v2": _Tensor,
        }
        try:
            return allowed[f"{module}.{name}"]
        except KeyError:
            raise pickle.UnpicklingError(f"{module}.{name} has no place in weights") from None

    def persistent_load(self, saved: Any) -> str:
        """The key of a storage, from (kind, type, key, device, size, view)."""
        return str(saved[2])


def _storage(file: BinaryIO) -> npt.NDArray[np.float32]:
    count = int.from_bytes(file.read(8), "little")
    return np.frombuffer(file.read(4 * count), "<f4")
