"""Sound that was made: kept for its job, found again for the same request, deleted when nobody claims it."""

import asyncio
import hashlib
import json
import uuid
from collections.abc import AsyncIterable, AsyncIterator, Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Self

from pydantic import TypeAdapter

from stentor_common.jobs.leases import Lease
from stentor_common.runtime import Runtime
from stentor_common.sweep import Sweep
from stentor_tts.repository import SoundRepository
from stentor_tts.settings import TtsSettings
from stentor_tts.tables import Sound

INLINE_BYTES = 48 * 1024
"""Times that take more are an object beside the sound, so that rows stay quick to read."""

SWEEP_SECONDS = 60
FILE, STREAM = "f", "s"


@dataclass(frozen=True, slots=True)
class Timed:
    """A sentence as it is written, or a word as it is spoken. Times count from the start of the sound."""

    text: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Times:
    sentences: tuple[Timed, ...] = ()
    words: tuple[Timed, ...] | None = None
    """None where they were not asked for."""

    @classmethod
    def of(cls, found: Any) -> Self:
        return _TIMES.validate_python(found)  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class Facts:
    """What there is to tell of sound, beside the bytes."""

    format: str
    media_type: str
    sample_rate: int
    duration_ms: int
    characters: int
    """Of the text, its markup included."""
    sentences: int
    engine: str
    model: str
    voice: str
    language: str
    size_bytes: int = 0
    store_key: str = ""
    times: dict[str, Any] | None = None
    """As JSON; None where they are an object of their own, under `times_key(store_key)`."""

    @classmethod
    def of(cls, found: Any) -> Self:
        return _FACTS.validate_python(found)  # type: ignore[return-value]

    def to_json(self) -> dict[str, Any]:
        found: dict[str, Any] = _FACTS.dump_python(self, mode="json")
        return found


_TIMES = TypeAdapter(Times)
_FACTS = TypeAdapter(Facts)


@dataclass(frozen=True, slots=True)
class CacheKeys:
    """Under which sound is kept: a file, whose header has its length, and a stream, whose header has none.
    They differ in the last letter only."""

    file: str
    stream: str

    @classmethod
    def of(cls, *asked: object) -> Self:
        """The same for the same request."""
        told = hashlib.sha256(json.dumps(asked, ensure_ascii=False).encode()).hexdigest()
        return cls(f"{told[:-1]}{FILE}", f"{told[:-1]}{STREAM}")

    @classmethod
    def beside(cls, key: str) -> Self:
        """Both, of which one is known."""
        return cls(f"{key[:-1]}{FILE}", f"{key[:-1]}{STREAM}")


class NotWanted(Exception):
    """The sound is finished, and nobody has a claim to it any more."""


@dataclass(frozen=True, slots=True)
class NewSound:
    """Sound that is about to be made, and for whom: a run of a job, the cache, or both."""

    name: str
    """Of the object; each run of a job has its own."""
    cache_key: str | None
    lease: Lease | None = None
    id: uuid.UUID = field(default_factory=uuid.uuid4)

    @property
    def store_key(self) -> str:
        return f"speech/{self.name}"


def times_key(store_key: str) -> str:
    return f"{store_key}.times"


Finished = Callable[[], tuple[Facts, Times]]
"""What there is to tell of sound of which all bytes have come."""


async def save(runtime: Runtime, new: NewSound, chunks: AsyncIterable[bytes], finished: Finished) -> Facts:
    """Store sound as its bytes come.

    Raises NotWanted when nobody claims it any more, and what `chunks` raises; then nothing is left of it.
    """
    job_id = new.lease.job_id if new.lease else None
    sound = Sound(
        id=new.id,
        store_key=new.store_key,
        job_id=job_id,
        cache_key=new.cache_key,
        used_at=runtime.clock.now(),
    )
    async with runtime.begin() as work:
        SoundRepository(work.session).add(sound)
    try:
        size = await runtime.store.save(new.store_key, chunks)
        facts, times = finished()
        facts = await _with_times(runtime, replace(facts, size_bytes=size, store_key=new.store_key), times)
        await _complete(runtime, new, facts)
    except BaseException:
        await _give_up(runtime, new)
        raise
    return facts


async def of_job(runtime: Runtime, job_id: uuid.UUID) -> Facts | None:
    """What an earlier run of the job has finished."""
    async with runtime.db.reading() as session:
        found = await SoundRepository(session).of_job(job_id)
    return Facts.of(found.facts) if found else None


