"""Settings of pipelines."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class PipelineSettings(BaseSettings):
    """Read from variables `STENTOR_PIPELINES_*`."""

    model_config = SettingsConfigDict(env_prefix="STENTOR_PIPELINES_", use_attribute_docstrings=True)

    jobs_at_once: int = Field(default=64, ge=1)
    """Pipelines that a worker looks after side by side. They only wait for the jobs of their steps."""

    most_steps: int = Field(default=10, ge=1)
    """Steps that a pipeline may have."""
