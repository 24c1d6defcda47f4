"""Settings shared by every process. Each process builds one at its edge and passes it on."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

ADMIN_TOKEN_CHARACTERS = 16


class Settings(BaseSettings):
    """Read from variables `STENTOR_*`. The defaults run with no server at all."""

    model_config = SettingsConfigDict(env_prefix="STENTOR_", use_attribute_docstrings=True)

    data_dir: Path = Path("data")
    """Folder for everything the embedded form keeps: database, files, models, keys."""

    database_url: str = ""
    """SQLAlchemy URL: `postgresql+asyncpg://user:password@host/name`. Empty: SQLite in the data folder."""

    database_pool: int = Field(default=10, ge=1)
    """Connections a process opens to PostgreSQL at most."""

    queue_url: str = "memory:"
    """`amqp://user:password@host/vhost` for RabbitMQ; `memory:` for the queue inside this process."""

    store_url: str = ""
    """`s3+https://ACCESS:SECRET@host:port/bucket` (or `s3+http`). Empty: files in the data folder."""

    auth_url: str = ""
    """Base URL of the auth service, for processes that do not hold it themselves."""

    secret_key: SecretStr = SecretStr("")
    """Encrypts what must be readable again: secrets that sign webhooks, and where webhooks go. 32 random
    bytes in base64; of several, with commas between them, the first one encrypts and all decrypt. Empty:
    `keys/secret.key` in the data folder, made when it is needed; only the embedded form does that."""

    webhook_allowed: list[str] = []
    """Networks (JSON list, `10.1.0.0/16`) to which webhooks may go though they are not public."""

    webhook_seconds: float = Field(default=10, gt=0, le=30)
    """How long the receiver of a webhook may take to answer."""

    host: str = "127.0.0.1"
    """Address to listen on."""

    port: int = Field(default=8000, ge=0, le=65535)
    """Port to listen on; 0 takes a free one."""

    public_url: str = ""
    """How clients reach Stentor, for links in answers. Empty: taken from each request."""

    forwarded_allow_ips: str = "127.0.0.1"
    """Proxies whose X-Forwarded-* headers are believed: the ingress, nobody else. Comma-separated."""

    max_upload_bytes: int = Field(default=2 * 1024**3, ge=1)
    """Largest file a client may send, in bytes."""

    max_body_bytes: int = Field(default=2 * 1024**2, ge=1)
    """Largest request body that is not a file, in bytes."""

    max_inline_bytes: int = Field(default=64 * 1024**2, ge=1)
    """Largest JSON body in which a file is written as base64, in bytes: it is held in memory."""

    max_socket_message_bytes: int = Field(default=256 * 1024**2, ge=1)
    """Largest message of a WebSocket, in bytes. A file sent as one is held in memory until its end comes."""

    socket_memory_bytes: int = Field(default=512 * 1024**2, ge=1)
    """What the WebSockets of a process may hold together of large messages that still come, in bytes."""

    upload_retention_hours: float = Field(default=24, gt=0)
    """Uploaded files are deleted this long after they came."""

    result_retention_hours: float = Field(default=7 * 24, gt=0)
    """Results are deleted this long after their job was made."""

    lease_seconds: float = Field(default=15, gt=0)
    """A running job whose worker is silent this long is taken from it."""

    heartbeat_seconds: float = Field(default=1, gt=0)
    """How often a worker looks whether its job was cancelled, and writes progress."""

    max_attempts: int = Field(default=3, ge=1)
    """A job that crashed this often has failed."""

    retry_seconds: float = Field(default=2, ge=0)
    """Wait before the second attempt; doubled for each further one."""

    sweep_seconds: float = Field(default=1, gt=0)
    """How often lost messages and lost workers are looked for."""

    anonymous_access: bool = True
    """Whether calls without a token may create and read jobs."""

    admin_token: SecretStr = SecretStr("")
    """Whoever sends it may load and unload models. At least 16 characters, best random; empty: nobody may."""

    anonymous_jobs_per_minute: int = Field(default=10, ge=0)
    """New jobs (and, counted apart, uploads) an address may make in a minute without a token; 0: no limit."""

    caller_jobs_per_minute: int = Field(default=0, ge=0)
    """The same for each signed-in user; 0: no limit."""

    sign_ins_per_minute: int = Field(default=20, ge=0)
    """Attempts to sign in or to register that an address may make in a minute; 0: no limit."""

    shutdown_seconds: float = Field(default=10, ge=0)
    """On SIGTERM: how long running jobs and requests may finish before jobs are handed back."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least important level that is logged."""

    log_format: Literal["console", "json"] = "console"
    """Lines for a person, or one JSON object per line."""

    @field_validator("admin_token")
    @classmethod
    def _long_enough(cls, token: SecretStr) -> SecretStr:
        if 0 < len(token.get_secret_value()) < ADMIN_TOKEN_CHARACTERS:
            raise ValueError(f"has fewer than {ADMIN_TOKEN_CHARACTERS} characters and could be guessed")
        return token

    @property
    def resolved_database_url(self) -> str:
        return self.database_url or f"sqlite+aiosqlite:///{self.data_dir}/stentor.db"

    @property
    def resolved_store_url(self) -> str:
        return self.store_url or f"file:{self.data_dir}/objects"

    @property
    def embedded(self) -> bool:
        """Whether this process holds the queue itself, so that no other may use its data."""
        return self.queue_url.startswith("memory:")
