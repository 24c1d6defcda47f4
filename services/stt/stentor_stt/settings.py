"""Settings of speech to text."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class SttSettings(BaseSettings):
    """Read from variables `STENTOR_STT_*`."""

    model_config = SettingsConfigDict(env_prefix="STENTOR_STT_", use_attribute_docstrings=True)

    engine: str = "faster-whisper"
    """Name in ENGINES; the default runs real Whisper models on a laptop."""

    models: list[str] = Field(default=["whisper-base"], min_length=1)
    """Models served, as a JSON list; the first is the default. Names, hub names or folders."""

    model_dir: Path | None = None
    """Folder holding `models/`, where weights are looked for and put together. Default: the data folder."""

    offline: bool = False
    """Never ask the model hub, not even for a model that is nowhere else."""

    device: str = "auto"
    """`cpu`, `cuda`, or `auto`: CUDA where there is a device."""

    compute_type: str = "auto"
    """Number format of the model: `auto` is int8 on a CPU and float16 on CUDA."""

    threads: int = Field(default=0, ge=0)
    """CPU threads of a model; 0 is one per core this process may use."""

    beam_size: int = Field(default=5, ge=1, le=20)
    """Hypotheses followed while decoding; 1 is fastest."""

    jobs_at_once: int = Field(default=4, ge=1)
    """Jobs a worker runs side by side. They take turns at the model, window by window, so that one is
    being decoded while another is recognised and a short one does not wait for a long one's end."""

    idle_unload_seconds: float = 300
    """Free a model after this long without a job; -1 keeps it."""

    preload: bool = False
    """Load the default model when the worker starts, not with its first job."""

    window_seconds: float = Field(default=300, ge=30)
    """Most sound given to a model at once; bounds memory whatever a recording's length."""

    max_audio_hours: float = Field(default=24, gt=0)
    """Longest recording taken."""

    fetch_seconds: float = Field(default=600, gt=0)
    """How long the download of a recording named by URL may take."""

    fetch_allowed: list[str] = []
    """Networks (JSON list, `10.1.0.0/16`) from which recordings may be fetched though they are not public."""

    provider_aliases: dict[str, str] = {}
    """Provider names answered by another provider, as a JSON object: `{"assembly": "whisper"}` lets
    clients written for one vendor run unchanged. The result names who really did the work."""

    poll_hold_seconds: float = Field(default=3, ge=0, le=30)
    """How long a status request of the SlashML contract may be held while the job is about to end."""
