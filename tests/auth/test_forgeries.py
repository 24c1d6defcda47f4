"""Access tokens that were forged, bent or ended: each is refused."""

import base64
import hashlib
import hmac
import json
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from stentor_auth.parts import AuthParts
from stentor_common import jwt
from stentor_common.clock import ManualClock

Claims = dict[str, Any]
Refused = Callable[[str], Awaitable[bool]]


def part(content: object) -> str:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def forged(header: object, claims: object, sign: Callable[[bytes], bytes]) -> str:
    text = f"{part(header)}.{part(claims)}"
    return f"{text}.{part(sign(text.encode()))}"


def hmac_with(secret: bytes) -> Callable[[bytes], bytes]:
    return lambda text: hmac.new(secret, text, hashlib.sha256).digest()


def public_pem(pem: str) -> bytes:
    key = serialization.load_pem_private_key(pem.encode(), password=None)
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


@pytest.fixture
async def claims(client: httpx2.AsyncClient, ada: dict[str, str], clock: ManualClock) -> Claims:
    """What a good token of a real user says."""
    user = (await client.post("/v1/users", json=ada)).json()
    now = int(clock.now().timestamp())
    return {
        "iss": "stentor",
        "aud": "stentor",
        "sub": user["id"],
        "iat": now,
        "exp": now + 900,
        "jti": uuid.uuid4().hex,
    }


@pytest.fixture
def ours(parts: AuthParts) -> jwt.SigningKey:
    return parts.keys.signing


@pytest.fixture
def refused(client: httpx2.AsyncClient) -> Refused:
    async def ask(token: str) -> bool:
        answer = await client.get("/v1/users/me", headers={"x-access-token": token})
        assert answer.status_code in (200, 401)
        return answer.status_code == 401

    return ask


async def test_a_token_with_these_claims_and_our_signature_is_good(
    refused: Refused, ours: jwt.SigningKey, claims: Claims
) -> None:
    assert not await refused(jwt.sign(ours, claims))


async def test_no_algorithm(refused: Refused, ours: jwt.SigningKey, claims: Claims) -> None:
    for algorithm in ("none", "None", "NONE", "", None):
        header = {"alg": algorithm, "kid": ours.id}
        assert await refused(forged(header, claims, lambda _: b""))
        assert await refused(forged(header, claims, lambda _: b"x"))


async def test_the_public_key_is_no_shared_secret(
    refused: Refused, ours: jwt.SigningKey, claims: Claims, pem: str
) -> None:
    secrets = [
        public_pem(pem),
        public_pem(pem).strip(),
        base64.b64decode(b"".join(public_pem(pem).splitlines()[1:-1])),
        json.dumps(dict(ours.public)).encode(),
        ours.public["n"].encode(),
        base64.urlsafe_b64decode(ours.public["n"] + "=="),
        b"",
    ]
    for secret in secrets:
        for algorithm in ("HS256", "RS256"):
            header = {"alg": algorithm, "kid": ours.id, "typ": "JWT"}
            assert await refused(forged(header, claims, hmac_with(secret)))


async def test_the_signature_of_another_key(
    refused: Refused, ours: jwt.SigningKey, claims: Claims, other_pem: str
) -> None:
    theirs = jwt.signing_key(other_pem)

    assert await refused(jwt.sign(theirs, claims))
    assert await refused(jwt.sign(replace(theirs, id=ours.id), claims))
    assert await refused(jwt.sign(replace(ours, id=theirs.id), claims))


async def test_a_key_id_that_is_none_of_ours(refused: Refused, claims: Claims) -> None:
    for kid in (None, "", "../../dev/null", 1, ["a"], {"a": 1}):
        assert await refused(forged({"alg": "RS256", "kid": kid}, claims, lambda _: b"x" * 256))


async def test_a_key_that_comes_with_the_token(
    refused: Refused, ours: jwt.SigningKey, claims: Claims, other_pem: str
) -> None:
    key = serialization.load_pem_private_key(other_pem.encode(), password=None)
    assert isinstance(key, rsa.RSAPrivateKey)
    theirs: Mapping[str, Any] = jwt.signing_key(other_pem).public
    header = {"alg": "RS256", "kid": ours.id, "jwk": dict(theirs), "jku": "http://example.com/jwks.json"}

    def sign(text: bytes) -> bytes:
        return key.sign(text, padding.PKCS1v15(), hashes.SHA256())

    assert await refused(forged(header, claims, sign))
    assert await refused(forged({**header, "kid": theirs["kid"]}, claims, sign))


async def test_another_algorithm_of_the_right_key(
    refused: Refused, ours: jwt.SigningKey, claims: Claims, pem: str
) -> None:
    key = serialization.load_pem_private_key(pem.encode(), password=None)
    assert isinstance(key, rsa.RSAPrivateKey)

    def sign(text: bytes) -> bytes:
        return key.sign(text, padding.PKCS1v15(), hashes.SHA512())

    assert await refused(forged({"alg": "RS512", "kid": ours.id}, claims, sign))


async def test_a_claim_is_missing(refused: Refused, ours: jwt.SigningKey, claims: Claims) -> None:
    for missing in claims:
        assert await refused(jwt.sign(ours, {name: claims[name] for name in claims if name != missing}))


async def test_a_claim_says_something_else(refused: Refused, ours: jwt.SigningKey, claims: Claims) -> None:
    lies: list[Claims] = [
        {"iss": "somebody"},
        {"aud": "somebody"},
        {"aud": []},
        {"sub": "not an id"},
        {"sub": ""},
        {"sub": str(uuid.uuid4())},
        {"exp": "soon"},
        {"exp": None},
        {"iat": "now"},
    ]
    for bent in lies:
        assert await refused(jwt.sign(ours, {**claims, **bent}))


async def test_a_token_before_and_after_its_time(
    refused: Refused, ours: jwt.SigningKey, claims: Claims, clock: ManualClock
) -> None:
    token = jwt.sign(ours, claims)
    early = jwt.sign(ours, claims | {"iat": claims["iat"] + 60})

    assert await refused(early)
    clock.advance(seconds=31)
    assert not await refused(early)
    clock.advance(seconds=900)
    assert await refused(token)


async def test_a_token_that_was_tampered_with(refused: Refused, ours: jwt.SigningKey, claims: Claims) -> None:
    header, _, signature = jwt.sign(ours, claims).split(".")
    other = {**claims, "exp": claims["exp"] + 1}

    assert await refused(f"{header}.{part(other)}.{signature}")
    assert await refused(f"{header}.{part(claims)}.{signature[:-8]}AAAAAAAA")
    assert await refused(f"{header}.{part(claims)}.")


async def test_what_only_looks_like_a_token(refused: Refused) -> None:
    for text in ("..", "a.b.c", "e30.e30.", f"{part([])}.e30.e30", f"{part(b'{')}.e30.e30", "=.=.="):
        assert await refused(text)
