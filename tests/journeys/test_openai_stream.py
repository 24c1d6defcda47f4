"""What a client of OpenAI's audio routes sees while its job runs, and what its leaving does."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import select

from stentor_common import testing_visits
from stentor_common.jobs.leases import Lease, LeaseRepository, Outcome
from stentor_common.jobs.table import Job, JobState
from stentor_common.runtime import Runtime
from stentor_common.testing import eventually, sound
from stentor_stt.pieces import PieceRepository, StoredPiece
from stentor_stt.transcript import Segment, joined

PATH = "/v1/audio/transcriptions"
FILE = ("talk.wav", sound())
TEXT = "Hello world. How are you?"
AT_ONCE = pytest.mark.parametrize("changed_stt_settings", [{"stream_hold_seconds": 0}])


class Visit(testing_visits.Visit):
    """A recording sent to be transcribed."""

    def __init__(self, app: FastAPI, headers: dict[str, str] | None = None, **fields: str) -> None:
        form = {"model": "whisper-1", **fields}
        super().__init__(app, "POST", PATH, files={"file": FILE}, data=form, headers=headers)

    @property
    def events(self) -> list[Any]:
        """What came so far, without what `[DONE]` says."""
        lines = (line.removeprefix("data: ") for line in self.text.split("\n\n"))
        return [json.loads(line) for line in lines if line.startswith("{")]


class Worker:
    """Does the one job there is by hand, piece by piece."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._lease: Lease | None = None

    async def take(self) -> bool:
        async with self._runtime.begin() as work:
            job_id = await work.session.scalar(select(Job.id))
            if job_id is not None:
                leases = LeaseRepository(work.session)
                self._lease = await leases.take(job_id, self._runtime.clock.now(), timedelta(minutes=5))
        return self._lease is not None

    async def hear(self, number: int, *texts: str, language: str = "en") -> None:
        assert self._lease
        piece = StoredPiece(number, None, 0, 0, tuple(map(spoken, texts)), language, 0.9)
        async with self._runtime.begin() as work:
            assert await PieceRepository(work.session).add(self._lease, [piece])
            work.announce(self._lease.job_id)

    async def complete(self, *texts: str) -> None:
        assert self._lease
        segments = [(0, [spoken(text) for text in texts])]
        found = joined(segments, duration_ms=60_000, language="en", language_confidence=0.9)
        result = {"transcript": found.to_json(), "made_by": {}}
        async with self._runtime.begin() as work:
            outcome = Outcome(JobState.completed, result=result)
            assert await LeaseRepository(work.session).finish(self._lease, outcome, self._runtime.clock.now())
            work.announce(self._lease.job_id, ended=True)


def spoken(text: str) -> Segment:
    return Segment(0, 0, text, (), -0.1, 0.0, 1.0, 0.0)


async def state(runtime: Runtime) -> JobState | None:
    """Of the one job that there is."""
    async with runtime.db.reading() as session:
        return await session.scalar(select(Job.state))


async def touch(runtime: Runtime) -> None:
    """Something has changed: whoever follows the job takes a look."""
    async with runtime.begin() as work:
        job_id = await work.session.scalar(select(Job.id))
        assert job_id is not None
        work.announce(job_id)


async def test_deltas_make_the_text_that_is_told_at_the_end(client: httpx2.AsyncClient) -> None:
    form = {"model": "whisper-1", "stream": "true"}
    answer = await client.post(PATH, files={"file": FILE}, data=form)

    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (
        200,
        "text/event-stream",
    )
    *lines, done, nothing = answer.text.split("\n\n")
    assert (done, nothing) == ("data: [DONE]", "")
    *deltas, end = [json.loads(line.removeprefix("data: ")) for line in lines]
    assert {delta["type"] for delta in deltas} == {"transcript.text.delta"}
    assert end == {
        "type": "transcript.text.done",
        "text": "".join(delta["delta"] for delta in deltas),
        "languages": [{"code": "en"}],
        "usage": {"type": "duration", "seconds": 1.0},
    }
    assert end["text"] == TEXT


async def test_speakers_are_told_once_all_is_heard(client: httpx2.AsyncClient) -> None:
    form = {"model": "gpt-4o-transcribe-diarize", "stream": "true", "response_format": "diarized_json"}
    answer = await client.post(PATH, files={"file": FILE}, data=form)
    types = [json.loads(line[6:])["type"] for line in answer.text.split("\n\n") if line.startswith("data: {")]
    assert types == ["transcript.text.delta", "transcript.text.segment", "transcript.text.done"]


