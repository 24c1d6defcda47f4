"""Where a model computes."""

import torch

from stentor_common.errors import Unavailable


class NoSuchDevice(Unavailable):
    code = "no_such_device"
    retryable = False


def device_of(asked: str) -> str:
    """cpu or cuda, for auto as well. Raises NoSuchDevice."""
    if asked == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if asked.startswith("cuda") and not torch.cuda.is_available():
        raise NoSuchDevice(
            "the operator chose cuda for summaries and torch finds no such device: set auto or cpu"
        )
    return asked


def set_threads(wanted: int) -> None:
    """0 leaves torch's own choice, one per core."""
    if wanted:
        torch.set_num_threads(wanted)
