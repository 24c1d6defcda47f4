"""The files of a model in the format of transformers: its weights in the best of their formats, and what is
read beside them. No code, and no other formats of the same weights."""

from collections.abc import Iterable

WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin")
"""By which such a folder is known: one file, several with an index, or torch's older format."""

SAFE, OLDER = "*.safetensors", "pytorch_model*.bin"
BESIDE = ("*.json", "*.txt", "*.model", "*.jinja")


def patterns_for(names: Iterable[str]) -> tuple[str, ...]:
    """What to take of a folder or repository that has these files."""
    # Some models are kept in torch's older format only.
    safe = any(name.endswith(".safetensors") for name in names)
    return (*BESIDE, SAFE if safe else OLDER)