@pytest.mark.parametrize("stream", ["true", "false"])
async def test_a_job_whose_client_has_left_is_cancelled(app: FastAPI, runtime: Runtime, stream: str) -> None:
    visit = Visit(app, stream=stream)
    await eventually(lambda: state(runtime))
    leaving = asyncio.create_task(visit.leave())
    await touch(runtime)
    await leaving
    assert (visit.status, await state(runtime)) == (499, JobState.cancelled)


@AT_ONCE
async def test_a_stream_says_that_it_is_alive_and_stops_its_job_when_it_is_left(
    app: FastAPI, runtime: Runtime
) -> None:
    visit = Visit(app, stream="true")

    async def alive() -> bool:
        return visit.text.startswith(": ")

    await eventually(alive)
    await visit.leave()
    assert (visit.status, await state(runtime)) == (200, JobState.cancelled)


@AT_ONCE
@pytest.mark.parametrize("stream", ["true", "false"])
async def test_a_client_with_a_key_finds_its_job_when_it_comes_back(
    app: FastAPI, runtime: Runtime, stream: str
) -> None:
    visit = Visit(app, {"Idempotency-Key": "once"}, stream=stream)
    await eventually(lambda: state(runtime))
    await visit.leave()
    assert await state(runtime) == JobState.queued


@AT_ONCE
async def test_an_end_without_a_text_is_told_as_an_error_event(
    app: FastAPI, api: httpx2.AsyncClient, runtime: Runtime
) -> None:
    visit = Visit(app, stream="true")

    async def begun() -> bool:
        return bool(visit.text)

    await eventually(begun)
    async with runtime.db.reading() as session:
        job_id = await session.scalar(select(Job.id))
    await api.post(f"/v1/jobs/{job_id}/cancel")
    await visit.over
    (event,) = visit.events
    assert event["error"]["code"] == "conflict"
    assert "cancelled" in event["error"]["message"]
    assert visit.text.endswith("data: [DONE]\n\n")


async def streaming(app: FastAPI, runtime: Runtime) -> tuple[Visit, Worker]:
    """A client that streams a job, and the worker that does it."""
    visit, worker = Visit(app, stream="true"), Worker(runtime)
    await eventually(worker.take)
    return visit, worker


async def told(visit: Visit, *deltas: str) -> None:
    """Wait until these came, and nothing else."""

    async def all_of_them() -> bool:
        return len(visit.events) >= len(deltas)

    await eventually(all_of_them)
    assert [event["delta"] for event in visit.events] == list(deltas)


async def test_text_comes_piece_by_piece_in_order(app: FastAPI, runtime: Runtime) -> None:
    visit, worker = await streaming(app, runtime)
    await worker.hear(0, "One.", "Two.")
    await told(visit, "One. Two.")
    # The fourth has to wait for the third.
    await worker.hear(2, "Four.")
    await worker.hear(1, "", "Three.")
    await told(visit, "One. Two.", " Three. Four.")
    await worker.complete("One.", "Two.", "Three.", "Four.", "Five.")
    await visit.over

    *_, last, done = visit.events
    assert last["delta"] == " Five."
    assert done["text"] == "One. Two. Three. Four. Five."
    assert done["usage"]["seconds"] == 60.0


async def test_a_language_that_was_taken_for_another_costs_blanks_and_no_words(
    app: FastAPI, runtime: Runtime
) -> None:
    visit, worker = await streaming(app, runtime)
    await worker.hear(0, "One.", "Two.", language="ja")
    await told(visit, "One.Two.")
    await worker.complete("One.", "Two.", "Three.")
    await visit.over

    assert visit.events[-1]["text"] == "One.Two. Three."


async def test_a_text_that_came_out_otherwise_is_an_error(app: FastAPI, runtime: Runtime) -> None:
    visit, worker = await streaming(app, runtime)
    await worker.hear(0, "One.")
    await told(visit, "One.")
    await worker.complete("Won.")
    await visit.over

    error = visit.events[-1]["error"]
    assert (error["code"], error["type"]) == ("transcript_revised", "server_error")
    assert "/v1/transcriptions/" in error["message"]
