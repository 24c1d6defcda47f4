"""Who is calling: credentials in a request become a Caller, wherever users are kept."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from stentor_common.errors import Forbidden, Unauthenticated


class Scope(StrEnum):
    """What an API token may be limited to. Signing in with a password gives all of them."""

    jobs_read = "jobs:read"
    """See jobs and their results."""
    jobs_write = "jobs:write"
    """Upload, create, cancel and delete."""
    account = "account"
    """See and change the account: API tokens, profile."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever sent a request. Without a user it is anonymous and known by its address only."""

    address: str
    user_id: uuid.UUID | None = None
    token_id: uuid.UUID | None = None
    scopes: frozenset[Scope] = frozenset(Scope)
    on_behalf: bool = False
    """A job of theirs, which was counted when it came, asks for more."""

    @property
    def key(self) -> str:
        """What limits are counted by."""
        return f"user:{self.user_id}" if self.user_id else f"address:{self.address}"

    def may_see(self, owner_id: uuid.UUID | None) -> bool:
        """Own things, and things without an owner, whose id is the only key to them."""
        return owner_id is None or owner_id == self.user_id

    def need(self, scope: Scope) -> None:
        if scope not in self.scopes:
            raise Forbidden(f"this API token lacks the scope {scope.value!r}; make one that has it")

    def need_user(self) -> uuid.UUID:
        """The user's id. Raises Unauthenticated for an anonymous caller."""
        if self.user_id is None:
            raise Unauthenticated(
                "this needs an account: register at POST /v1/users, get a token at POST /v1/token "
                "and send it as `Authorization: Bearer <token>`"
            )
        return self.user_id


@dataclass(frozen=True, slots=True)
class Identity:
    """What a credential proves."""

    user_id: uuid.UUID
    token_id: uuid.UUID | None
    scopes: frozenset[Scope]


class Authenticator(Protocol):
    async def identify(self, credential: str) -> Identity:
        """Whom a JWT or an API token belongs to. Raises Unauthenticated, Unavailable."""

    async def close(self) -> None: ...


SCHEMES = frozenset({"bearer", "token", "api-key"})
"""What may stand before a credential; Truss and Baseten know the last one."""

NO_CREDENTIAL = frozenset({"", "none", "anonymous"})
"""What those send who have none, but whose client insists on one."""


def credential_in(headers: Mapping[str, str]) -> str | None:
    """The credential of a request, in any of the spellings clients use; None when there is none.

    `Authorization: Bearer X`, `Token X`, `Api-Key X` or `X` alone, and `x-access-token: X`; X is `none` or
    `anonymous` where a client wants one and its user has none.
    """
    sent = headers.get("authorization", "").strip()
    scheme, _, value = sent.partition(" ")
    if scheme.lower() in SCHEMES:
        sent = value.strip()
    sent = sent or headers.get("x-access-token", "").strip()
    return None if sent.lower() in NO_CREDENTIAL else sent
