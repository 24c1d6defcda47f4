"""What Coqui's library needs of torchaudio, on machines where its compiled part cannot be loaded.

The last versions of torchaudio and of torchcodec are built for CUDA, or for another torch. The library only
wants them for features, which are plain torch, and to read the recording of a voice, which PyAV does as well.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import numpy as np


def prepare() -> None:
    """Make torchaudio one that can be imported, and read files. Does nothing where it can already."""
    try:
        import torchaudio
    except OSError:
        _leave_out_compiled_part()
        import torchaudio
    try:
        import torchcodec  # noqa: F401
    except (ImportError, OSError, RuntimeError):
        _forget("torchcodec")
        torchaudio.load = load_with_av


def load_with_av(path: Any, *_: Any, **__: Any) -> tuple[Any, int]:
    """As `torchaudio.load`: channels by samples, from -1 to 1, and their rate."""
    import av
    import torch

    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        resampler = av.AudioResampler(format="fltp", layout=stream.layout, rate=stream.rate)
        frames = [each for frame in (*container.decode(stream), None) for each in resampler.resample(frame)]
    return torch.from_numpy(np.concatenate([frame.to_ndarray() for frame in frames], axis=1)), stream.rate


def _leave_out_compiled_part() -> None:
    """As torchaudio does itself where that part is not installed."""
    _forget("torchaudio")
    absent = ModuleType("torchaudio._extension")
    absent._IS_TORCHAUDIO_EXT_AVAILABLE = False  # type: ignore[attr-defined]
    absent._IS_ALIGN_AVAILABLE = False  # type: ignore[attr-defined]
    absent.fail_if_no_align = lambda function: function  # type: ignore[attr-defined]
    absent._load_lib = lambda _: False  # type: ignore[attr-defined]
    sys.modules["torchaudio._extension"] = absent


def _forget(package: str) -> None:
    """What was imported of it before that failed."""
    for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
        del sys.modules[name]
