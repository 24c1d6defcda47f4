"""JSON Web Tokens: RS256 with a key id, and nothing else. All use of the JWT library is in this file.

The library would take any algorithm a token names, and a public key as a shared secret, if it were
let. So a verifier knows one algorithm, only keys of type RSA, and the claims that must be there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jose import jwk, jwt
from jose.backends.base import Key
from jose.exceptions import JOSEError

from stentor_common.errors import Unauthenticated

ALGORITHM = "RS256"
ISSUER = AUDIENCE = "stentor"
REQUIRED = ("iat", "sub", "iss", "aud", "jti")
"""Besides "exp", which is read below and so must be there too."""
LEEWAY = timedelta(seconds=30)
KEY_BITS = 2048


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An RSA private key, its id, and its public half as a JSON Web Key."""

    private: Key = field(repr=False)
    """Parsed once: checking the numbers of a key takes longer than signing with it."""
    id: str
    public: Mapping[str, Any]


def generate_pem() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def signing_key(pem: str) -> SigningKey:
    """Raises ValueError when the text is no RSA private key."""
    private = serialization.load_pem_private_key(pem.encode(), password=None)
    public = public_key(_public_pem(private))
    return SigningKey(jwk.construct(pem, ALGORITHM), public["kid"], public)


def public_key(pem: str) -> Mapping[str, Any]:
    """A public or private RSA key as a public JSON Web Key with its id. Raises ValueError."""
    if "PRIVATE KEY" in pem:
        return signing_key(pem).public
    public_pem = _public_pem(serialization.load_pem_public_key(pem.encode()))
    public = jwk.construct(public_pem, ALGORITHM).to_dict()
    return {**public, "kid": sha256(public_pem.encode()).hexdigest()[:16], "use": "sig"}


def _public_pem(key: object) -> str:
    public = key.public_key() if isinstance(key, rsa.RSAPrivateKey) else key
    if not isinstance(public, rsa.RSAPublicKey) or public.key_size < KEY_BITS:
        raise ValueError(f"the key must be an RSA key of at least {KEY_BITS} bits")
    return public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()


def sign(key: SigningKey, claims: Mapping[str, Any]) -> str:
    return str(jwt.encode(dict(claims), key.private, algorithm=ALGORITHM, headers={"kid": key.id}))


def looks_like_jwt(credential: str) -> bool:
    return credential.count(".") == 2


def verify(token: str, keys: Mapping[str, Mapping[str, Any]], now: datetime) -> Mapping[str, Any]:
    """The claims of a token signed by one of `keys` (by key id). Raises Unauthenticated with a reason."""
    try:
        header = jwt.get_unverified_header(token)
        key = keys.get(header.get("kid", ""))
        if key is None or key.get("kty") != "RSA" or header.get("alg") != ALGORITHM:
            raise Unauthenticated("the access token was not signed by this installation")
        claims: dict[str, Any] = jwt.decode(
            token,
            dict(key),
            algorithms=[ALGORITHM],
            audience=AUDIENCE,
            issuer=ISSUER,
            # Times are checked below, by the clock that the rest of the process uses; the library would
            # check those it is told to require by its own.
            options={"verify_exp": False, **{f"require_{claim}": True for claim in REQUIRED}},
        )
        expired = now.timestamp() > float(claims["exp"]) + LEEWAY.total_seconds()
        early = now.timestamp() < float(claims["iat"]) - LEEWAY.total_seconds()
    except (JOSEError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise Unauthenticated("the access token is not valid") from error
    if expired:
        raise ExpiredToken
    if early:
        raise Unauthenticated("the access token is not valid yet; check the clocks")
    return claims


class ExpiredToken(Unauthenticated):
    code = "token_expired"

    def __init__(self) -> None:
        super().__init__("the access token has expired; get a new one at POST /v1/token")
