"""Routes for answers that come later. Every host has them, as it has those for jobs."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response

from stentor_common.auth import Caller
from stentor_common.desk import DeskAnswer, ask, caller_of, caller_to_json
from stentor_common.errors import Conflict
from stentor_common.jobs.answer import completed
from stentor_common.jobs.deferred import Whole, polled
from stentor_common.jobs.repository import JobRepository
from stentor_common.jobs.results import result_of
from stentor_common.jobs.table import Job
from stentor_common.queue import NoAnswer
from stentor_common.requests import ReaderDep, RuntimeDep
from stentor_common.runtime import Runtime

router = APIRouter(prefix="/v1", tags=["deferred answers"])

ANSWER = "deferred_answer"
"""A question at the desk of the service that has words for a job."""


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
    done = completed(job)
    if job.kind in answers:
        return JSONResponse(await answers[job.kind](runtime, done))
    return JSONResponse(await _told_elsewhere(runtime, caller, done))


async def _told_elsewhere(runtime: Runtime, caller: Caller, job: Job) -> Any:
    """In the words of the service whose kind it is; of kinds that no service has words for, the result."""
    given = {"caller": caller_to_json(caller), "job_id": str(job.id)}
    try:
        return (await ask(runtime, job.kind.partition(".")[0], ANSWER, **given))["answer"]
    except NoAnswer:
        return await result_of(runtime.store, job)


def desk(answers: Mapping[str, Whole]) -> dict[str, DeskAnswer]:
    """What a service answers to others about its jobs, if these are asked for here."""

    async def answer(runtime: Runtime, given: Mapping[str, Any]) -> Mapping[str, Any]:
        async with runtime.db.reading() as session:
            job = await JobRepository(session).get(given["job_id"], caller_of(given["caller"]))
        return {"answer": await answers[job.kind](runtime, completed(job))}

    return {ANSWER: answer}
