"""How much anybody may send, and how long it is kept."""

import uuid
from collections.abc import Awaitable, Callable, Iterator

import httpx2
import pytest

from stentor_common.clock import ManualClock
from stentor_common.runtime import Runtime
from stentor_common.service import Service
from stentor_common.sweep import job_sweeps
from stentor_common.testing import sound
from stentor_common.uploads import Upload, UploadRepository

Headers = dict[str, str]
SignUp = Callable[[str], Awaitable[Headers]]

BOTH = pytest.mark.parametrize(
    ("path", "field"), [("/v1/transcriptions", "file"), ("/speech-to-text/v1/upload", "audio")]
)


def stored(runtime: Runtime) -> list[str]:
    root = runtime.settings.data_dir / "objects"
    return [path.name for path in root.rglob("*") if path.is_file()]


async def sweep(runtime: Runtime, services: list[Service]) -> None:
    """What is tidied up from time to time."""
    for each in (*job_sweeps(runtime), *(each for service in services for each in service.sweeps)):
        await each.run(runtime)


async def make_jobs(client: httpx2.AsyncClient, upload_id: str, headers: Headers, count: int) -> list[int]:
    body = {"upload_id": upload_id}
    return [
        (await client.post("/v1/transcriptions", json=body, headers=headers)).status_code
        for _ in range(count)
    ]


async def an_upload(client: httpx2.AsyncClient) -> str:
    answer = await client.post("/v1/uploads", files={"file": ("a.wav", sound())})
    return str(answer.json()["id"])


async def test_a_stranger_may_make_ten_jobs_a_minute(api: httpx2.AsyncClient) -> None:
    upload = await an_upload(api)
    assert await make_jobs(api, upload, {}, 12) == [202] * 10 + [429] * 2
    answer = await api.post("/v1/transcriptions", json={"upload_id": upload})
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert answer.json()["error"]["code"] == "rate_limit_exceeded"
    assert "POST /v1/tokens" in answer.json()["error"]["message"]


async def test_the_file_of_a_throttled_request_is_not_kept(api: httpx2.AsyncClient, runtime: Runtime) -> None:
    await make_jobs(api, await an_upload(api), {}, 10)
    before = stored(runtime)
    answer = await api.post("/v1/transcriptions", files={"file": ("a.wav", sound())})
    assert answer.status_code == 429
    assert stored(runtime) == before


async def test_a_throttled_client_of_slashml_reads_its_own_words(api: httpx2.AsyncClient) -> None:
    await make_jobs(api, upload := await an_upload(api), {}, 10)
    form = {"audio_url": f"http://stentor/v1/uploads/{upload}"}
    answer = await api.post("/speech-to-text/v1/jobs", data=form)
    assert answer.status_code == 429
    assert "expected available in" in answer.json()["detail"]
    assert answer.headers["retry-after"]


async def test_who_has_a_token_is_not_throttled(api: httpx2.AsyncClient, sign_up: SignUp) -> None:
    ada = await sign_up("ada")
    assert await make_jobs(api, await an_upload(api), ada, 15) == [202] * 15


@pytest.mark.parametrize("changed_stt_settings", [{"poll_hold_seconds": 0}])
async def test_asking_is_never_throttled(api: httpx2.AsyncClient) -> None:
    upload = await an_upload(api)
    job = (await api.post("/v1/transcriptions", json={"upload_id": upload})).json()["id"]
    for path in (f"/v1/transcriptions/{job}", f"/speech-to-text/v1/jobs/{job}", f"/v1/jobs/{job}"):
        assert {(await api.get(path)).status_code for _ in range(15)} == {200}


async def test_a_refused_request_does_not_count(api: httpx2.AsyncClient) -> None:
    upload = await an_upload(api)
    for _ in range(12):
        await api.post("/v1/transcriptions", json={"upload_id": upload, "model": "unknown"})
    assert await make_jobs(api, upload, {}, 1) == [202]


