"""An encoder without weights, for tests: tells tones apart, not voices."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from stentor_stt.voices.features import BANDS
from stentor_stt.voices.vectors import Matrix, Vectors, directions


class ToneEncoder:
    """A window's vector is how its power is spread over the bands."""

    def __init__(self, data_dir: Path) -> None: ...

    def load(self) -> None: ...

    def unload(self) -> None: ...

    def vectors(self, features: Sequence[Matrix]) -> Vectors:
        spread = [window.mean(axis=0) for window in features]
        return directions(np.array(spread, np.float32).reshape(-1, BANDS))
