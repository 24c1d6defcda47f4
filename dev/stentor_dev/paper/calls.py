"""What tests say to a cluster on paper, and what they give it."""

import base64
import io
import secrets
import wave

import httpx2

from stentor_dev.servers import Servers


def secret_of(servers: Servers, signing_key: str) -> dict[str, str]:
    """The secret that values name: a database, a broker's host and a bucket of its own, and keys.

    `signing_key` is that of access tokens, in PEM.
    """
    return {
        "database-url": servers.database_url(),
        "queue-url": servers.queue_url(),
        "store-url": servers.store_url(),
        "secret-key": base64.b64encode(secrets.token_bytes(32)).decode(),
        "signing-key": signing_key,
    }


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
