"""Routes for webhooks of jobs of any kind: the log of deliveries, and the secrets that sign them."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from stentor_common.auth import Caller, Scope
from stentor_common.errors import Conflict, NotFound
from stentor_common.jobs.repository import JobRepository
from stentor_common.requests import ReaderDep, RuntimeDep, VisitorDep, WriterDep
from stentor_common.runtime import Runtime
from stentor_common.webhooks.intake import opened
from stentor_common.webhooks.repository import SecretRepository, WebhookRepository
from stentor_common.webhooks.schemas import (
    SecretList,
    SecretMade,
    WebhookList,
    WebhookView,
    secret_view,
    webhook_view,
)
from stentor_common.webhooks.signing import make_secret

router = APIRouter(prefix="/v1", tags=["webhooks"])


async def get_owner(caller: VisitorDep) -> Caller:
    """Somebody with an account, and with the right to change it."""
    caller.need_user()
    caller.need(Scope.account)
    return caller


OwnerDep = Annotated[Caller, Depends(get_owner)]


@router.get("/jobs/{job_id}/webhooks")
async def read_deliveries(job_id: str, runtime: RuntimeDep, caller: ReaderDep) -> WebhookList:
    """Whether the end of a job was told as asked for, with every attempt."""
    async with runtime.db.reading() as session:
        job = await JobRepository(session).get(job_id, caller)
        found = await WebhookRepository(session).of(job.id)
    return WebhookList(object="list", data=[webhook_view(found, opened(runtime, found))] if found else [])


@router.post("/jobs/{job_id}/webhooks/redeliver", status_code=202)
async def redeliver(job_id: str, runtime: RuntimeDep, caller: WriterDep) -> WebhookView:
    """Send the webhook of a job again, with the same `webhook-id` and as many attempts as at first."""
    return await _sent_again(runtime, caller, job_id)


@router.post("/webhooks/secrets", status_code=201)
async def make(runtime: RuntimeDep, caller: OwnerDep, response: Response) -> SecretMade:
    """Make a secret that signs your webhooks. There may be two: make the new one, give it to your receivers,
    delete the old one; meanwhile every webhook bears a signature by each."""
    response.headers["Cache-Control"] = "no-store"
    secret = make_secret()
    async with runtime.begin() as work:
        made = await SecretRepository(work.session).add(
            caller.need_user(), runtime.sealer.seal(secret), runtime.clock.now()
        )
    return SecretMade(**secret_view(made).model_dump(), secret=secret)


@router.get("/webhooks/secrets")
async def list_secrets(runtime: RuntimeDep, caller: OwnerDep) -> SecretList:
    """Your secrets, without their text."""
    async with runtime.db.reading() as session:
        found = await SecretRepository(session).live(caller.need_user())
    return SecretList(object="list", data=[secret_view(secret) for secret in found])


@router.delete("/webhooks/secrets/{secret_id}", status_code=204, response_class=Response)
async def delete_secret(secret_id: str, runtime: RuntimeDep, caller: OwnerDep) -> None:
    """Sign with this secret no longer."""
    async with runtime.begin() as work:
        await SecretRepository(work.session).remove(caller.need_user(), secret_id)


async def _sent_again(runtime: Runtime, caller: Caller, job_id: str) -> WebhookView:
    async with runtime.begin() as work:
        job = await JobRepository(work.session).get(job_id, caller)
        webhooks = WebhookRepository(work.session)
        webhook = await webhooks.of(job.id)
        if webhook is None:
            raise NotFound(f"job {job.id} was made without a webhook")
        if job.active:
            raise Conflict(f"job {job.id} is {job.state}; its webhook is sent when it is over")
        if not await webhooks.redeliver(job.id, runtime.clock.now()):
            raise Conflict(f"the webhook of job {job.id} is being sent right now")
        await work.session.refresh(webhook)
        work.announce(job.id, ended=True)
    return webhook_view(webhook, opened(runtime, webhook))
