"""A summary is read while it is written, and stops being written when its reader goes."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import func, select

from stentor_common.jobs.leases import Lease, LeaseRepository
from stentor_common.jobs.table import Job, JobState
from stentor_common.runtime import Runtime
from stentor_common.testing import eventually
from stentor_common.testing_visits import Visit
from stentor_summarize import parts
from stentor_summarize.parts import PartRepository, Pen, Place
from stentor_summarize.tables import SummaryPart

PATH = "/v1/summaries"
TEXT = "The tide table hung beside the door. Nobody had looked at it since the harbour was closed."
SUMMARY = "The harbour is closed. Nobody looks at the tides."
STREAM = {"Accept": "text/event-stream"}
INVENTS = {"texts": ["Elinor Dashwood closed 4711 harbours.", SUMMARY]}

Event = tuple[str, dict[str, Any]]


def events_in(text: str) -> list[Event]:
    """Names and contents, without comments."""
    found: list[Event] = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if fields:
            found.append((fields["event"], json.loads(fields["data"])))
    return found


def text_of(events: list[Event]) -> str:
    """What somebody has who puts the pieces together."""
    text = ""
    for name, data in events:
        if name == "reset":
            text = ""
        elif name == "delta":
            text += data["text"]
    return text


async def the_job(runtime: Runtime) -> Job | None:
    async with runtime.db.reading() as session:
        return await session.scalar(select(Job))


async def lease_on(runtime: Runtime) -> Lease:
    """Of the one job there is, as a worker has it that is then lost."""
    job = await eventually(lambda: the_job(runtime))
    assert job
    async with runtime.begin() as work:
        leases = LeaseRepository(work.session)
        lease = await leases.take(job.id, runtime.clock.now(), timedelta(minutes=1))
        work.announce(job.id)
    assert lease
    return lease


async def write(runtime: Runtime, lease: Lease, *texts: str) -> None:
    """What the model says so far, each time."""
    pen = Pen(runtime, lease)
    for text in texts:
        pen.tell(text)

        async def there(text: str = text) -> bool:
            async with runtime.db.reading() as session:
                found = await PartRepository(session).after(lease.job_id, Place())
            last = found[-1].place.draft if found else 0
            return "".join(each.text for each in found if each.place.draft == last) == text

        await eventually(there)
    await pen.aclose()


async def told(visit: Visit, text: str) -> None:
    async def all_of_it() -> bool:
        return text_of(events_in(visit.text)) == text

    await eventually(all_of_it)


@pytest.mark.parametrize("how", [{"headers": STREAM}, {"more": {"stream": True}}])
async def test_text_comes_in_pieces_and_whole_at_the_end(
    client: httpx2.AsyncClient, how: dict[str, Any]
) -> None:
    answer = await client.post(PATH, json={"text": TEXT} | how.get("more", {}), headers=how.get("headers"))
    assert answer.status_code == 200
    assert answer.headers["content-type"].partition(";")[0] == "text/event-stream"
    assert answer.headers["location"].startswith(f"http://stentor{PATH}/")
    events = events_in(answer.text)
    name, done = events[-1]
    assert (name, done["status"], done["text"]) == ("completed", "completed", SUMMARY)
    assert text_of(events) == SUMMARY
    assert events[0][0] == "progress"


@pytest.mark.parametrize("summary_script", [{"texts": [SUMMARY], "kind": "extractive"}])
async def test_sentences_that_were_picked_are_told_too(client: httpx2.AsyncClient) -> None:
    events = events_in((await client.post(PATH, json={"text": TEXT}, headers=STREAM)).text)
    assert text_of(events) == SUMMARY


@pytest.mark.parametrize("summary_script", [INVENTS | {"seconds_per_word": 0.05}])
async def test_a_try_that_is_given_up_is_void(client: httpx2.AsyncClient) -> None:
    events = events_in((await client.post(PATH, json={"text": TEXT}, headers=STREAM)).text)
    assert "reset" in [name for name, _ in events]
    assert "Elinor" in "".join(data["text"] for name, data in events if name == "delta")
    assert text_of(events) == SUMMARY
    assert events[-1][1]["warnings"] == []


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [({"text": ""}, 400, "nothing_to_summarize"), ({"text": TEXT, "model": "x"}, 404, "model_not_found")],
)
async def test_what_cannot_be_done_is_told_by_the_status(
    client: httpx2.AsyncClient, asked: dict[str, Any], status: int, code: str
) -> None:
    answer = await client.post(PATH, json=asked, headers=STREAM)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


@pytest.mark.parametrize("summary_script", [{"texts": ["never"], "fails_after": 0}])
@pytest.mark.parametrize("changed_settings", [{"max_attempts": 1}])
async def test_what_goes_wrong_on_the_way_is_an_event(client: httpx2.AsyncClient) -> None:
    name, job = events_in((await client.post(PATH, json={"text": TEXT}, headers=STREAM)).text)[-1]
    assert (name, job["error"]["code"]) == ("failed", "internal")


async def test_pieces_of_a_worker_elsewhere_are_told_as_they_are_stored(
    app: FastAPI, runtime: Runtime
) -> None:
    visit = Visit(app, "POST", PATH, json={"text": TEXT}, headers=STREAM)
    lease = await lease_on(runtime)
    await write(runtime, lease, "The harbour", "The harbour is closed.")
    await told(visit, "The harbour is closed.")
    assert visit.status == 200
    await visit.leave()


async def test_a_worker_that_takes_over_writes_anew(app: FastAPI, runtime: Runtime, clock: Any) -> None:
    visit = Visit(app, "POST", PATH, json={"text": TEXT}, headers=STREAM)
    await write(runtime, await lease_on(runtime), "The harb")
    await told(visit, "The harb")
    clock.advance(minutes=2)
    await write(runtime, await lease_on(runtime), "Nobody", "Nobody looks.")
    await told(visit, "Nobody looks.")
    assert [name for name, _ in events_in(visit.text)].count("reset") == 1
    await visit.leave()


async def test_a_worker_that_lost_its_job_writes_nothing(api: httpx2.AsyncClient, runtime: Runtime) -> None:
    job_id = (await api.post(PATH, json={"text": TEXT})).json()["id"]
    lease = await lease_on(runtime)
    await api.post(f"{PATH}/{job_id}/cancel")
    async with runtime.begin() as work:
        assert not await PartRepository(work.session).add(lease, parts.Part(Place(0, 0), "too late"))


async def test_whoever_follows_reads_along_and_may_go(
    app: FastAPI, api: httpx2.AsyncClient, runtime: Runtime
) -> None:
    job_id = (await api.post(PATH, json={"text": TEXT})).json()["id"]
    visit = Visit(app, "GET", f"{PATH}/{job_id}/events")
    await write(runtime, await lease_on(runtime), "The harbour is closed.")
    await told(visit, "The harbour is closed.")
    late = Visit(app, "GET", f"{PATH}/{job_id}/events")
    await told(late, "The harbour is closed.")
    await visit.leave()
    await late.leave()
    assert (await api.get(f"{PATH}/{job_id}")).json()["status"] == "running"


async def test_a_reader_who_goes_stops_the_writing(app: FastAPI, runtime: Runtime) -> None:
    visit = Visit(app, "POST", PATH, json={"text": TEXT}, headers=STREAM)

    async def begun() -> bool:
        return "event: progress" in visit.text

    await eventually(begun)
    await visit.leave()
    job = await the_job(runtime)
    assert job
    assert job.state == JobState.cancelled


async def test_a_reader_with_a_key_may_come_back(
    app: FastAPI, api: httpx2.AsyncClient, runtime: Runtime
) -> None:
    key = STREAM | {"Idempotency-Key": "once"}
    visit = Visit(app, "POST", PATH, json={"text": TEXT}, headers=key)
    lease = await lease_on(runtime)
    await write(runtime, lease, "The harb")
    await told(visit, "The harb")
    await visit.leave()
    again = Visit(app, "POST", PATH, json={"text": TEXT}, headers=key)
    await told(again, "The harb")
    assert again.headers["idempotency-replayed"] == "true"
    await again.leave()


@pytest.mark.parametrize("summary_script", [{"texts": ["word " * 100], "seconds_per_word": 0.01}])
async def test_what_was_written_on_the_way_goes_with_the_end(
    client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    await client.post(PATH, json={"text": TEXT}, headers=STREAM)

    async def rows() -> int:
        async with runtime.db.reading() as session:
            return await session.scalar(select(func.count()).select_from(SummaryPart)) or 0

    assert await rows() > 0
    await parts.sweep(runtime)
    assert await rows() == 0


async def test_a_cancelled_job_ends_its_events(api: httpx2.AsyncClient) -> None:
    job_id = (await api.post(PATH, json={"text": TEXT})).json()["id"]
    following = asyncio.create_task(api.get(f"{PATH}/{job_id}/events"))
    await asyncio.sleep(0)
    await api.post(f"{PATH}/{job_id}/cancel")
    assert "event: cancelled" in (await following).text
