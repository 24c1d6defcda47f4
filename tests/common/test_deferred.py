"""Answers now, later or bit by bit: what is the same for every kind of job."""

from datetime import timedelta

import httpx2
import pytest

from stentor_common.jobs.deferred import Way, way_of
from stentor_common.jobs.leases import LeaseRepository, Outcome
from stentor_common.jobs.repository import JobRepository
from stentor_common.jobs.table import JobState
from stentor_common.runtime import Runtime
from stentor_common.testing import new_job


@pytest.mark.parametrize(
    ("headers", "way"),
    [
        ({}, Way.now),
        ({"accept": "*/*"}, Way.now),
        ({"x-octoai-async": "0"}, Way.now),
        ({"x-octoai-async": "1"}, Way.later),
        ({"x-octoai-async": "True"}, Way.later),
        ({"accept": "text/event-stream"}, Way.stream),
        ({"accept": "application/json, Text/Event-Stream;q=0.9"}, Way.stream),
        ({"x-octoai-async": "1", "accept": "text/event-stream"}, Way.later),
    ],
)
def test_headers_say_how_the_answer_is_wanted(headers: dict[str, str], way: Way) -> None:
    assert way_of(headers) is way


async def ended(runtime: Runtime, outcome: Outcome) -> str:
    """A job of a kind that no service answers about."""
    new, now = new_job(), runtime.clock.now()
    async with runtime.begin() as work:
        await JobRepository(work.session).add(new, owner_id=None, now=now)
        leases = LeaseRepository(work.session)
        lease = await leases.take(new.id, now, timedelta(minutes=1))
        assert lease
        await leases.finish(lease, outcome, now)
    return str(new.id)


async def test_a_kind_that_nobody_has_words_for_is_answered_with_its_result(
    api: httpx2.AsyncClient, runtime: Runtime
) -> None:
    job_id = await ended(runtime, Outcome(JobState.completed, result={"output": [1, 2]}))
    polled = await api.get(f"/v1/requests/{job_id}")
    assert (polled.status_code, polled.json()["status"]) == (200, "completed")
    assert (await api.get(polled.json()["response_url"])).json() == {"output": [1, 2]}


async def test_a_failure_is_answered_as_the_error_it_is(api: httpx2.AsyncClient, runtime: Runtime) -> None:
    lost = Outcome(JobState.failed, error_code="worker_lost", error_message="it was lost")
    polled = await api.get(f"/v1/requests/{await ended(runtime, lost)}")
    answer = await api.get(polled.json()["response_url"])
    assert (answer.status_code, answer.json()["error"]["message"]) == (500, "it was lost")


@pytest.mark.parametrize("path", ["requests", "responses"])
async def test_what_is_not_there_is_404(api: httpx2.AsyncClient, path: str) -> None:
    assert (await api.get(f"/v1/{path}/no-id")).status_code == 404
