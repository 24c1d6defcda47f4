"""Sound that was made is the answer to the same request: of the same user, as long as there is room."""

import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from stentor_common.clock import ManualClock
from stentor_common.runtime import Runtime
from stentor_common.service import Service
from stentor_tts.tables import Sound

Headers = dict[str, str]
SignUp = Callable[[str], Awaitable[Headers]]

TEXT = "Hello world."


@pytest.fixture
def voice_script(tmp_path: Path) -> dict[str, Any]:
    return {"diary": str(tmp_path / "diary")}


@pytest.fixture
def said(tmp_path: Path) -> Callable[[], int]:
    """How many sentences the engine has said."""
    diary = tmp_path / "diary"
    return lambda: len(diary.read_text().splitlines()) if diary.exists() else 0


async def spoken(client: httpx2.AsyncClient, headers: Headers | None = None, **fields: Any) -> dict[str, Any]:
    answer = await client.post(
        "/v1/speech", json={"text": TEXT, **fields}, headers={"Prefer": "wait=30"} | (headers or {})
    )
    found: dict[str, Any] = answer.json()
    assert found["status"] == "completed", found
    return found


async def streamed(
    client: httpx2.AsyncClient, headers: Headers | None = None, **fields: Any
) -> httpx2.Response:
    answer = await client.post("/v1/speech/stream", json={"text": TEXT, **fields}, headers=headers)
    assert answer.status_code == 200
    return answer


async def swept(services: list[Service], runtime: Runtime) -> None:
    (sweep,) = (sweep for service in services for sweep in service.sweeps if sweep.name == "tts-sounds")
    await sweep.run(runtime)


def objects(runtime: Runtime) -> int:
    return sum(path.is_file() for path in (runtime.settings.data_dir / "objects").rglob("*"))


async def test_the_same_request_is_answered_with_the_same_sound(
    client: httpx2.AsyncClient, said: Callable[[], int], runtime: Runtime
) -> None:
    first, second = await spoken(client), await spoken(client)
    assert (first["cached"], second["cached"]) == (False, True)
    assert first["id"] != second["id"]
    for name in ("duration_ms", "size_bytes", "sentences", "characters", "voice"):
        assert first[name] == second[name]
    sounds = [(await client.get(each["audio_url"])).content for each in (first, second)]
    assert sounds[0] == sounds[1]
    # It was said once, and is there once.
    assert (said(), objects(runtime)) == (1, 1)


