"""A caller's own jobs of one kind, page by page, newest first."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Query

from stentor_common.auth import Caller
from stentor_common.jobs.repository import JobRepository
from stentor_common.jobs.table import Job, JobState
from stentor_common.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Paging:
    """What a request for a list says."""

    limit: Annotated[int, Query(ge=1, le=100)] = 20
    after: str | None = None
    status: JobState | None = None


PagingDep = Annotated[Paging, Depends()]


@dataclass(frozen=True, slots=True)
class Page:
    jobs: Sequence[Job]
    has_more: bool
    next_after: uuid.UUID | None
    """To be asked for as `after`."""


async def own_jobs(runtime: Runtime, caller: Caller, kind: str, paging: Paging) -> Page:
    """Raises Unauthenticated for an anonymous caller, NotFound for an `after` that is no job of theirs."""
    caller.need_user()
    async with runtime.db.reading() as session:
        jobs = JobRepository(session)
        last = await jobs.get(paging.after, caller, kind=kind) if paging.after else None
        found = await jobs.listed(caller, kind, limit=paging.limit + 1, after=last, state=paging.status)
    page, more = found[: paging.limit], len(found) > paging.limit
    return Page(page, more, page[-1].id if more else None)