@pytest.mark.parametrize("changed_settings", [{"anonymous_access": False}])
async def test_a_house_may_be_closed_to_strangers(api: httpx2.AsyncClient, sign_up: SignUp) -> None:
    assert await make_jobs(api, "any", {}, 1) == [401]
    assert (await api.get("/v1/transcriptions/any")).status_code == 401
    assert await make_jobs(api, "any", await sign_up("ada"), 1) == [404]


@BOTH
@pytest.mark.parametrize("changed_settings", [{"max_upload_bytes": 10_000}])
@pytest.mark.parametrize("size", [10_001, 2_000_000, 5_000_000])
@pytest.mark.parametrize("announced", [True, False])
async def test_a_file_over_the_limit_is_refused_with_the_limit_and_leaves_nothing(
    api: httpx2.AsyncClient, runtime: Runtime, path: str, field: str, size: int, announced: bool
) -> None:
    body = form_of(field, bytes(size))

    async def chunks() -> object:
        for start in range(0, len(body), 65536):
            yield body[start : start + 65536]

    answer = await api.post(
        path,
        content=body if announced else chunks(),  # type: ignore[arg-type]
        headers={"content-type": "multipart/form-data; boundary=xyz"},
    )
    assert answer.status_code == 413
    assert "10000 bytes" in answer.json()["error"]["message"]
    assert stored(runtime) == []


@BOTH
@pytest.mark.parametrize("changed_settings", [{"max_upload_bytes": 10_000}])
async def test_a_file_of_just_the_limit_is_taken(
    api: httpx2.AsyncClient, runtime: Runtime, path: str, field: str
) -> None:
    answer = await api.post(path, files={field: ("a.wav", bytes(10_000))})
    assert answer.status_code in (200, 202)
    assert len(stored(runtime)) == 1


@BOTH
@pytest.mark.parametrize("length", [60, 500, 3000, -100, -3])
async def test_an_upload_that_breaks_off_leaves_nothing(
    api: httpx2.AsyncClient, runtime: Runtime, path: str, field: str, length: int
) -> None:
    body = form_of(field, bytes(3500), text="x" * 150)[:length]
    answer = await api.post(path, content=body, headers={"content-type": "multipart/form-data; boundary=xyz"})
    assert answer.status_code == 400
    assert stored(runtime) == []


def form_of(field: str, content: bytes, *, text: str = "") -> bytes:
    def part(disposition: str, body: bytes) -> Iterator[bytes]:
        yield f"--xyz\r\nContent-Disposition: form-data; {disposition}\r\n\r\n".encode()
        yield body + b"\r\n"

    parts = [*part(f'name="{field}"; filename="a.wav"', content)]
    if text:
        parts += part('name="prompt"', text.encode())
    return b"".join([*parts, b"--xyz--\r\n"])


async def test_an_upload_is_deleted_when_its_day_is_over(
    client: httpx2.AsyncClient, runtime: Runtime, services: list[Service], clock: ManualClock
) -> None:
    upload = await an_upload(client)
    clock.advance(hours=23)
    await sweep(runtime, services)
    assert (await client.get(f"/v1/uploads/{upload}")).status_code == 200
    clock.advance(hours=1)
    assert (await client.get(f"/v1/uploads/{upload}")).status_code == 404
    assert (await client.post("/v1/transcriptions", json={"upload_id": upload})).status_code == 404
    await sweep(runtime, services)
    assert stored(runtime) == []


async def test_an_upload_that_never_ended_is_deleted_too(
    api: httpx2.AsyncClient, runtime: Runtime, services: list[Service], clock: ManualClock
) -> None:
    """Its process was killed: the row is there, without a size, and perhaps the object."""
    upload = Upload(id=uuid.uuid4(), filename="a", created_at=clock.now(), expires_at=clock.now())
    async with runtime.begin() as work:
        UploadRepository(work.session).add(upload)

    async def content() -> object:
        yield b"half"

    await runtime.store.save(upload.store_key, content())  # type: ignore[arg-type]
    assert (await api.get(f"/v1/uploads/{upload.id}")).status_code == 404
    clock.advance(seconds=1)
    await sweep(runtime, services)
    assert stored(runtime) == []
