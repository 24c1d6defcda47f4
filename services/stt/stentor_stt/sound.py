"""What sound is everywhere here: one channel of 32-bit floating-point numbers, 16,000 in a second."""

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    # Only for types: who passes sound on need not have numpy.
    import numpy as np
    import numpy.typing as npt

Sound: TypeAlias = "npt.NDArray[np.float32]"
"""One channel at SAMPLE_RATE, nominally between -1 and 1."""

SAMPLE_RATE = 16_000
SAMPLE_BYTES = 4


def milliseconds(samples: int) -> int:
    return samples * 1000 // SAMPLE_RATE


def samples(milliseconds: int) -> int:
    return milliseconds * SAMPLE_RATE // 1000