async def test_each_of_those_who_share_a_sound_may_delete_it(
    client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    first, second = await spoken(client), await spoken(client)
    await client.delete(f"/v1/speech/{first['id']}")
    assert (await client.get(first["audio_url"])).status_code == 404
    assert (await client.get(second["audio_url"])).status_code == 200
    await client.delete(f"/v1/speech/{second['id']}")
    assert objects(runtime) == 0


async def test_a_stream_is_kept_for_the_next(client: httpx2.AsyncClient, said: Callable[[], int]) -> None:
    first, second = await streamed(client), await streamed(client)
    assert (first.headers["x-stentor-cached"], second.headers["x-stentor-cached"]) == ("false", "true")
    assert second.content == first.content
    assert int(second.headers["content-length"]) == len(first.content)
    assert said() == 1


async def test_a_file_serves_who_wants_a_stream_and_not_the_other_way_round(
    client: httpx2.AsyncClient,
) -> None:
    """A stream's header knows no length."""
    await streamed(client, format="wav")
    file = await spoken(client, format="wav")
    assert file["cached"] is False
    stream = await streamed(client, format="wav")
    assert stream.headers["x-stentor-cached"] == "true"


@pytest.mark.parametrize(
    "other",
    [
        {"text": "Hello, world."},
        {"voice": "low"},
        {"speed": 1.5},
        {"format": "wav"},
        {"sample_rate": 16_000},
        {"words": True},
        {"language": "es"},
    ],
)
async def test_another_request_is_another_sound(client: httpx2.AsyncClient, other: dict[str, Any]) -> None:
    await spoken(client)
    assert (await spoken(client, **other))["cached"] is False


async def test_what_does_not_change_the_sound_does_not_matter(client: httpx2.AsyncClient) -> None:
    await spoken(client, text="Hello   world.", voice="high")
    assert (await spoken(client, text=" Hello world. "))["cached"] is True


@pytest.mark.parametrize(
    ("fields", "headers"),
    [
        ({"cache": False}, {}),
        ({}, {"Cache-Control": "no-store"}),
        ({}, {"Cache-Control": "max-age=0, no-cache"}),
    ],
)
async def test_who_wants_no_cache_neither_gets_nor_leaves_anything(
    client: httpx2.AsyncClient, runtime: Runtime, fields: dict[str, Any], headers: Headers
) -> None:
    await spoken(client)
    assert (await spoken(client, headers, **fields))["cached"] is False
    assert (await streamed(client, headers, **fields)).headers["x-stentor-cached"] == "false"
    assert objects(runtime) == 2
    other: dict[str, Any] = {"text": "Something else."}
    await spoken(client, headers, **(fields | other))
    assert (await spoken(client, **other))["cached"] is False


@pytest.mark.parametrize("changed_tts_settings", [{"cache": False}])
async def test_an_installation_can_do_without(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    await streamed(client)
    assert (await streamed(client)).headers["x-stentor-cached"] == "false"
    await spoken(client)
    assert (await spoken(client))["cached"] is False


async def test_nobody_learns_what_others_had_spoken(client: httpx2.AsyncClient, sign_up: SignUp) -> None:
    ada, bob = await sign_up("ada"), await sign_up("bob")
    await spoken(client, ada)
    await streamed(client, ada)
    assert (await spoken(client, bob))["cached"] is False
    assert (await streamed(client)).headers["x-stentor-cached"] == "false"
    assert (await spoken(client, ada))["cached"] is True


async def test_deleting_a_speech_takes_streams_of_the_same_text_along(
    client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    await streamed(client)
    speech = await spoken(client)
    await client.delete(f"/v1/speech/{speech['id']}")
    assert objects(runtime) == 0
    assert (await streamed(client)).headers["x-stentor-cached"] == "false"


@pytest.mark.parametrize("changed_tts_settings", [{"cache_hours": 1}])
async def test_what_nobody_asks_for_goes_after_a_while(
    client: httpx2.AsyncClient, runtime: Runtime, services: list[Service], clock: ManualClock
) -> None:
    await streamed(client)
    clock.advance(minutes=50)
    await streamed(client)
    clock.advance(minutes=50)
    # It was asked for in between.
    assert (await streamed(client)).headers["x-stentor-cached"] == "true"
    clock.advance(minutes=61)
    await swept(services, runtime)
    assert objects(runtime) == 0


@pytest.mark.parametrize("changed_tts_settings", [{"cache_mib": 1}])
async def test_beyond_the_budget_what_was_used_longest_ago_goes_first(
    client: httpx2.AsyncClient, runtime: Runtime, services: list[Service], clock: ManualClock
) -> None:
    # 48 000 samples a second make 0.4 MiB of each, so two have room.
    texts = [f"{name} " + "and on it goes " * 20 for name in ("One", "Two", "Three")]
    for text in texts:
        clock.advance(seconds=1)
        await streamed(client, text=text, format="pcm", sample_rate=48_000)
    clock.advance(seconds=1)
    await streamed(client, text=texts[0], format="pcm", sample_rate=48_000)
    await swept(services, runtime)

    async def kept(text: str) -> bool:
        answer = await streamed(client, text=text, format="pcm", sample_rate=48_000)
        return answer.headers["x-stentor-cached"] == "true"

    assert objects(runtime) == 2
    assert [await kept(text) for text in (texts[0], texts[2], texts[1])] == [True, True, False]


@pytest.mark.parametrize("changed_tts_settings", [{"cache_mib": 0}])
async def test_sound_of_jobs_does_not_count(
    client: httpx2.AsyncClient, runtime: Runtime, services: list[Service]
) -> None:
    speech = await spoken(client)
    await swept(services, runtime)
    assert (await client.get(speech["audio_url"])).status_code == 200
    assert (await spoken(client))["cached"] is True


async def test_what_a_dead_process_had_begun_is_cleared_away(
    client: httpx2.AsyncClient, runtime: Runtime, services: list[Service], clock: ManualClock
) -> None:
    dead = Sound(id=uuid.uuid4(), store_key="speech/dead", cache_key="0" * 64, used_at=clock.now())
    async with runtime.begin() as work:
        work.session.add(dead)
    await streamed(client)
    clock.advance(days=8)
    await swept(services, runtime)
    async with runtime.db.reading() as session:
        assert await session.get(Sound, dead.id) is None
