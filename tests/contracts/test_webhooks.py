"""Webhooks in a database: what is due, and that nobody sends what another one is sending."""

import asyncio
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from stentor_common.clock import ManualClock
from stentor_common.db import Database
from stentor_common.jobs.repository import JobRepository
from stentor_common.jobs.table import Job, JobState
from stentor_common.testing import new_job
from stentor_common.webhooks.repository import (
    Accepted,
    Ended,
    Search,
    SecretRepository,
    TooManySecrets,
    WebhookRepository,
)
from stentor_common.webhooks.table import WebhookState

ADA, EVE = uuid.UUID(int=1), uuid.UUID(int=2)
CLAIM = timedelta(seconds=30)
ANY = Search(kinds=["test.work"], limit=100, per_owner=100)


class Webhooks:
    """What tests do, each in a transaction of its own."""

    def __init__(self, db: Database, clock: ManualClock) -> None:
        self.db, self.clock = db, clock

    async def add(
        self, owner_id: uuid.UUID = ADA, *, state: JobState = JobState.completed, **changed: Any
    ) -> uuid.UUID:
        async with self.db.transaction() as session:
            job = await JobRepository(session).add(
                new_job(**changed), owner_id=owner_id, now=self.clock.now()
            )
            (await session.get_one(Job, job.id)).state = state
            accepted = Accepted(owner_id, "standard", "sealed")
            await WebhookRepository(session).add(job.id, accepted, self.clock.now())
        self.clock.advance(seconds=1)
        return job.id

    async def due(self, search: Search = ANY) -> list[uuid.UUID]:
        async with self.db.reading() as session:
            found = await WebhookRepository(session).due(search, self.clock.now())
        return [job_id for job_id, _ in found]

    async def due_among(self, job_ids: list[uuid.UUID], search: Search = ANY) -> list[uuid.UUID]:
        async with self.db.reading() as session:
            found = await WebhookRepository(session).due_among(job_ids, search, self.clock.now())
        return [job_id for job_id, _ in found]

    async def claim(self, job_id: uuid.UUID, db: Database | None = None) -> bool:
        async with (db or self.db).transaction() as session:
            found = await WebhookRepository(session).claim(job_id, self.clock.now(), CLAIM)
        return found is not None


@pytest.fixture
def webhooks(db: Database, clock: ManualClock) -> Webhooks:
    return Webhooks(db, clock)


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (JobState.queued, False),
        (JobState.running, False),
        (JobState.completed, True),
        (JobState.failed, True),
        (JobState.cancelled, True),
        (JobState.expired, False),
    ],
)
async def test_what_is_over_and_not_forgotten_is_told(
    webhooks: Webhooks, state: JobState, told: bool
) -> None:
    job_id = await webhooks.add(state=state)
    assert await webhooks.due() == await webhooks.due_among([job_id]) == ([job_id] if told else [])


async def test_those_waiting_longest_come_first_and_no_owner_takes_all_places(webhooks: Webhooks) -> None:
    first = [await webhooks.add() for _ in range(3)]
    other = await webhooks.add(EVE)
    assert await webhooks.due() == [*first, other]
    few = Search(kinds=["test.work"], limit=100, per_owner=2)
    assert await webhooks.due(few) == [*first[:2], other]
    assert len(await webhooks.due_among([*first, other], few)) == 3
    assert await webhooks.due(Search(["test.work"], limit=1, per_owner=2)) == first[:1]
    assert await webhooks.due(Search(["test.work"], limit=9, per_owner=2, without=[ADA])) == [other]


async def test_a_process_sees_what_it_can_tell_of_and_was_asked_about(webhooks: Webhooks) -> None:
    job_id, strange = await webhooks.add(), await webhooks.add(kind="other.work")
    assert await webhooks.due() == await webhooks.due_among([job_id, strange, ADA]) == [job_id]
    assert await webhooks.due_among([strange]) == await webhooks.due_among([]) == []


async def test_only_one_process_gets_to_send_it(
    webhooks: Webhooks, connect: Callable[[], Database], clock: ManualClock
) -> None:
    job_id = await webhooks.add()
    databases = [connect() for _ in range(5)]
    taken = await asyncio.gather(*(webhooks.claim(job_id, db) for db in databases))
    assert sum(taken) == 1
    assert await webhooks.due() == await webhooks.due_among([job_id]) == []
    clock.advance(seconds=30)
    assert await webhooks.due() == [job_id]
    assert await webhooks.claim(job_id)


async def test_an_outcome_counts_once_and_only_for_its_own_claim(
    webhooks: Webhooks, db: Database, clock: ManualClock
) -> None:
    job_id = await webhooks.add()
    ended = Ended(WebhookState.delivered, clock.now(), {"status_code": 200})
    async with db.transaction() as session:
        repository = WebhookRepository(session)
        webhook = await repository.claim(job_id, clock.now(), CLAIM)
        assert webhook
        assert await repository.record(webhook, ended)
        assert not await repository.record(webhook, ended)
    async with db.reading() as session:
        kept = await WebhookRepository(session).of(job_id)
    assert kept
    assert (kept.state, kept.tries, kept.attempts) == (WebhookState.delivered, 1, [{"status_code": 200}])
    assert await webhooks.due() == []


async def test_requests_at_the_same_moment_make_two_secrets_at_most(
    connect: Callable[[], Database], db: Database, clock: ManualClock
) -> None:
    async def make(own: Database) -> bool:
        try:
            async with own.transaction() as session:
                await SecretRepository(session).add(ADA, "sealed", clock.now())
        except TooManySecrets:
            return False
        return True

    made = await asyncio.gather(*(make(connect()) for _ in range(6)))
    async with db.reading() as session:
        assert len(await SecretRepository(session).live(ADA)) == sum(made) <= 2
    assert sum(made) >= 1
