"""The voice encoder: from 1.6 seconds of speech to a vector that is near to others of the same voice.

Three LSTM layers and a projection, trained with the GE2E loss (Wan, Wang, Papir, Lopez Moreno:
"Generalized End-to-End Loss for Speaker Verification", ICASSP 2018), computed with numpy alone.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from threadpoolctl import threadpool_limits

from stentor_stt.voices import weights
from stentor_stt.voices.vectors import Matrix, Vectors, directions
from stentor_stt.voices.weights import Weights

DIMENSIONS = 256
LAYERS = 3
BATCH = 32


class VoiceEncoder:
    """The weights in memory. All methods block; any thread may call them."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._network: _Network | None = None
        self._lock = threading.Lock()

    def load(self) -> None:
        """Does nothing when the weights are there. Raises ModelNotFound."""
        with self._lock:
            if self._network is None:
                # The products here are too small to be shared out: each of several threads mostly waits for
                # the others: 4 to 12 times as long as one needs when the cores are busy. For good, as nothing
                # else in the process multiplies matrices, and the limit is the process's, not the thread's.
                threadpool_limits(1, user_api="blas")
                self._network = _Network.of(weights.read(weights.located(self._data_dir)))

    def unload(self) -> None:
        with self._lock:
            self._network = None

    def vectors(self, features: Sequence[Matrix]) -> Vectors:
        """See `stentor_stt.voices.Encoder`."""
        network = self._network
        if network is None:
            raise RuntimeError("load() comes before using the encoder")
        batches = [features[at : at + BATCH] for at in range(0, len(features), BATCH)]
        found = [network.run(np.stack(batch, axis=1)) for batch in batches]
        return np.concatenate(found) if found else np.zeros((0, DIMENSIONS), np.float32)


@dataclass(frozen=True, slots=True)
class _Layer:
    """An LSTM layer, its gates in the order input, forget, cell, output.

    sigmoid(x) = tanh(x / 2) / 2 + 1/2: with the halves in the weights all four gates are one tanh.
    """

    from_input: Matrix
    from_state: Matrix
    bias: Matrix

    @classmethod
    def of(cls, found: Weights, layer: int) -> Self:
        half = np.repeat(np.array([0.5, 0.5, 1, 0.5], np.float32), DIMENSIONS)
        return cls(
            np.ascontiguousarray((found[f"lstm.weight_ih_l{layer}"] * half[:, None]).T),
            np.ascontiguousarray((found[f"lstm.weight_hh_l{layer}"] * half[:, None]).T),
            (found[f"lstm.bias_ih_l{layer}"] + found[f"lstm.bias_hh_l{layer}"]) * half,
        )

    def run(self, inputs: Matrix) -> Matrix:
        """(time, batch, values) to the states (time, batch, DIMENSIONS)."""
        time, batch, _ = inputs.shape
        gates = inputs @ self.from_input + self.bias
        states = np.empty((time, batch, DIMENSIONS), np.float32)
        cell = np.zeros((batch, DIMENSIONS), np.float32)
        for step in range(time):
            now = gates[step]
            if step:
                now += states[step - 1] @ self.from_state
            np.tanh(now, out=now)
            enter, forget, new, leave = np.split(now, 4, axis=1)
            cell = (forget * cell + cell + enter * new + new) / 2
            np.multiply((leave + 1) / 2, np.tanh(cell), out=states[step])
        return states


@dataclass(frozen=True, slots=True)
class _Network:
    layers: tuple[_Layer, ...]
    projection: Matrix
    bias: Matrix

    @classmethod
    def of(cls, found: Weights) -> Self:
        layers = tuple(_Layer.of(found, layer) for layer in range(LAYERS))
        return cls(layers, np.ascontiguousarray(found["linear.weight"].T), found["linear.bias"])

    def run(self, states: Matrix) -> Vectors:
        for layer in self.layers:
            states = layer.run(states)
        return directions(np.maximum(states[-1] @ self.projection + self.bias, 0))
