"""Routes for answers that come later. Every host has them, as it has those for jobs."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response

from stentor_common.errors import Conflict
from stentor_common.jobs.answer import completed
from stentor_common.jobs.deferred import Whole, polled
from stentor_common.jobs.repository import JobRepository
from stentor_common.jobs.results import result_of
from stentor_common.jobs.table import Job
from stentor_common.requests import ReaderDep, RuntimeDep
from stentor_common.runtime import Runtime

router = APIRouter(prefix="/v1", tags=["deferred answers"])


async def get_answers(request: Request) -> Mapping[str, Whole]:
    """By job kind, as the services of this process give them."""
    return {kind: whole for service in request.app.state.services for kind, whole in service.answers.items()}


@router.get("/requests/{request_id}", responses={202: {"description": "It waits or runs"}})
async def poll_request(request_id: str, request: Request, runtime: RuntimeDep, caller: ReaderDep) -> Response:
    """State of a request that was sent with `X-OctoAI-Async: 1`: 202 while it is `pending` or `running`, 200
    and a `response_url` once it is `completed`, or has failed."""
    async with runtime.db.reading() as session:
        return polled(request, await JobRepository(session).get(request_id, caller))


@router.get("/responses/{response_id}")
async def read_response(
    response_id: str,
    runtime: RuntimeDep,
    caller: ReaderDep,
    answers: Annotated[Mapping[str, Whole], Depends(get_answers)],
) -> Response:
    """What the caller would have got who waits: the same JSON, or the same error; 409 while there is none."""
    async with runtime.db.reading() as session:
        job = await JobRepository(session).get(response_id, caller)
    if job.active:
        raise Conflict(f"request {job.id} is {job.state}: poll /v1/requests/{job.id} until it is completed")
    whole = answers.get(job.kind, _result)
    return JSONResponse(await whole(runtime, completed(job)))


async def _result(runtime: Runtime, job: Job) -> Any:
    """Kinds of jobs whose result is the answer."""
    return await result_of(runtime.store, job)
