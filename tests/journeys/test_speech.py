"""From a text to its sound, as clients of the native contract see it."""

import io
import json
import wave
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import av
import httpx2
import pytest
from sqlalchemy import update

from stentor_common.auth import Caller
from stentor_common.clock import ManualClock
from stentor_common.desk import ask, caller_to_json
from stentor_common.errors import AppError
from stentor_common.jobs.table import Job, JobState
from stentor_common.runtime import Runtime
from stentor_common.service import Service
from stentor_common.sweep import expire_jobs, sweep_jobs
from stentor_common.testing import eventually

Headers = dict[str, str]
SignUp = Callable[[str], Awaitable[Headers]]

TEXT = "Hello world. How are you?"
SENTENCES = ["Hello world.", "How are you?"]
WAIT = {"Prefer": "wait=30"}
LONG = "This is said. " * 500


async def spoken(client: httpx2.AsyncClient, headers: Headers | None = None, **fields: Any) -> dict[str, Any]:
    """A speech that is over."""
    sent = {"text": TEXT, **fields} if not fields.keys() & {"ssml", "text_upload"} else fields
    answer = await client.post("/v1/speech", json=sent, headers=WAIT | (headers or {}))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    assert found["status"] == "completed", found
    return found


async def sound_of(client: httpx2.AsyncClient, speech: dict[str, Any]) -> bytes:
    answer = await client.get(speech["audio_url"])
    assert answer.status_code == 200
    return answer.content


async def over(client: httpx2.AsyncClient, job_id: str) -> dict[str, Any]:
    async def look() -> dict[str, Any]:
        found: dict[str, Any] = (await client.get(f"/v1/speech/{job_id}")).json()
        return {} if found["status"] in ("queued", "running") else found

    return await eventually(look)


def stored(runtime: Runtime) -> list[str]:
    root = runtime.settings.data_dir / "objects"
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


async def test_a_text_becomes_a_job_and_the_job_sound(client: httpx2.AsyncClient) -> None:
    made = await client.post("/v1/speech", json={"text": TEXT, "format": "wav"})
    assert made.status_code == 202
    speech = made.json()
    assert made.headers["location"] == f"http://stentor/v1/speech/{speech['id']}"
    assert (speech["object"], speech["voice"], speech["format"]) == ("speech", "high", "wav")

    done = await over(client, speech["id"])
    assert done["audio_url"] == f"http://stentor/v1/speech/{speech['id']}/audio.wav"
    assert (done["characters"], done["cached"], done["words"]) == (len(TEXT), False, None)
    assert [each["text"] for each in done["sentences"]] == SENTENCES
    first, second = done["sentences"]
    assert 0 == first["start_ms"] < first["end_ms"] < second["start_ms"] < second["end_ms"]

    sound = await client.get(done["audio_url"])
    assert sound.headers["content-type"] == "audio/wav"
    assert sound.headers["content-disposition"] == f'inline; filename="speech-{speech["id"]}.wav"'
    assert len(sound.content) == int(sound.headers["content-length"]) == done["size_bytes"]
    with wave.open(io.BytesIO(sound.content)) as file:
        assert (file.getnchannels(), file.getframerate()) == (1, done["sample_rate"])
        assert round(file.getnframes() * 1000 / file.getframerate()) == done["duration_ms"]


@pytest.mark.parametrize(
    ("format", "media_type", "codec"),
    [
        ("mp3", "audio/mpeg", "mp3float"),
        ("wav", "audio/wav", "pcm_s16le"),
        ("flac", "audio/flac", "flac"),
        ("opus", "audio/ogg;codecs=opus", "opus"),
        ("aac", "audio/aac", "aac"),
        ("ogg", "audio/ogg", "vorbis"),
    ],
)
async def test_every_kind_of_file_holds_the_whole_sound(
    client: httpx2.AsyncClient, format: str, media_type: str, codec: str
) -> None:
    speech = await spoken(client, format=format, sample_rate=48_000)
    answer = await client.get(speech["audio_url"])
    assert answer.headers["content-type"] == media_type
    with av.open(io.BytesIO(answer.content), "r") as file:
        assert file.streams.audio[0].codec_context.name == codec
        seconds = sum(frame.samples / frame.sample_rate for frame in file.decode(audio=0))
    # Encoders add a few frames at the ends.
    assert seconds * 1000 == pytest.approx(speech["duration_ms"], abs=150)


