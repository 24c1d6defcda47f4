"""What a voice is here: a direction in space."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Matrix: TypeAlias = npt.NDArray[np.float32]

Vectors: TypeAlias = npt.NDArray[np.float32]
"""(voices, dimensions), each of length 1 and without a negative number."""

TINY = np.float32(1e-6)


def directions(vectors: Matrix) -> Vectors:
    """The same vectors with length 1."""
    lengths: Matrix = np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), TINY)
    return vectors / lengths
