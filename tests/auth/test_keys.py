"""Where the signing key comes from, and how it is exchanged."""

import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from pydantic import ValidationError

from stentor_auth.errors import SigningKeyUnusable
from stentor_auth.keys import load_keys
from stentor_auth.parts import AuthParts
from stentor_auth.settings import AuthSettings
from stentor_common.settings import Settings

Headers = dict[str, str]
Connect = Callable[[AuthParts], httpx2.AsyncClient]


def private_text(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, password: bytes | None = None) -> str:
    seal = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, seal).decode()


def public_text(pem: str) -> str:
    key = serialization.load_pem_private_key(pem.encode(), password=None).public_key()
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()


@pytest.fixture
def apart(tmp_path: Path) -> Settings:
    """The platform in several processes."""
    return Settings(data_dir=tmp_path, queue_url="amqp://localhost")


def test_the_embedded_form_makes_its_key_once_for_its_owner_only(tmp_path: Path) -> None:
    first = load_keys(AuthSettings(), Settings(data_dir=tmp_path))

    path = tmp_path / "keys" / "jwt.pem"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert list(path.parent.iterdir()) == [path]
    assert load_keys(AuthSettings(), Settings(data_dir=tmp_path)).signing.id == first.signing.id


def test_those_who_start_together_sign_with_one_key(tmp_path: Path, apart: Settings) -> None:
    settings = AuthSettings(signing_key_file=tmp_path / "shared" / "jwt.pem")

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: load_keys(settings, apart).signing.id, range(4)))

    assert len(set(found)) == 1


def test_replicas_must_be_given_their_key(apart: Settings, pem: str) -> None:
    with pytest.raises(SigningKeyUnusable, match="STENTOR_AUTH_SIGNING_KEY"):
        load_keys(AuthSettings(), apart)

    assert not (apart.data_dir / "keys").exists()
    assert load_keys(AuthSettings(signing_key=pem), apart).signing


def test_a_file_that_can_be_neither_read_nor_made_stops_the_start(tmp_path: Path, apart: Settings) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(SigningKeyUnusable, match=r"jwt\.pem cannot be read or made"):
        load_keys(AuthSettings(signing_key_file=tmp_path / "file" / "jwt.pem"), apart)


@pytest.mark.parametrize(
    "make",
    [
        lambda: "no key",
        lambda: private_text(ec.generate_private_key(ec.SECP256R1())),
        lambda: private_text(rsa.generate_private_key(65537, 1024)),  # noqa: S505
        lambda: private_text(rsa.generate_private_key(65537, 2048), b"secret"),
    ],
    ids=["text", "elliptic curve", "too short", "encrypted"],
)
def test_a_key_that_cannot_sign_stops_the_start(apart: Settings, pem: str, make: Callable[[], str]) -> None:
    unusable = make()

    with pytest.raises(SigningKeyUnusable) as found:
        load_keys(AuthSettings(signing_key=unusable), apart)
    assert unusable not in str(found.value)
    with pytest.raises((SigningKeyUnusable, ValidationError)) as again:
        load_keys(AuthSettings(signing_key=pem, previous_keys=unusable), apart)
    assert unusable[:60] not in str(again.value) or unusable == "no key"


def test_a_public_key_cannot_sign(apart: Settings, pem: str) -> None:
    with pytest.raises(SigningKeyUnusable):
        load_keys(AuthSettings(signing_key=public_text(pem)), apart)


def test_settings_come_from_variables(
    monkeypatch: pytest.MonkeyPatch, apart: Settings, pem: str, other_pem: str
) -> None:
    monkeypatch.setenv("STENTOR_AUTH_SIGNING_KEY", pem)
    monkeypatch.setenv("STENTOR_AUTH_SIGNING_KEY_FILE", "")
    monkeypatch.setenv("STENTOR_AUTH_PREVIOUS_KEYS", f"{public_text(other_pem)}\n{other_pem}")

    settings = AuthSettings()

    assert len(settings.previous_keys) == 2
    assert len(load_keys(settings, apart).public) == 2
    assert pem not in repr(settings)
    assert other_pem not in repr(settings)


async def test_the_keys_are_published_without_their_private_half(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/.well-known/jwks.json")

    assert answer.status_code == 200
    assert "max-age=300" in answer.headers["cache-control"]
    (key,) = answer.json()["keys"]
    assert set(key) == {"kty", "use", "alg", "kid", "n", "e"}


@pytest.mark.parametrize("half", [str, public_text], ids=["private", "public"])
async def test_a_token_outlives_the_exchange_of_the_key(
    connect: Connect,
    make_parts: Callable[..., AuthParts],
    signed_in: Headers,
    pem: str,
    other_pem: str,
    half: Callable[[str], str],
) -> None:
    rotated = make_parts(signing_key=other_pem, previous_keys=half(pem))
    async with connect(rotated) as client:
        assert (await client.get("/v1/users/me", headers=signed_in)).status_code == 200
        published = (await client.get("/.well-known/jwks.json")).json()["keys"]
        assert [key["kid"] for key in published] == list(rotated.keys.public)
        assert published[0]["kid"] == rotated.keys.signing.id

    async with connect(make_parts(signing_key=other_pem)) as client:
        assert (await client.get("/v1/users/me", headers=signed_in)).status_code == 401