async def test_bare_samples_are_as_many_as_their_type_says(client: httpx2.AsyncClient) -> None:
    speech = await spoken(client, format="pcm", sample_rate=16_000)
    answer = await client.get(speech["audio_url"])
    assert answer.headers["content-type"] == "audio/pcm;rate=16000"
    assert len(answer.content) == pytest.approx(speech["duration_ms"] * 32, abs=32)


async def test_words_are_told_with_their_times(client: httpx2.AsyncClient) -> None:
    speech = await spoken(client, words=True)
    assert [word["text"] for word in speech["words"]] == TEXT.split()
    times = [time for word in speech["words"] for time in (word["start_ms"], word["end_ms"])]
    assert times == sorted(times)
    assert times[-1] <= speech["duration_ms"]


@pytest.mark.parametrize("voice_script", [{"tells_words": False}])
async def test_words_have_times_too_where_the_engine_cannot_tell(client: httpx2.AsyncClient) -> None:
    speech = await spoken(client, words=True)
    assert [word["text"] for word in speech["words"]] == TEXT.split()


async def test_numbers_are_shown_as_written_and_said_as_words(client: httpx2.AsyncClient) -> None:
    speech = await spoken(client, text="I have 3 cats.", words=True)
    assert speech["sentences"][0]["text"] == "I have 3 cats."
    assert [word["text"] for word in speech["words"]] == ["I", "have", "three", "cats."]


async def test_speed_changes_the_length(client: httpx2.AsyncClient) -> None:
    slow, usual, fast = [await spoken(client, speed=speed) for speed in (0.5, 1.0, 2.0)]
    assert slow["duration_ms"] == pytest.approx(2 * usual["duration_ms"], rel=0.15)
    assert fast["duration_ms"] == pytest.approx(usual["duration_ms"] / 2, rel=0.15)


async def test_a_voice_is_named_or_chosen_by_what_it_speaks(client: httpx2.AsyncClient) -> None:
    by_name, by_gender = await spoken(client, voice="low"), await spoken(client, voice="onyx")
    assert (by_name["voice"], by_gender["voice"]) == ("low", "low")
    spanish = await spoken(client, text="Hola mundo.", language="es")
    assert (spanish["voice"], spanish["language"]) == ("high", "es")


async def test_ssml_pauses_are_in_the_sound(client: httpx2.AsyncClient) -> None:
    plain = await spoken(client, text="One. Two.")
    paused = await spoken(client, ssml='<speak>One.<break time="2s"/>Two.</speak>')
    assert paused["duration_ms"] - plain["duration_ms"] > 1000
    assert [each["text"] for each in paused["sentences"]] == ["One.", "Two."]


