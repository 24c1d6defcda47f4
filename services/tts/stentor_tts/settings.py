"""Settings of text to speech."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from stentor_tts.voices import VoiceSetting


class TtsSettings(BaseSettings):
    """Read from variables `STENTOR_TTS_*`."""

    model_config = SettingsConfigDict(env_prefix="STENTOR_TTS_", use_attribute_docstrings=True)

    voices: list[str | VoiceSetting] = Field(default=["heart", "joe"], min_length=1)
    """Voices served, as a JSON list; the first is the default. Each is the id of a known one (`heart`,
    `kore`, `fenrir`, `emma`, `fable`, `joe`), `ENGINE:MODEL`, `ENGINE:MODEL#SPEAKER`, or an object with
    `engine`, `model` and, where their names do not tell, `voice`, `id`, `languages`, `gender`, `sample_rate`,
    `sample_text`, `licence`, `aliases`."""

    model_dir: Path | None = None
    """Folder holding `models/` and `voices/`, where models and recordings of voices to imitate are looked
    for. Default: the data folder."""

    offline: bool = False
    """Never ask a model hub, not even for a model that is nowhere else."""

    device: str = "auto"
    """`cpu`, `cuda`, or `auto`: CUDA where there is a device."""

    threads: int = Field(default=0, ge=0)
    """CPU threads of a model; 0 is one per core this process may use."""

    coqui_python: Path | None = None
    """The interpreter of an environment in which coqui-tts and this package are installed. Default: that of
    `make coqui`, beside the environment that runs."""

    accepted_licences: list[str] = []
    """Licences of models with conditions of their own (JSON list, `cpml`), to which you have agreed."""

    jobs_at_once: int = Field(default=8, ge=1)
    """Jobs of each model that a worker runs side by side: while the sound of one is encoded, another is
    spoken."""

    idle_unload_seconds: float = 300
    """Free a model after this long without a job; -1 keeps it."""

    preload: list[str] = []
    """Voices (JSON list) whose models a worker loads when it starts, not with their first job."""

    model_memory_mib: int = Field(default=0, ge=0)
    """Memory that the models of a process may fill together, in MiB; 0: any. One that does not fit beside
    the others has those unloaded first that are idle longest."""

    max_characters: int = Field(default=1_000_000, ge=1)
    """Longest text of a job, its markup included."""

    stream_characters: int = Field(default=100_000, ge=1)
    """Longest text that is spoken while the client listens."""

    sentences_ahead: int = Field(default=2, ge=1, le=64)
    """Sentences of one text that are spoken or wait for it while those before are encoded and sent: a slow
    client has no more than these made in advance."""

    streams: int = Field(default=64, ge=1)
    """Texts that a process speaks at a time while clients listen."""

    streams_per_caller: int = Field(default=16, ge=1)
    """How many of them one user, or one address without a token, may have."""

    short_wait_seconds: float = Field(default=4, ge=0, le=30)
    """How long a request of the SlashML contract is held, so that a short text is answered with its sound."""

    cache: bool = True
    """Keep sound that was made, and answer the same request of the same user with it."""

    cache_mib: int = Field(default=1024, ge=0)
    """Room for it in the store, in MiB. What was asked for longest ago goes first. Sound of jobs that are
    still kept serves too and does not count."""

    cache_hours: float = Field(default=7 * 24, gt=0)
    """It is deleted this long after it was last asked for."""

    provider_aliases: dict[str, str] = {}
    """Provider names answered by another provider, as a JSON object: `{"google": "stentor"}` lets clients
    written for one vendor run unchanged. The result names who really did the work."""
