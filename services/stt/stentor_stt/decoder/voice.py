"""Where somebody speaks, found out frame by frame as sound comes in."""

from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import onnxruntime

from stentor_stt.decoder.wire import Detector

FRAME = 512
"""Samples that are judged at once: 32 ms, as the model wants it."""

CONTEXT = 64
"""Samples before a frame that the model looks at too."""

STATE = (1, 1, 128)
WEIGHTS = "assets/silero_vad_v6.onnx"

Frames: TypeAlias = npt.NDArray[np.float32]
"""Sound by frame and sample."""

Judge: TypeAlias = Callable[[Frames], npt.NDArray[np.float32]]
"""How probable speech is in each frame, 0 to 1. Remembers what it heard before: one for each channel."""


def judge(detector: Detector) -> Judge:
    if detector is Detector.SPEECH:
        return SpeechJudge()
    return sound_judge if detector is Detector.SOUND else everything_judge


def prepare(detector: Detector) -> None:
    """Load what the detector needs, to be shared by all processes that are forked afterwards."""
    if detector is Detector.SPEECH:
        session()


class SpeechJudge:
    """The Silero model (github.com/snakers4/silero-vad, version 6, as faster-whisper brings it)."""

    def __init__(self) -> None:
        self._hidden = np.zeros(STATE, np.float32)
        self._cell = np.zeros(STATE, np.float32)
        self._before = np.zeros((1, CONTEXT), np.float32)

    def __call__(self, frames: Frames) -> npt.NDArray[np.float32]:
        if not len(frames):
            return np.zeros(0, np.float32)
        before = np.concatenate((self._before, frames[:-1, -CONTEXT:]))
        self._before = frames[-1:, -CONTEXT:]
        heard = np.concatenate((before, frames), axis=1)
        given = {"input": heard, "h": self._hidden, "c": self._cell}
        found, self._hidden, self._cell = session().run(None, given)
        return np.asarray(found, np.float32).reshape(-1)


def sound_judge(frames: Frames) -> npt.NDArray[np.float32]:
    """Whatever is not perfectly silent is speech: for engines that only tests use."""
    return np.asarray(frames.any(axis=1), np.float32)


def everything_judge(frames: Frames) -> npt.NDArray[np.float32]:
    return np.ones(len(frames), np.float32)


@cache
def session() -> onnxruntime.InferenceSession:
    found = find_spec("faster_whisper")
    assert found is not None
    assert found.submodule_search_locations
    # The file alone: the library around it would bring a hundred megabytes to each process.
    path = Path(found.submodule_search_locations[0]) / WEIGHTS
    options = onnxruntime.SessionOptions()
    # No threads, which would not survive a fork.
    options.inter_op_num_threads = options.intra_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"], sess_options=options)
