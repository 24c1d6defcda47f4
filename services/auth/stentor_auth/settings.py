"""Settings of the auth service."""

import re
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PEM_BLOCK = re.compile(r"-----BEGIN [A-Z ]+-----.+?-----END [A-Z ]+-----", re.DOTALL)


class AuthSettings(BaseSettings):
    """Read from variables `STENTOR_AUTH_*`."""

    model_config = SettingsConfigDict(
        env_prefix="STENTOR_AUTH_", env_ignore_empty=True, use_attribute_docstrings=True
    )

    signing_key: SecretStr = SecretStr("")
    """RSA private key in PEM that signs access tokens. Empty: `signing_key_file` is read."""

    signing_key_file: Path | None = None
    """File with that key; made at the first start where it is missing and its folder can be written.
    Empty: `keys/jwt.pem` in the data folder, which the embedded form alone may do."""

    previous_keys: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    """PEM keys (public or private) one after another whose access tokens are still accepted: after a
    rotation, the key that signed before."""

    access_token_seconds: int = Field(default=900, ge=1)
    """Life of an access token. That of a removed user works this long in other services."""

    registration: bool = True
    """Whether anybody may register an account."""

    password_min_length: int = Field(default=8, ge=8, le=255)
    """Fewest characters of a new password."""

    password_memory_kib: int = Field(default=64 * 1024, ge=8)
    """Memory to hash one password (argon2id), in KiB; at most two are hashed at a time."""

    password_passes: int = Field(default=3, ge=1)
    """Passes over that memory."""

    password_lanes: int = Field(default=4, ge=1)
    """Threads that hash one password. Hashes with older parameters are renewed at the next sign-in."""

    @field_validator("previous_keys", mode="before")
    @classmethod
    def _split(cls, sent: object) -> object:
        if not isinstance(sent, str):
            return sent
        if PEM_BLOCK.sub("", sent).strip():
            raise ValueError("must be PEM blocks, one after another")
        return tuple(PEM_BLOCK.findall(sent))
