"""The keys that sign and verify access tokens: read from settings or a file, made where there is none."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stentor_auth.errors import SigningKeyUnusable
from stentor_auth.settings import AuthSettings
from stentor_common import jwt
from stentor_common.secret_file import read_or_make
from stentor_common.settings import Settings


@dataclass(frozen=True, slots=True)
class Keys:
    signing: jwt.SigningKey
    public: Mapping[str, Mapping[str, Any]]
    """JSON Web Keys by key id: of the signing key, and of those that signed before."""


def load_keys(settings: AuthSettings, platform: Settings) -> Keys:
    """Raises SigningKeyUnusable, with what to do."""
    try:
        signing = jwt.signing_key(_signing_pem(settings, platform))
    except (ValueError, TypeError) as error:
        raise SigningKeyUnusable(f"the signing key cannot be used: {error}") from None
    try:
        previous = [jwt.public_key(pem.get_secret_value()) for pem in settings.previous_keys]
    except (ValueError, TypeError) as error:
        raise SigningKeyUnusable(f"one of STENTOR_AUTH_PREVIOUS_KEYS cannot be used: {error}") from None
    return Keys(signing, {key["kid"]: key for key in (signing.public, *previous)})


def _signing_pem(settings: AuthSettings, platform: Settings) -> str:
    if given := settings.signing_key.get_secret_value():
        return given
    if settings.signing_key_file is None and not platform.embedded:
        raise SigningKeyUnusable(
            "every replica must sign with the same key: put an RSA private key in PEM into "
            "STENTOR_AUTH_SIGNING_KEY, or its path into STENTOR_AUTH_SIGNING_KEY_FILE"
        )
    path = settings.signing_key_file or platform.data_dir / "keys" / "jwt.pem"
    try:
        return read_or_make(path, jwt.generate_pem)
    except OSError as error:
        raise SigningKeyUnusable(
            f"the signing key {path} cannot be read or made: {error.strerror}; "
            "put an RSA private key in PEM there"
        ) from error
