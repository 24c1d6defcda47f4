"""Voices as vectors: the port of voice encoders, which there are, and who is who among their vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from stentor_common.adapters import Adapter

if TYPE_CHECKING:
    # Only for types: who chooses an encoder by name need not have numpy.
    import numpy as np
    import numpy.typing as npt

ENCODERS = {
    "ge2e": Adapter("stentor_stt.voices.encoder:VoiceEncoder", extra="diarization", library="threadpoolctl"),
    "scripted": Adapter("stentor_stt.voices.scripted:ToneEncoder"),
}
"""Each is called with the data directory. `scripted` is for tests and never a default."""


class Encoder(Protocol):
    """Turns sound into vectors that are near to each other when the voice is the same. All methods block."""

    def load(self) -> None:
        """Does nothing when the weights are there. Raises ModelNotFound."""

    def unload(self) -> None: ...

    def vectors(self, features: Sequence[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
        """One vector of length 1, without a negative number, for each (FRAMES, BANDS) of mel power, see
        `stentor_stt.voices.features`. Any thread may call it. Needs `load` first."""
