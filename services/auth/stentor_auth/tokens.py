"""The two kinds of token: signed ones that say who somebody is, and API tokens that only we can look up."""

import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from stentor_common import jwt
from stentor_common.errors import Unauthenticated

START = "st_"
SHOWN = len(START) + 5
"""Characters of an API token that are kept in clear."""


@dataclass(frozen=True, slots=True)
class AccessToken:
    text: str = field(repr=False)
    lifetime: timedelta


@dataclass(frozen=True, slots=True)
class NewApiToken:
    """An API token at the only moment when its text is known."""

    text: str = field(repr=False)
    prefix: str
    hash: str


def issue(key: jwt.SigningKey, user_id: uuid.UUID, *, now: datetime, lifetime: timedelta) -> AccessToken:
    """A signed token that says: the bearer is this user."""
    claims = {
        "iss": jwt.ISSUER,
        "aud": jwt.AUDIENCE,
        "sub": str(user_id),
        "iat": int(now.timestamp()),
        "exp": int((now + lifetime).timestamp()),
        "jti": uuid.uuid4().hex,
    }
    return AccessToken(jwt.sign(key, claims), lifetime)


def user_in(text: str, keys: Mapping[str, Mapping[str, Any]], now: datetime) -> uuid.UUID:
    """Whom an access token belongs to. Raises Unauthenticated."""
    claims = jwt.verify(text, keys, now)
    try:
        return uuid.UUID(claims["sub"])
    except ValueError as error:
        raise Unauthenticated("the access token is not valid") from error


def new_api_token() -> NewApiToken:
    text = START + secrets.token_urlsafe(32)
    return NewApiToken(text, text[:SHOWN], api_token_hash(text))


def looks_like_api_token(credential: str) -> bool:
    return credential.startswith(START)


def api_token_hash(text: str) -> str:
    """What is stored. A token is long and random, so a fast hash cannot be searched backwards."""
    return sha256(text.encode()).hexdigest()
