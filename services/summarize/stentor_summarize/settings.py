"""Settings of summaries."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class SummarizeSettings(BaseSettings):
    """Read from variables `STENTOR_SUMMARIZE_*`."""

    model_config = SettingsConfigDict(env_prefix="STENTOR_SUMMARIZE_", use_attribute_docstrings=True)

    models: list[str] = Field(default=["extractive"], min_length=1)
    """Models served, as a JSON list; the first is the default. `extractive` picks the text's own sentences;
    any other is written with its engine before it, `transformers:facebook/bart-large-cnn`, as a hub name or a
    folder, and writes in words of its own."""

    model_dir: Path | None = None
    """Folder holding `models/`, where weights are looked for. Default: the data folder."""

    offline: bool = False
    """Never ask the model hub, not even for a model that is nowhere else."""

    device: str = "auto"
    """`cpu`, `cuda`, or `auto`: CUDA where there is a device."""

    dtype: str = "auto"
    """Number format of written-out models: `auto` is float32 on a CPU and the weights' own on CUDA; else
    `float32`, `bfloat16`, `float16`."""

    threads: int = Field(default=0, ge=0)
    """CPU threads of a model; 0 is one per core this process may use."""

    context_tokens: int = Field(default=0, ge=0)
    """Most tokens of text and answer together, where a model allows more than memory does; 0 is the model's
    own limit."""

    jobs_at_once: int = Field(default=4, ge=1)
    """Jobs of each model that a worker runs side by side. They take turns at the model, after every few
    passages."""

    idle_unload_seconds: float = 300
    """Free a model after this long without a job; -1 keeps it."""

    preload: list[str] = []
    """Models (JSON list) that a worker loads when it starts, not with their first job."""

    model_memory_mib: int = Field(default=0, ge=0)
    """Memory that the models of a process may fill together, in MiB; 0: any. One that does not fit beside
    the others has those unloaded first that are idle longest."""

    max_characters: int = Field(default=25_000_000, ge=1)
    """Longest text taken, in characters, wherever it comes from."""

    max_text_bytes: int = Field(default=64 * 1024**2, ge=1)
    """Largest request body that holds the text itself, as JSON or a form, in bytes: it is held in memory."""

    max_document_bytes: int = Field(default=256 * 1024**2, ge=1)
    """Largest document taken, in bytes."""

    max_pages: int = Field(default=2_000, ge=1)
    """Most pages of a document."""

    document_memory_mib: int = Field(default=1024, ge=256)
    """Memory that reading one document may take, in MiB. A document that needs more is refused."""

    document_seconds: float = Field(default=120, gt=0)
    """Computing time that reading one document may take."""

    fetch_seconds: float = Field(default=120, gt=0)
    """How long the download of a text named by URL may take."""

    fetch_allowed: list[str] = []
    """Networks (JSON list, `10.1.0.0/16`) from which texts may be fetched though they are not public."""

    provider_aliases: dict[str, str] = {}
    """Provider names answered by another provider, as a JSON object: `{"openai": "hugging-face"}` lets
    clients written for one vendor run unchanged. The result names who really did the work."""

    poll_hold_seconds: float = Field(default=3, ge=0, le=30)
    """How long a status request of the SlashML contract may be held while the job is about to end."""
