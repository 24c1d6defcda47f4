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

    jobs_at_once: int = Field(default=16, ge=1)
    """Jobs of each model that a worker runs side by side: while one is being decoded another is heard, and
    the model's batches are filled from all of them."""

    idle_unload_seconds: float = 300
    """Free a model after this long without a job; -1 keeps it."""

    preload: list[str] = []
    """Models (JSON list) that a worker loads when it starts, not with their first job."""

    model_memory_mib: int = Field(default=0, ge=0)
    """Memory that the models of a process may fill together, in MiB; 0: any. One that does not fit beside
    the others has those unloaded first that are idle longest."""

    batch: int = Field(default=16, ge=1, le=128)
    """Pieces of sound, of whatever jobs, that a model hears at once."""

    batch_seconds: float = Field(default=4, gt=0)
    """About how long hearing them may take, by the speed so far: whoever comes new waits so long. Longer
    batches do more in the same time on some machines."""

    piece_seconds: float = Field(default=15, ge=5, le=30)
    """Most sound that is heard at once; recordings are cut into such pieces, in pauses. On CPUs long pieces
    take more time for each second of sound."""

    decoder_memory_mib: int = Field(default=512, ge=256)
    """Memory that decoding one recording may take, in MiB. A recording that needs more is refused."""

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
    """How long a status request of the SlashML and AssemblyAI contracts may be held while the job is about to
    end."""

    stream_hold_seconds: float = Field(default=10, ge=0, le=30)
    """How long a streamed answer of the OpenAI contract waits for its first text before it begins: what goes
    wrong until then is told by the status."""

    live_sessions: int = Field(default=32, ge=1)
    """Live sessions that a process serves at a time."""

    live_sessions_per_caller: int = Field(default=16, ge=1)
    """How many of them one user, or one address without a token, may have."""

    live_minutes: float = Field(default=240, gt=0)
    """A live session is ended after this long."""

    live_idle_seconds: float = Field(default=300, gt=0)
    """A live session is ended when its client sends nothing for this long."""
