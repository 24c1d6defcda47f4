"""ONNX models of voices: how they are opened, and how long each of their inputs sounds.

Such a model decides how many frames each phoneme lasts, rounds that, and goes on; the figures are no output.
They are made one: a model file is a protobuf message, and two messages one after the other are their sum
(https://protobuf.dev/programming-guides/encoding/#last-one-wins), so a few bytes behind the file name one
more output. Field numbers are those of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

from __future__ import annotations

import mmap
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from stentor_common.errors import Unavailable
from stentor_tts.engines import ModelUnreadable

MODEL_GRAPH = 7
GRAPH_NODE, GRAPH_OUTPUT = 1, 12
NODE_OUTPUT, NODE_OPERATOR = 2, 4
VALUE_NAME = 1

Durations = NDArray[np.float64]

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


class DeviceNotHere(Unavailable):
    code = "device_not_here"
    retryable = False


class OnnxModel:
    """A model in memory. Raises DeviceNotHere, ModelUnreadable."""

    def __init__(self, path: Path, *, threads: int = 0, device: str = "auto", rounds_by: str = "") -> None:
        """`rounds_by` is the operator that rounds durations; each model has it once, or tells none."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or usable_cores()
        options.inter_op_num_threads = 1
        # Threads that wait for work without sleeping take the cores of other processes.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        providers = _providers(device)
        # Neither what is read here of a broken file nor the errors of the library have a class in common.
        try:
            self._durations = durations_in(path, rounds_by) if rounds_by else None
            with _telling(path, self._durations) as file:
                self._session: Any = onnxruntime.InferenceSession(str(file), options, providers=providers)
        except Exception as error:
            raise ModelUnreadable(path.name, "it is no ONNX model, or damaged") from error
        self.inputs = {each.name: each.type for each in self._session.get_inputs()}
        self._outputs = [each.name for each in self._session.get_outputs()]

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> tuple[list[NDArray[Any]], Durations | None]:
        """The model's own outputs, and the durations as one row, in its frames, if it tells them."""
        found = dict(zip(self._outputs, self._session.run(None, dict(inputs)), strict=True))
        durations = found.pop(self._durations) if self._durations else None
        return list(found.values()), None if durations is None else durations.astype(np.float64).ravel()


def lasting_ms(durations: Durations, samples: int, sample_rate: int) -> list[float]:
    """How long each input sounds. Durations are shares of the whole sound; none is shorter than a frame."""
    frames = np.maximum(durations, 1)
    shares: list[float] = (frames * (samples * 1000 / sample_rate / frames.sum())).tolist()
    return shares


def durations_in(path: Path, operator: str) -> str | None:
    """The name of what the only operator of this kind makes; None where there is none, or several."""
    found: list[str] = []
    for graph in _fields(_mapped(path), MODEL_GRAPH):
        for node in _fields(graph, GRAPH_NODE):
            if operator.encode() in map(bytes, _fields(node, NODE_OPERATOR)):
                found += (bytes(name).decode() for name in _fields(node, NODE_OUTPUT))
    return found[0] if len(found) == 1 else None


@contextmanager
def _telling(path: Path, durations: str | None) -> Iterator[Path]:
    """The file, or one that tells durations too."""
    if durations is None or durations in _outputs_of(path):
        yield path
        return
    # A file, because a session of bytes keeps them.
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place) / path.name
        shutil.copyfile(path, copy)
        with copy.open("ab") as end:
            end.write(_one_more_output(durations))
        yield copy


def _outputs_of(path: Path) -> list[str]:
    outputs = (each for graph in _fields(_mapped(path), MODEL_GRAPH) for each in _fields(graph, GRAPH_OUTPUT))
    return [bytes(name).decode() for each in outputs for name in _fields(each, VALUE_NAME)]


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _mapped(path: Path) -> memoryview:
    # Given back to the system with the last view of it.
    with path.open("rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _providers(device: str) -> list[str]:
    here = onnxruntime.get_available_providers()
    if device == "cuda" and CUDA not in here:
        raise DeviceNotHere("the device cuda needs onnxruntime-gpu in place of onnxruntime")
    return [CUDA, CPU] if device != "cpu" and CUDA in here else [CPU]


def _one_more_output(name: str) -> bytes:
    value = _field(VALUE_NAME, name.encode())
    return _field(MODEL_GRAPH, _field(GRAPH_OUTPUT, value))


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    return bytes((*encoded, value))


def _fields(message: memoryview, wanted: int) -> Iterator[memoryview]:
    """Contents of the fields of this number, which are all of variable length."""
    at = 0
    while at < len(message):
        key, at = _read_varint(message, at)
        kind = key & 7
        if kind == 0:
            _, at = _read_varint(message, at)
            continue
        length = {1: 8, 5: 4}.get(kind, 0)
        if kind == 2:
            length, at = _read_varint(message, at)
        if key >> 3 == wanted:
            yield message[at : at + length]
        at += length


def _read_varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
