"""What builds and models say: lines, gathered in memory, written to the database now and then, bounded."""

import asyncio
import contextlib
import time
import uuid
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import structlog
from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from stentor_common.db import DatabaseUnavailable
from stentor_common.runtime import Runtime
from stentor_common.signals import Change
from stentor_deploy.running import LogLine
from stentor_deploy.tables import Revision, RevisionLog

WRITE_SECONDS = 0.5
"""How long a line waits for others to be written with it."""

WAITING_LINES = 5_000
"""More lines than this cannot wait: a model that floods its output loses the oldest of them."""

LINE_CHARACTERS = 4_000
TRIM_EVERY = 500
"""Lines of a revision between looks whether it has too many."""

PAGE_LINES = 1_000

log = structlog.get_logger()


class LogKind(StrEnum):
    build = "build"
    run = "run"


@dataclass(frozen=True, slots=True)
class Line:
    revision_id: uuid.UUID
    kind: LogKind
    at: datetime
    stream: str
    request_id: str | None
    line: str

    def as_row(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


class LogRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, lines: Sequence[Line]) -> None:
        """Those of revisions that are gone meanwhile are passed over."""
        ids = {line.revision_id for line in lines}
        there = set(await self._session.scalars(select(Revision.id).where(Revision.id.in_(ids))))
        if rows := [line.as_row() for line in lines if line.revision_id in there]:
            await self._session.execute(insert(RevisionLog), rows)

    async def trim(self, revision_id: uuid.UUID, kind: LogKind, most: int) -> None:
        """Delete the oldest lines beyond so many."""
        of = (RevisionLog.revision_id == revision_id, RevisionLog.kind == kind)
        first_kept = (
            select(RevisionLog.id).where(*of).order_by(RevisionLog.id.desc()).offset(most - 1).limit(1)
        )
        oldest = await self._session.scalar(first_kept)
        if oldest is not None:
            await self._session.execute(delete(RevisionLog).where(*of, RevisionLog.id < oldest))

    async def after(
        self, revision_ids: Collection[uuid.UUID], kind: LogKind, last: int, limit: int = PAGE_LINES
    ) -> Sequence[RevisionLog]:
        """Lines after the one of this number, oldest first."""
        query = select(RevisionLog).where(
            RevisionLog.revision_id.in_(revision_ids), RevisionLog.kind == kind, RevisionLog.id > last
        )
        return (await self._session.scalars(query.order_by(RevisionLog.id).limit(limit))).all()

    async def tail(
        self, revision_ids: Collection[uuid.UUID], kind: LogKind, lines: int
    ) -> Sequence[RevisionLog]:
        """The newest lines, oldest first."""
        query = select(RevisionLog).where(RevisionLog.revision_id.in_(revision_ids), RevisionLog.kind == kind)
        found = (await self._session.scalars(query.order_by(RevisionLog.id.desc()).limit(lines))).all()
        return found[::-1]

    async def clear(self, revision_id: uuid.UUID, kind: LogKind) -> None:
        await self._session.execute(
            delete(RevisionLog).where(RevisionLog.revision_id == revision_id, RevisionLog.kind == kind)
        )


class LogBook:
    """Takes lines at once and from any thread; `writing` brings them to the database."""

    def __init__(self, most_lines: int) -> None:
        self._most = most_lines
        self._waiting: deque[tuple[uuid.UUID, LogKind, float, str, str, str]] = deque(maxlen=WAITING_LINES)
        self._since_trim: Counter[tuple[uuid.UUID, LogKind]] = Counter()
        self._writing = asyncio.Lock()

    def note(self, revision_id: uuid.UUID, kind: LogKind, stream: str, line: str, request: str = "") -> None:
        """A line, without its end. A long one is cut."""
        text = line.replace("\x00", "\ufffd")[:LINE_CHARACTERS]
        self._waiting.append((revision_id, kind, time.time(), stream[:8], text, request[:64]))

    def builder(self, revision_id: uuid.UUID) -> Callable[[str], None]:
        """Takes lines of a build."""
        return lambda line: self.note(revision_id, LogKind.build, "build", line)

    def runner(self, revision_id: uuid.UUID, kind: LogKind = LogKind.run) -> LogLine:
        """Takes what a model prints; while it is tried that is part of its build."""
        return lambda stream, line, request_id: self.note(revision_id, kind, stream, line, request_id)

    async def write(self, runtime: Runtime) -> None:
        """Bring to the database what waits, and wake those who follow."""
        async with self._writing:
            lines = self._taken(runtime.clock.now())
            if not lines:
                return
            counted = Counter((line.revision_id, line.kind) for line in lines)
            self._since_trim += counted
            full = [of for of, count in self._since_trim.items() if count >= TRIM_EVERY]
            # A revision that is deleted in this very moment takes its lines along.
            with contextlib.suppress(IntegrityError):
                async with runtime.db.transaction() as session:
                    logs = LogRepository(session)
                    await logs.add(lines)
                    for revision_id, kind in full:
                        await logs.trim(revision_id, kind, self._most)
            for of in full:
                del self._since_trim[of]
            runtime.signals.announce([Change(revision_id) for revision_id, _ in counted])

    async def keep_writing(self, runtime: Runtime) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(WRITE_SECONDS)
            try:
                await self.write(runtime)
            except DatabaseUnavailable:
                log.warning("lines of models were lost, the database does not answer")

    async def write_last(self, runtime: Runtime) -> None:
        """As the process ends. A database that is away must not keep it from that."""
        with contextlib.suppress(DatabaseUnavailable):
            await self.write(runtime)

    def _taken(self, now: datetime) -> list[Line]:
        """What waits. Times are the runtime's clock less the age of the line."""
        lines, at = [], time.time()
        while self._waiting:
            revision_id, kind, then, stream, text, request = self._waiting.popleft()
            age = max(0.0, at - then)
            moment = datetime.fromtimestamp(now.timestamp() - age, tz=now.tzinfo)
            lines.append(Line(revision_id, kind, moment, stream, request or None, text))
        return lines


async def follow(
    runtime: Runtime, revision_id: uuid.UUID, kind: LogKind, tail: int, over: Callable[[], Awaitable[bool]]
) -> AsyncIterator[RevisionLog]:
    """The last lines, then each as it comes, until `over` says so and all are told."""
    with runtime.signals.subscribe(revision_id) as subscription:
        async with runtime.db.reading() as session:
            found = await LogRepository(session).tail([revision_id], kind, tail)
        last = 0
        while True:
            for line in found:
                last = line.id
                yield line
            ended = await over()
            async with runtime.db.reading() as session:
                found = await LogRepository(session).after([revision_id], kind, last)
            if found:
                continue
            if ended or runtime.stopping.is_set():
                return
            await subscription.wait(5)
