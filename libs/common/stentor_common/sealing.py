"""Text that is kept encrypted, because it must be readable again: what others trusted us with.

Fernet (AES-128 in CBC mode with an HMAC). Whoever has the database alone can neither read nor change it.
"""

from functools import cached_property

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from stentor_common.errors import AppError, BadInput
from stentor_common.secret_file import read_or_make
from stentor_common.settings import Settings


class SecretKeyMissing(BadInput):
    code = "secret_key_missing"

    def __init__(self) -> None:
        super().__init__(
            "this installation cannot keep secrets: its operator must give every process the same "
            "STENTOR_SECRET_KEY, made with `openssl rand -base64 32`"
        )


class SecretKeyUnusable(AppError):
    code = "secret_key_unusable"


class Unreadable(AppError):
    """What is kept was encrypted with a key that is not among those given any more."""

    code = "secret_unreadable"


class Sealer:
    """Encrypts with the first key of `STENTOR_SECRET_KEY`, reads what any of its keys has encrypted.

    Without that setting the embedded form makes a key file in its data folder when it needs one.
    """

    def __init__(self, settings: Settings) -> None:
        """Raises SecretKeyUnusable for a setting that is wrong."""
        self._settings = settings
        if settings.secret_key.get_secret_value():
            _ = self._fernet

    def seal(self, text: str) -> str:
        """Raises SecretKeyMissing, SecretKeyUnusable."""
        return self._fernet.encrypt(text.encode()).decode()

    def open(self, sealed: str) -> str:
        """Raises SecretKeyMissing, SecretKeyUnusable, Unreadable."""
        try:
            return self._fernet.decrypt(sealed).decode()
        except InvalidToken:
            raise Unreadable("a secret cannot be read: STENTOR_SECRET_KEY lacks the key it needs") from None

    @cached_property
    def _fernet(self) -> MultiFernet:
        keys = [key.strip() for key in self._given().split(",") if key.strip()]
        try:
            return MultiFernet([Fernet(key) for key in keys])
        except ValueError as error:
            raise SecretKeyUnusable(
                "STENTOR_SECRET_KEY cannot be used: it must be 32 random bytes in base64, made with "
                "`openssl rand -base64 32`; of several, with commas between them, the first one encrypts"
            ) from error

    def _given(self) -> str:
        if given := self._settings.secret_key.get_secret_value():
            return given
        if not self._settings.embedded:
            raise SecretKeyMissing
        path = self._settings.data_dir / "keys" / "secret.key"
        try:
            return read_or_make(path, lambda: Fernet.generate_key().decode())
        except OSError as error:
            raise SecretKeyUnusable(f"the key {path} cannot be read or made: {error.strerror}") from error