async def test_a_text_may_come_as_a_file(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    answer = await client.post(
        "/v1/speech",
        files={"file": ("book.txt", TEXT.encode("utf-8-sig"))},
        data={"format": "wav", "words": "true"},
        headers=WAIT,
    )
    speech = answer.json()
    assert (answer.status_code, speech["format"], len(speech["words"])) == (200, "wav", 5)
    assert [each["text"] for each in speech["sentences"]] == SENTENCES
    # The text went when it was spoken.
    assert [key.partition("/")[0] for key in stored(runtime)] == ["speech"]


async def test_a_text_may_be_an_earlier_upload(client: httpx2.AsyncClient) -> None:
    upload = await client.post("/v1/uploads", files={"file": ("a.txt", TEXT.encode())})
    speech = await spoken(client, text_upload=upload.json()["id"])
    assert [each["text"] for each in speech["sentences"]] == SENTENCES
    # It is the caller's own, and stays.
    assert (await client.get(upload.json()["url"])).status_code == 200


async def test_a_long_text_is_kept_outside_its_row_while_it_is_needed(
    client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    speech = await spoken(client, text=LONG, format="opus", words=True)
    assert (speech["characters"], len(speech["sentences"])) == (len(LONG), 500)
    assert len(speech["words"]) == 1500
    assert speech["sentences"][-1]["end_ms"] <= speech["duration_ms"]
    kinds = [key.partition("/")[0] for key in stored(runtime)]
    # The sound, and the times in it.
    assert kinds == ["speech", "speech"]
    await client.delete(f"/v1/speech/{speech['id']}")
    assert stored(runtime) == []


async def test_the_same_key_makes_one_job(client: httpx2.AsyncClient) -> None:
    key = {"Idempotency-Key": "one"}
    first = await client.post("/v1/speech", json={"text": TEXT}, headers=key)
    again = await client.post("/v1/speech", json={"text": TEXT}, headers=key)
    assert again.json()["id"] == first.json()["id"]
    assert again.headers["idempotency-replayed"] == "true"
    other = await client.post("/v1/speech", json={"text": "Other."}, headers=key)
    assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("range", "part"),
    [("bytes=0-9", slice(0, 10)), ("bytes=100-", slice(100, None)), ("bytes=-7", slice(-7, None))],
)
async def test_players_can_ask_for_a_part(client: httpx2.AsyncClient, range: str, part: slice) -> None:
    speech = await spoken(client)
    whole = await client.get(speech["audio_url"])
    assert whole.headers["accept-ranges"] == "bytes"
    answer = await client.get(speech["audio_url"], headers={"Range": range})
    assert (answer.status_code, answer.content) == (206, whole.content[part])
    assert answer.headers["content-range"].endswith(f"/{len(whole.content)}")
    same = {"Range": range, "If-Range": whole.headers["etag"]}
    assert (await client.get(speech["audio_url"], headers=same)).status_code == 206
    other = {"Range": range, "If-Range": '"another"'}
    assert (await client.get(speech["audio_url"], headers=other)).content == whole.content


async def test_a_part_that_is_not_there_is_refused(client: httpx2.AsyncClient) -> None:
    speech = await spoken(client)
    answer = await client.get(speech["audio_url"], headers={"Range": "bytes=99999999-"})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{speech['size_bytes']}"


async def test_sound_is_for_whoever_knows_its_address_and_the_rest_for_its_owner(
    client: httpx2.AsyncClient, sign_up: SignUp
) -> None:
    ada, bob = await sign_up("ada"), await sign_up("bob")
    speech = await spoken(client, ada)
    path = f"/v1/speech/{speech['id']}"
    assert (await client.get(f"{path}/audio")).content == await sound_of(client, speech)
    for headers in ({}, bob):
        assert (await client.get(path, headers=headers)).status_code == 404
        assert (await client.delete(path, headers=headers)).status_code == 404
    listed = (await client.get("/v1/speech", headers=ada)).json()
    assert [each["id"] for each in listed["data"]] == [speech["id"]]
    assert (await client.get("/v1/speech")).status_code == 401


async def test_deleting_takes_the_sound_along(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    speech = await spoken(client)
    assert (await client.delete(f"/v1/speech/{speech['id']}")).status_code == 204
    assert (await client.get(speech["audio_url"])).status_code == 404
    assert stored(runtime) == []


async def test_a_list_goes_on_page_by_page(
    client: httpx2.AsyncClient, sign_up: SignUp, clock: ManualClock
) -> None:
    ada = await sign_up("ada")
    ids = []
    for text in ("One.", "Two.", "Three."):
        clock.advance(seconds=1)
        ids.append((await spoken(client, ada, text=text))["id"])
    page = (await client.get("/v1/speech", params={"limit": 2}, headers=ada)).json()
    assert [each["id"] for each in page["data"]] == ids[:0:-1]
    assert page["has_more"]
    rest = await client.get("/v1/speech", params={"after": page["next_after"]}, headers=ada)
    assert [each["id"] for each in rest.json()["data"]] == ids[:1]


async def test_before_it_is_spoken_there_is_no_sound(api: httpx2.AsyncClient) -> None:
    speech = (await api.post("/v1/speech", json={"text": TEXT})).json()
    assert (speech["status"], speech["audio_url"], speech["sentences"]) == ("queued", None, None)
    assert speech["progress"]["queue_position"] == 0
    answer = await api.get(f"/v1/speech/{speech['id']}/audio")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "conflict")


@pytest.mark.parametrize("voice_script", [{"seconds_per_audio_second": 1}])
async def test_progress_counts_sentences_and_a_cancelled_job_stops(
    client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    job_id = (await client.post("/v1/speech", json={"text": LONG})).json()["id"]

    async def begun() -> dict[str, Any] | None:
        progress = (await client.get(f"/v1/speech/{job_id}")).json()["progress"]
        return progress if progress and progress["sentence"] else None

    progress = await eventually(begun)
    assert progress
    assert (progress["stage"], progress["sentences"]) == ("speaking", 500)
    assert progress["fraction"] == progress["sentence"] / 500

    cancelled = await client.post(f"/v1/speech/{job_id}/cancel")
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")

    async def idle() -> bool:
        return not runtime.metrics.registry.get_sample_value("stentor_jobs_running", {"kind": "tts.speak"})

    await eventually(idle)
    assert not any(key.startswith("speech/") for key in stored(runtime))


async def test_events_tell_the_end(client: httpx2.AsyncClient) -> None:
    job_id = (await client.post("/v1/speech", json={"text": TEXT})).json()["id"]
    story = (await client.get(f"/v1/speech/{job_id}/events")).text
    assert "event: completed" in story
    last = json.loads(story.rpartition("data: ")[2])
    assert (last["id"], last["status"]) == (job_id, "completed")


@pytest.mark.parametrize("changed_settings", [{"max_attempts": 1}])
@pytest.mark.parametrize("voice_script", [{"fails_on": "are"}])
async def test_a_job_that_fails_leaves_nothing(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    answer = await client.post("/v1/speech", json={"text": TEXT}, headers=WAIT)
    assert (answer.json()["status"], answer.json()["error"]["code"]) == ("failed", "internal")
    assert stored(runtime) == []


async def test_a_result_expires_with_its_sound(
    client: httpx2.AsyncClient, runtime: Runtime, clock: ManualClock, services: list[Service]
) -> None:
    speech = await spoken(client)
    clock.advance(days=8)
    await expire_jobs(runtime)
    (sweep,) = (sweep for service in services for sweep in service.sweeps if sweep.name == "tts-sounds")
    await sweep.run(runtime)
    assert (await client.get(speech["audio_url"])).status_code == 404
    assert stored(runtime) == []


@pytest.mark.parametrize("voice_script", [{"diary": "diary"}])
async def test_what_a_lost_worker_had_finished_is_not_spoken_again(
    client: httpx2.AsyncClient, runtime: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sound was stored, and the worker lost before it could say so."""
    monkeypatch.chdir(tmp_path)
    speech = await spoken(client, cache=False)
    said = (tmp_path / "diary").read_text()
    async with runtime.begin() as work:
        lost = {"state": JobState.queued, "result": None, "send_after": runtime.clock.now(), "sent": False}
        await work.session.execute(update(Job).values(lost))
    await sweep_jobs(runtime)
    again = await over(client, speech["id"])
    assert (again["status"], again["audio_url"]) == ("completed", speech["audio_url"])
    assert (tmp_path / "diary").read_text() == said


async def test_another_service_can_have_a_text_spoken_as_a_step(
    client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    caller = caller_to_json(Caller("", on_behalf=True))
    asked = {"text": TEXT, "format": "wav", "voice": "low"}
    assert await ask(runtime, "tts", "check", caller=caller, asked=asked) == {}
    with pytest.raises(AppError, match="there are high, low"):
        await ask(runtime, "tts", "check", caller=caller, asked={**asked, "voice": "homer"})

    keyed = {**asked, "idempotency_key": "step 1", "request_id": "r"}
    made, again = [await ask(runtime, "tts", "create", caller=caller, asked=keyed) for _ in range(2)]
    assert made == again
    speech = await over(client, made["job_id"])
    output = await ask(runtime, "tts", "output", caller=caller, job_id=made["job_id"])
    assert speech["audio_url"] == f"http://stentor{output['audio_path']}"


async def test_a_later_answer_is_the_address(client: httpx2.AsyncClient) -> None:
    speech = await spoken(client)
    answer = (await client.get(f"/v1/responses/{speech['id']}")).json()
    assert answer["audio_url"] in speech["audio_url"]
    assert answer["duration_ms"] == speech["duration_ms"]


@pytest.mark.parametrize(
    ("fields", "param", "said"),
    [
        ({}, None, "exactly one of text"),
        ({"text": "a", "ssml": "<speak>a</speak>"}, None, "exactly one of text"),
        ({"text": ""}, "text", "nothing to say"),
        ({"text": "…!?"}, "text", "nothing to say"),
        ({"text": "a", "voice": "homer"}, "voice", "there are high, low"),
        ({"text": "a", "language": "ja"}, "language", "no voice here speaks 'ja'"),
        ({"text": "a", "format": "xm"}, "format", "mp3, wav, flac"),
        ({"text": "a", "sample_rate": 7}, "sample_rate", "8000, 11025"),
        ({"text": "a", "format": "opus", "sample_rate": 44100}, "sample_rate", "48000"),
        ({"text": "a", "speed": 5}, "speed", "less than or equal to 4"),
        ({"text": "a", "speed": 0.1}, "speed", "greater than or equal to 0.25"),
        ({"text": "a", "markup": "html"}, "markup", "'ssml'"),
        ({"text": "a", "provider": "google"}, "provider", "needs credentials"),
        ({"text": "a", "provider": "ibm"}, "provider", "known are stentor"),
        ({"text": "a", "pitch": 1}, "pitch", "not permitted"),
        ({"ssml": "<speak>\n  <b>a</speak>"}, None, "line 2"),
        ({"ssml": "Hello."}, None, "SSML, line 1, column 1"),
        ({"text": "a" * 1001}, "text", "1001 characters, and at most 1000"),
    ],
)
@pytest.mark.parametrize("changed_tts_settings", [{"max_characters": 1000, "stream_characters": 1000}])
@pytest.mark.parametrize("path", ["/v1/speech", "/v1/speech/stream"])
async def test_what_cannot_be_done_is_refused_with_its_field(
    api: httpx2.AsyncClient, path: str, fields: dict[str, Any], param: str | None, said: str
) -> None:
    answer = await api.post(path, json=fields)
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert said in error["message"]


async def test_a_model_that_is_not_served_is_not_found(api: httpx2.AsyncClient) -> None:
    answer = await api.post("/v1/speech", json={"text": "a", "model": "tts-9"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")


@pytest.mark.parametrize(
    ("content", "code"),
    [("Grüße".encode("latin-1"), "text_unreadable"), (b" ", "unspeakable"), (b"a" * 4001, "text_too_long")],
)
@pytest.mark.parametrize("changed_tts_settings", [{"max_characters": 1000}])
async def test_a_file_that_cannot_be_spoken_fails_its_job_with_the_reason(
    client: httpx2.AsyncClient, content: bytes, code: str
) -> None:
    answer = await client.post("/v1/speech", files={"file": ("a.txt", content)}, headers=WAIT)
    speech = answer.json()
    assert (speech["status"], speech["error"]["code"]) == ("failed", code)


async def test_a_body_beyond_every_text_is_refused_while_it_comes(api: httpx2.AsyncClient) -> None:
    async def endless() -> Any:
        while True:
            yield b'{"text": "' + b"a" * 2**20

    answer = await api.post("/v1/speech", content=endless(), headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")


async def test_without_a_token_only_so_many(api: httpx2.AsyncClient) -> None:
    statuses = [(await api.post("/v1/speech", json={"text": f"{n}."})).status_code for n in range(11)]
    assert statuses == [202] * 10 + [429]


@pytest.mark.parametrize("changed_settings", [{"anonymous_access": False}])
@pytest.mark.parametrize("path", ["/v1/speech", "/v1/speech/stream", "/v1/audio/speech", "/v1/tts"])
async def test_where_a_token_is_needed_nothing_is_said_without(api: httpx2.AsyncClient, path: str) -> None:
    body = {"text": "a", "input": "a", "model": "tts-1", "voice": "alloy"}
    assert (await api.post(path, json=body)).status_code == 401
