"""What tests say to a cluster on paper, and what they give it."""

import base64
import io
import secrets
import time
import wave
from collections.abc import Callable
from typing import TypeVar

import httpx2
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from stentor_dev.servers import Servers

T = TypeVar("T")


def signing_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def secret_of(servers: Servers) -> dict[str, str]:
    """The secret that values name: a database, a broker's host and a bucket of its own, and keys."""
    return {
        "database-url": servers.database_url(),
        "queue-url": servers.queue_url(),
        "store-url": servers.store_url(),
        "secret-key": base64.b64encode(secrets.token_bytes(32)).decode(),
        "signing-key": signing_key(),
    }


def eventually(look: Callable[[], T], *, seconds: float = 60) -> T:
    """The first true answer of `look`. Raises AssertionError when there is none within that time."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"not within {seconds} seconds: {found!r}"
        time.sleep(0.1)
    return found


def sound(seconds: float) -> bytes:
    """A WAV file, 16 kHz."""
    written = io.BytesIO()
    with wave.open(written, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(b"\x00\x40\x00\xc0" * int(8_000 * seconds))
    return written.getvalue()


def submit(client: httpx2.Client, seconds: float = 1) -> str:
    """Send a recording of this length; returns the job's id."""
    answer = client.post("/v1/transcriptions", files={"file": ("a.wav", sound(seconds))})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def state(client: httpx2.Client, job_id: str) -> str:
    return str(client.get(f"/v1/jobs/{job_id}").json()["status"])
