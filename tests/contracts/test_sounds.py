"""Claims to sound in a database: who finds it, how long it is kept, when its object may go."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from stentor_common.clock import ManualClock
from stentor_common.db import Database
from stentor_common.jobs.leases import Lease, LeaseRepository, Outcome
from stentor_common.jobs.repository import JobRepository
from stentor_common.jobs.table import Job, JobState
from stentor_common.testing import new_job
from stentor_tts.repository import SoundRepository
from stentor_tts.tables import Sound

MINUTE = timedelta(minutes=1)
KEY = "k" * 64


class Sounds:
    """What tests do to claims, each in a transaction of its own."""

    def __init__(self, db: Database, clock: ManualClock) -> None:
        self.db, self.clock = db, clock

    async def lease(self) -> Lease:
        """Of a new job that runs."""
        async with self.db.transaction() as session:
            job = await JobRepository(session).add(new_job(), owner_id=None, now=self.clock.now())
            lease = await LeaseRepository(session).take(job.id, self.clock.now(), MINUTE)
        assert lease
        return lease

    async def finish(self, lease: Lease, state: JobState) -> None:
        async with self.db.transaction() as session:
            await LeaseRepository(session).finish(lease, Outcome(state), self.clock.now())

    async def add(self, name: str, size: int | None = 10, **fields: Any) -> uuid.UUID:
        """A claim to the object of that name; a whole one unless its size is None."""
        self.clock.advance(seconds=1)
        facts = None if size is None else {"format": "mp3"}
        sound = Sound(
            id=uuid.uuid4(),
            store_key=name,
            **{"size_bytes": size, "facts": facts, "used_at": self.clock.now(), **fields},
        )
        async with self.db.transaction() as session:
            SoundRepository(session).add(sound)
        return sound.id

    async def cached(self, *keys: str, since: timedelta = timedelta(days=1)) -> str | None:
        async with self.db.transaction() as session:
            found = await SoundRepository(session).cached(keys or (KEY,), self.clock.now() - since)
        return found.store_key if found else None

    async def claimed(self) -> list[str]:
        async with self.db.reading() as session:
            names = list(await session.scalars(select(Sound.store_key)))
            return sorted(await SoundRepository(session).claimed(names))

    async def unclaimed(self) -> list[str]:
        async with self.db.reading() as session:
            return sorted(sound.store_key for sound in await SoundRepository(session).unclaimed())


@pytest.fixture
def sounds(db: Database, clock: ManualClock) -> Sounds:
    return Sounds(db, clock)


async def test_the_newest_of_the_same_request_is_found(sounds: Sounds) -> None:
    await sounds.add("old", cache_key=KEY)
    await sounds.add("new", cache_key=KEY)
    await sounds.add("other", cache_key="x" * 64)
    assert await sounds.cached() == "new"
    assert await sounds.cached("y" * 64) is None
    assert await sounds.cached("y" * 64, "x" * 64) == "other"


async def test_what_is_not_whole_is_not_found(sounds: Sounds) -> None:
    sound_id = await sounds.add("begun", size=None, cache_key=KEY)
    assert await sounds.cached() is None
    async with sounds.db.transaction() as session:
        assert await SoundRepository(session).complete(sound_id, 7, {"format": "wav"})
    async with sounds.db.reading() as session:
        found = await session.get_one(Sound, sound_id)
    assert (found.size_bytes, found.facts) == (7, {"format": "wav"})
    assert await sounds.cached() == "begun"


async def test_nothing_is_completed_that_nobody_wants_any_more(sounds: Sounds) -> None:
    sound_id = await sounds.add("begun", size=None, cache_key=KEY)
    async with sounds.db.transaction() as session:
        await SoundRepository(session).release(Sound.id == sound_id)
        assert not await SoundRepository(session).complete(sound_id, 7, {})
        assert not await SoundRepository(session).complete(uuid.uuid4(), 7, {})


async def test_a_job_keeps_sound_that_the_cache_would_have_let_go(sounds: Sounds) -> None:
    lease = await sounds.lease()
    await sounds.add("streamed", cache_key=KEY)
    sounds.clock.advance(days=2)
    assert await sounds.cached() is None
    await sounds.add("jobs", cache_key=KEY, job_id=lease.job_id)
    sounds.clock.advance(days=2)
    assert await sounds.cached() == "jobs"


async def test_only_the_run_that_has_the_job_holds_it(sounds: Sounds) -> None:
    lease = await sounds.lease()
    async with sounds.db.transaction() as session:
        assert await SoundRepository(session).holds(lease)
    await sounds.finish(lease, JobState.completed)
    async with sounds.db.transaction() as session:
        assert not await SoundRepository(session).holds(lease)


@pytest.mark.parametrize(
    ("state", "kept"),
    [(JobState.completed, ["sound"]), (JobState.failed, []), (None, ["sound"])],
)
async def test_jobs_without_a_result_lose_their_claims(
    sounds: Sounds, state: JobState | None, kept: list[str]
) -> None:
    lease = await sounds.lease()
    await sounds.add("sound", job_id=lease.job_id)
    if state:
        await sounds.finish(lease, state)
    async with sounds.db.transaction() as session:
        await SoundRepository(session).release_orphans()
    assert await sounds.claimed() == kept


async def test_so_do_jobs_that_are_deleted(sounds: Sounds) -> None:
    lease = await sounds.lease()
    await sounds.add("jobs", job_id=lease.job_id)
    await sounds.add("cached", cache_key=KEY)
    async with sounds.db.transaction() as session:
        await JobRepository(session).delete(await session.get_one(Job, lease.job_id))
        await SoundRepository(session).release_orphans()
    assert (await sounds.claimed(), await sounds.unclaimed()) == (["cached"], ["jobs"])


async def test_an_object_is_claimed_as_long_as_anybody_claims_it(sounds: Sounds) -> None:
    lease = await sounds.lease()
    await sounds.add("shared", cache_key=KEY)
    await sounds.add("shared", job_id=lease.job_id)
    async with sounds.db.transaction() as session:
        await SoundRepository(session).release(Sound.job_id.is_(None))
    assert (await sounds.claimed(), await sounds.unclaimed()) == (["shared"], ["shared"])


async def test_beyond_the_budget_the_cache_lets_go_what_was_used_longest_ago(sounds: Sounds) -> None:
    lease = await sounds.lease()
    await sounds.add("jobs", size=1000, cache_key=KEY, job_id=lease.job_id)
    for name in ("a", "b", "c", "d"):
        await sounds.add(name, size=10, cache_key=name * 64)
    used = await sounds.add("e", size=10, cache_key="e" * 64, used_at=sounds.clock.now() - MINUTE)
    async with sounds.db.transaction() as session:
        await SoundRepository(session).used(used, sounds.clock.now() + MINUTE)
        await SoundRepository(session).release_beyond(25)
    assert await sounds.claimed() == ["d", "e", "jobs"]


async def test_what_was_not_used_for_long_is_let_go_whole_or_not(sounds: Sounds) -> None:
    lease = await sounds.lease()
    await sounds.add("jobs", job_id=lease.job_id)
    await sounds.add("whole", cache_key=KEY)
    await sounds.add("begun", size=None, cache_key=KEY)
    sounds.clock.advance(days=1)
    await sounds.add("new", cache_key=KEY)
    async with sounds.db.transaction() as session:
        await SoundRepository(session).release_old(sounds.clock.now() - timedelta(hours=1))
    assert await sounds.claimed() == ["jobs", "new"]
    assert await sounds.unclaimed() == ["begun", "whole"]