async def cached(runtime: Runtime, settings: TtsSettings, cache_keys: Collection[str]) -> Facts | None:
    """Sound that was made for the same request, and was used just now."""
    now = runtime.clock.now()
    since = now - timedelta(hours=settings.cache_hours)
    async with runtime.db.reading() as session:
        found = await SoundRepository(session).cached(cache_keys, since)
    if found is None:
        return None
    async with runtime.begin() as work:
        await SoundRepository(work.session).used(found.id, now)
    return Facts.of(found.facts)


async def claimed(runtime: Runtime, settings: TtsSettings, cache_key: str, lease: Lease) -> Facts | None:
    """Sound that was made for the same request, from now on the job's too."""
    now = runtime.clock.now()
    async with runtime.begin() as work:
        sounds = SoundRepository(work.session)
        found = await sounds.cached([cache_key], now - timedelta(hours=settings.cache_hours))
        if found is None:
            return None
        await sounds.used(found.id, now)
        sounds.add(
            Sound(
                id=uuid.uuid4(),
                store_key=found.store_key,
                job_id=lease.job_id,
                cache_key=cache_key,
                size_bytes=found.size_bytes,
                facts=found.facts,
                used_at=now,
            )
        )
    return Facts.of(found.facts)


async def times_of(runtime: Runtime, facts: Facts) -> Times:
    if facts.times is not None:
        return Times.of(facts.times)
    key = times_key(facts.store_key)
    return Times.of(json.loads(b"".join([piece async for piece in runtime.store.read(key)])))


async def forget_of_job(runtime: Runtime, job_id: uuid.UUID) -> None:
    """Delete a job's sound, also what the cache has of the same request."""
    async with runtime.begin() as work:
        sounds = SoundRepository(work.session)
        found = await sounds.of_job(job_id)
        await sounds.release(Sound.job_id == job_id)
        if found and found.cache_key:
            keys = CacheKeys.beside(found.cache_key)
            await sounds.release(Sound.job_id.is_(None) & Sound.cache_key.in_((keys.file, keys.stream)))
    await _bury(runtime)


def sweep_of(settings: TtsSettings) -> Sweep:
    """Deletes what nobody claims, and keeps the cache within its budget."""

    async def run(runtime: Runtime) -> None:
        async with runtime.begin() as work:
            sounds = SoundRepository(work.session)
            await sounds.release_orphans()
            await sounds.release_old(runtime.clock.now() - timedelta(hours=settings.cache_hours))
            await sounds.release_beyond(settings.cache_mib * 2**20)
        await _bury(runtime)

    return Sweep("tts-sounds", SWEEP_SECONDS, run)


async def _with_times(runtime: Runtime, facts: Facts, times: Times) -> Facts:
    as_json = _TIMES.dump_python(times, mode="json")
    encoded = await asyncio.to_thread(lambda: json.dumps(as_json, ensure_ascii=False).encode())
    if len(encoded) <= INLINE_BYTES:
        return replace(facts, times=as_json)

    async def chunks() -> AsyncIterator[bytes]:
        yield encoded

    await runtime.store.save(times_key(facts.store_key), chunks())
    return facts


async def _complete(runtime: Runtime, new: NewSound, facts: Facts) -> None:
    async with runtime.begin() as work:
        sounds = SoundRepository(work.session)
        if new.lease:
            if not await sounds.holds(new.lease):
                raise NotWanted
            # What runs began that lost the job.
            await sounds.release((Sound.job_id == new.lease.job_id) & (Sound.id != new.id))
        if not await sounds.complete(new.id, facts.size_bytes, facts.to_json()):
            raise NotWanted


async def _give_up(runtime: Runtime, new: NewSound) -> None:
    """Delete what there is of it. The row stays for the sweep: a store may still be writing in a thread."""
    unclaimed = Sound(id=new.id, store_key=new.store_key, used_at=runtime.clock.now())
    unclaimed.job_id = unclaimed.cache_key = unclaimed.size_bytes = unclaimed.facts = None
    async with runtime.begin() as work:
        await work.session.merge(unclaimed)
    async with runtime.db.reading() as session:
        still = await SoundRepository(session).claimed([new.store_key])
    if not still:
        await _delete(runtime, new.store_key)


async def _bury(runtime: Runtime) -> None:
    """Delete what nobody claims. The objects first: while a row is there, what it names is not forgotten."""
    async with runtime.db.reading() as session:
        sounds = SoundRepository(session)
        gone = await sounds.unclaimed()
        still = await sounds.claimed({sound.store_key for sound in gone})
    for key in {sound.store_key for sound in gone} - still:
        await _delete(runtime, key)
    if gone:
        async with runtime.begin() as work:
            await SoundRepository(work.session).delete([sound.id for sound in gone])


async def _delete(runtime: Runtime, store_key: str) -> None:
    await runtime.store.delete(store_key)
    await runtime.store.delete(times_key(store_key))
