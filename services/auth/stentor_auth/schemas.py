"""What goes over the wire about users and tokens."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, ConfigDict, EmailStr, Field, SecretStr, model_validator

from stentor_auth.names import LONGEST, SHORTEST, clean_username, printable
from stentor_common.auth import Scope
from stentor_common.wire import Wire

TEN_YEARS = 10 * 365 * 24 * 3600

Username = Annotated[
    str,
    AfterValidator(clean_username),
    Field(json_schema_extra={"minLength": SHORTEST, "maxLength": LONGEST}),
]
Password = Annotated[SecretStr, Field(max_length=255)]
NewPassword = Annotated[SecretStr, Field(min_length=8, max_length=255)]


class NewUser(Wire):
    username: Username
    """3 to 127 characters without `@`; upper and lower case count as the same."""
    email: EmailStr
    """Address of the user; upper and lower case count as the same."""
    password: NewPassword
    """8 to 255 characters."""


class UserChange(Wire):
    """What is not sent stays as it is."""

    username: Username | None = None
    """New name."""
    email: EmailStr | None = None
    """New address."""
    password: NewPassword | None = None
    """New password; needs `current_password`."""
    current_password: Password | None = None
    """The password until now."""

    @model_validator(mode="after")
    def _know_the_password(self) -> Self:
        if self.password is not None and self.current_password is None:
            raise ValueError("a new password needs current_password")
        return self


class UserView(Wire):
    id: uuid.UUID
    username: str
    email: str
    created_at: datetime
    modified_at: datetime


class SignIn(Wire):
    """Sign-in forms of OAuth clients bring fields of their own, such as `grant_type`; they change nothing."""

    model_config = ConfigDict(extra="ignore")

    username: str | None = Field(default=None, max_length=320)
    """User name, or email address."""
    email: str | None = Field(default=None, max_length=320)
    """Email address, instead of `username`."""
    password: Password
    """The user's password."""

    @model_validator(mode="after")
    def _know_the_user(self) -> Self:
        if bool(self.username) == bool(self.email):
            raise ValueError("send either username or email")
        return self

    @property
    def name(self) -> str:
        return self.username or self.email or ""


class AccessTokenView(Wire):
    access_token: str
    """Send it as `Authorization: Bearer <access_token>`."""
    token_type: Literal["bearer"]
    expires_in: int
    """Seconds it works."""


class NewToken(Wire):
    name: Annotated[str, AfterValidator(printable)] = Field(min_length=1, max_length=100)
    """What it is for, as a reminder."""
    scopes: frozenset[Scope] | None = Field(default=None, min_length=1)
    """What it may do. Not sent: all that the caller may do."""
    expires_in: int | None = Field(default=None, ge=1, le=TEN_YEARS)
    """Seconds it works. Not sent: until it is revoked."""


class TokenView(Wire):
    id: uuid.UUID
    name: str
    prefix: str
    """How the token begins."""
    scopes: list[Scope]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    """To the minute."""


class TokenList(Wire):
    object: Literal["list"]
    data: Sequence[TokenView]
    """Newest first."""


class TokenMade(Wire):
    id: uuid.UUID
    name: str
    token: str
    """The token itself. It is shown this once and cannot be read again."""
    scopes: list[Scope]
    created_at: datetime
    expires_at: datetime | None


class TokenInUse(Wire):
    id: uuid.UUID
    user_id: uuid.UUID
    name: str
    scopes: list[Scope]
    expires_at: datetime | None


class KeyView(Wire):
    kty: Literal["RSA"]
    use: Literal["sig"]
    alg: Literal["RS256"]
    kid: str
    """Names the key in the header of the tokens it signed."""
    n: str
    e: str


class KeySet(Wire):
    keys: list[KeyView]
