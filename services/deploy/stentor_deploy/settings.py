"""Settings of model deployment."""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

MIB = 1024**2


class DeploySettings(BaseSettings):
    """Read from variables `STENTOR_DEPLOY_*`."""

    model_config = SettingsConfigDict(env_prefix="STENTOR_DEPLOY_", use_attribute_docstrings=True)

    driver: Literal["process", "kubernetes"] = "process"
    """Where models run: processes of this machine, or pods of the cluster this runs in."""

    folder: Path | None = None
    """Folder for environments, unpacked packages and sockets. Default: `deploy` in the data folder."""

    isolation: Literal["required", "best", "off"] = "best"
    """`best`: each model gets what this system can do to keep it from others, and its status says what is
    missing; `required`: nothing runs where a layer is missing; `off`: none, for debugging on one's own
    machine."""

    allow_network: bool = False
    """Whether a deployment may ask for network access for its model."""

    max_package_bytes: int = Field(default=2 * 1024**3, ge=1)
    """Largest archive taken, in bytes."""

    max_unpacked_bytes: int = Field(default=8 * 1024**3, ge=1)
    """Most bytes an archive may hold once unpacked."""

    max_package_files: int = Field(default=20_000, ge=1)
    """Most files an archive may hold."""

    fetch_allowed: list[str] = []
    """Networks (JSON list, `10.1.0.0/16`) from which inputs may be fetched by their URL though they are not
    public."""

    max_body_bytes: int = Field(default=10 * MIB, ge=1)
    """Largest input of a prediction, in bytes."""

    max_answer_bytes: int = Field(default=64 * MIB, ge=1)
    """Largest answer of a model, in bytes."""

    model_dir: Path | None = None
    """Folder holding `models/<owner>/<name>`, where weights are looked for that a package only names.
    Default: the data folder."""

    model_hub: bool = True
    """Whether such weights are fetched from the model hub when they are neither there nor in its cache."""

    python: list[Path] = []
    """Interpreters (JSON list) that packages may use, beside the one that runs Stentor."""

    index_url: str = ""
    """Package index for requirements. Empty: the one that pip is configured with, else PyPI."""

    extra_index_urls: list[str] = []
    """Further indexes (JSON list). Empty: those that pip is configured with."""

    find_links: list[str] = []
    """Folders or pages with wheels (JSON list). Empty: those that pip is configured with."""

    allow_source_builds: bool = False
    """Whether requirements without a wheel may be built: that runs their code while building."""

    allow_url_requirements: bool = False
    """Whether requirements may be given as https addresses of wheels."""

    build_seconds: float = Field(default=900, gt=0)
    """Longest time to make an environment."""

    builds_at_once: int = Field(default=2, ge=1)
    """Builds that a worker runs side by side."""

    predictions_at_once: int = Field(default=16, ge=1)
    """Queued predictions that a worker runs side by side."""

    load_seconds: float = Field(default=300, gt=0)
    """Longest time a model may take to load."""

    predict_seconds: float = Field(default=60, gt=0)
    """Longest time of a prediction where neither the package nor the deployment says another."""

    max_predict_seconds: float = Field(default=3600, gt=0)
    """Longest time that these may say."""

    memory_mib: int = Field(default=4096, ge=64)
    """Memory of a replica whose package says none, in MiB; also the least it is given."""

    idle_seconds: float = Field(default=900, gt=0)
    """A model that nobody calls for so long is put to sleep, where its deployment says nothing else."""

    max_replicas: int = Field(default=4, ge=1)
    """Most replicas a deployment may ask for."""

    most_waiting: int = Field(default=1000, ge=1)
    """Calls that may wait for a model; further ones are refused."""

    batch: int = Field(default=32, ge=1)
    """Most calls joined into one, for models that take lists."""

    examine_seconds: float = Field(default=10, ge=0)
    """Between looks whether replicas, and the models in them, say that they are healthy."""

    standbys: int = Field(default=2, ge=0)
    """Sleeping models, of those used last, whose libraries stay imported in a process from which they wake
    fast."""

    log_lines: int = Field(default=10_000, ge=100)
    """Lines of its build and of its output that are kept of each revision."""

    result_retention_hours: float = Field(default=24, gt=0)
    """Results of queued predictions are kept so long."""
