"""Webhooks: whoever asks for it is told of the end of a job, whatever ends it and whoever dies meanwhile."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from standardwebhooks.webhooks import Webhook as Verifier
from standardwebhooks.webhooks import WebhookVerificationError

from stentor_common.auth import Caller
from stentor_common.clock import ManualClock
from stentor_common.errors import AppError, Unauthenticated
from stentor_common.jobs.cancel import cancel
from stentor_common.jobs.leases import LeaseRepository, Outcome
from stentor_common.jobs.repository import JobRepository
from stentor_common.jobs.run import JobRun
from stentor_common.jobs.submit import submit
from stentor_common.jobs.table import Job, JobState
from stentor_common.runtime import Runtime
from stentor_common.serve import background
from stentor_common.service import Service
from stentor_common.sweep import expire_jobs, recover, sweep_jobs
from stentor_common.testing import eventually, new_job
from stentor_common.testing_receiver import LOOPBACK, Received, Receiver, receiver
from stentor_common.webhooks import Callback, CallbackStyle
from stentor_common.webhooks.delivery import PER_OWNER, Deliverer
from stentor_common.webhooks.repository import Ended, SecretRepository, WebhookRepository
from stentor_common.webhooks.schedule import DELAYS, LONGEST_WAIT, MOST_TRIES, SPREAD, next_try
from stentor_common.webhooks.signing import make_secret
from stentor_common.webhooks.table import Webhook, WebhookSecret, WebhookState

OWNER = Caller("203.0.113.9", uuid.UUID(int=7))
OTHER = Caller("203.0.113.9", uuid.UUID(int=8))
ALLOWED = {"webhook_allowed": LOOPBACK, "webhook_seconds": 5}

BRIEF = pytest.mark.parametrize("changed_settings", [{**ALLOWED, "webhook_seconds": 0.1}])
CLAIM = timedelta(seconds=30)
PUBLIC_ONLY = pytest.mark.parametrize("changed_settings", [{}])


async def _never(_runtime: Runtime, _run: JobRun) -> dict[str, Any]:
    raise AssertionError("no worker runs here")


async def _told(_runtime: Runtime, job: Job) -> dict[str, Any]:
    return {"ended": str(job.id), "how": job.state}


SERVICE = Service(
    "test",
    handlers={"test.work": _never},
    callbacks={"vendor": CallbackStyle(_told, stops_at=range(400, 500))},
)


@pytest.fixture
def changed_settings() -> dict[str, Any]:
    return ALLOWED


@pytest.fixture
async def server() -> AsyncIterator[Receiver]:
    async with receiver() as made:
        yield made


@pytest.fixture
async def secret(runtime: Runtime) -> str:
    """The owner's only one."""
    return await keep_secret(runtime)


@pytest.fixture
async def process(runtime: Runtime, secret: str) -> AsyncIterator[None]:
    async with background(runtime, [SERVICE]):
        yield


async def keep_secret(runtime: Runtime, caller: Caller = OWNER) -> str:
    made = make_secret()
    async with runtime.begin() as work:
        secrets = SecretRepository(work.session)
        await secrets.add(caller.need_user(), runtime.sealer.seal(made), runtime.clock.now())
    return made


async def submitted(runtime: Runtime, callback: Callback, caller: Caller = OWNER) -> uuid.UUID:
    async with runtime.begin() as work:
        job, _ = await submit(runtime, work, caller, new_job(callback=callback))
    return job.id


async def ended(runtime: Runtime, job_id: uuid.UUID, state: JobState = JobState.completed) -> None:
    async with runtime.begin() as work:
        leases = LeaseRepository(work.session)
        lease = await leases.take(job_id, runtime.clock.now(), timedelta(minutes=1))
        assert lease
        code = "audio_empty" if state == JobState.failed else None
        await leases.finish(lease, Outcome(state, error_code=code), runtime.clock.now())
        work.announce(job_id, ended=True)


async def finished(runtime: Runtime, url: str, caller: Caller = OWNER, **asked: Any) -> uuid.UUID:
    """A job that is over, and was not told of yet."""
    job_id = await submitted(runtime, Callback(url, **asked), caller)
    await ended(runtime, job_id)
    return job_id


async def kept(runtime: Runtime, job_id: uuid.UUID) -> Webhook | None:
    async with runtime.db.reading() as session:
        return await WebhookRepository(session).of(job_id)


async def reaches(runtime: Runtime, job_id: uuid.UUID, state: WebhookState) -> Webhook:
    async def there() -> Webhook | None:
        found = await kept(runtime, job_id)
        return found if found and found.state == state else None

    found = await eventually(there)
    assert found
    return found


async def tried(runtime: Runtime, job_id: uuid.UUID, times: int) -> Webhook:
    async def often_enough() -> Webhook | None:
        found = await kept(runtime, job_id)
        return found if found and len(found.attempts) == times else None

    found = await eventually(often_enough)
    assert found
    return found


async def arrived(server: Receiver, number: int = 1) -> Received:
    async def there() -> bool:
        return len(server.received) >= number

    await eventually(there)
    return server.received[number - 1]


async def by_a_worker(runtime: Runtime, job_id: uuid.UUID) -> None:
    await ended(runtime, job_id)


async def by_a_failure(runtime: Runtime, job_id: uuid.UUID) -> None:
    await ended(runtime, job_id, JobState.failed)


async def by_its_owner(runtime: Runtime, job_id: uuid.UUID) -> None:
    await cancel(runtime, OWNER, str(job_id))


async def by_the_sweeper(runtime: Runtime, job_id: uuid.UUID) -> None:
    for ago in range(runtime.settings.max_attempts, 0, -1):
        async with runtime.begin() as work:
            past = runtime.clock.now() - timedelta(minutes=ago)
            assert await LeaseRepository(work.session).take(job_id, past, timedelta(seconds=1))
    await sweep_jobs(runtime)


@pytest.mark.parametrize(
    ("end", "told"),
    [
        (by_a_worker, "completed"),
        (by_a_failure, "failed"),
        (by_its_owner, "cancelled"),
        (by_the_sweeper, "failed"),
    ],
)
async def test_every_end_of_a_job_is_told(
    runtime: Runtime,
    process: None,
    secret: str,
    server: Receiver,
    end: Callable[[Runtime, uuid.UUID], Awaitable[None]],
    told: str,
) -> None:
    job_id = await submitted(runtime, Callback(f"{server.url}/hook?from=us"))
    await end(runtime, job_id)
    message = await arrived(server)
    assert (message.method, message.path) == ("POST", "/hook?from=us")
    assert message.headers["content-type"] == "application/json"
    body = Verifier(secret).verify(message.body, dict(message.headers))
    assert body["type"] == f"job.{told}"
    assert body["data"]["id"] == str(job_id)
    assert body["data"]["status"] == told
    assert body["data"]["links"] == {"self": f"/v1/jobs/{job_id}"}
    webhook = await reaches(runtime, job_id, WebhookState.delivered)
    assert [attempt["status_code"] for attempt in webhook.attempts] == [200]
    assert len(server.received) == 1


async def test_nothing_is_sent_before_the_end(runtime: Runtime, secret: str, server: Receiver) -> None:
    job_id = await submitted(runtime, Callback(server.url))
    deliverer = Deliverer(runtime, SERVICE)
    await deliverer.deliver()
    await deliverer.close()
    assert (await kept(runtime, job_id)).attempts == []  # type: ignore[union-attr]
    assert server.received == []


async def test_two_secrets_sign_both_and_a_deleted_one_no_more(
    runtime: Runtime, process: None, secret: str, server: Receiver, clock: ManualClock
) -> None:
    clock.advance(seconds=1)
    newer = await keep_secret(runtime)
    await finished(runtime, server.url)
    message = await arrived(server)
    for each in (secret, newer):
        Verifier(each).verify(message.body, dict(message.headers))
    async with runtime.begin() as work:
        secrets = SecretRepository(work.session)
        oldest = (await secrets.live(OWNER.need_user()))[-1]
        await secrets.remove(OWNER.need_user(), str(oldest.id))
    await finished(runtime, server.url)
    message = await arrived(server, 2)
    Verifier(newer).verify(message.body, dict(message.headers))
    with pytest.raises(WebhookVerificationError):
        Verifier(secret).verify(message.body, dict(message.headers))


async def test_neither_secrets_nor_targets_can_be_read_in_the_database(
    runtime: Runtime, secret: str, server: Receiver
) -> None:
    await submitted(runtime, Callback(f"{server.url}/?key=hidden", headers={"X-Key": "hidden too"}))
    async with runtime.db.reading() as session:
        target = await session.scalar(select(Webhook.target))
        sealed = await session.scalar(select(WebhookSecret.sealed))
    assert target is not None
    assert sealed is not None
    assert "hidden" not in target
    assert secret.removeprefix("whsec_") not in sealed
    assert runtime.sealer.open(sealed) == secret


async def test_what_is_not_taken_is_tried_again_when_its_time_has_come(
    runtime: Runtime, process: None, server: Receiver, clock: ManualClock
) -> None:
    server.answers = ["500 Oops", "404 Not Found", "302 Found\r\nLocation: /elsewhere"]
    job_id = await finished(runtime, server.url)
    for number, delay in enumerate(DELAYS[:3], 1):
        webhook = await tried(runtime, job_id, number)
        assert webhook.state == WebhookState.pending
        wait = (webhook.next_at - clock.now()).total_seconds()
        assert delay <= wait <= delay * (1 + SPREAD)
        clock.advance(seconds=wait)
    webhook = await reaches(runtime, job_id, WebhookState.delivered)
    assert [attempt["status_code"] for attempt in webhook.attempts] == [500, 404, 302, 200]
    assert [message.path for message in server.received] == ["/"] * 4
    assert len({message.headers["webhook-id"] for message in server.received}) == 1
    assert len({message.body for message in server.received}) == 1


async def test_a_receiver_may_ask_for_more_patience(
    runtime: Runtime, process: None, server: Receiver, clock: ManualClock
) -> None:
    server.answers = ["503 Busy\r\nRetry-After: 900"]
    webhook = await tried(runtime, await finished(runtime, server.url), 1)
    assert webhook.next_at - clock.now() == timedelta(seconds=900)


@pytest.mark.parametrize(
    ("style", "answer"), [("standard", "410 Gone"), ("vendor", "404 Not Found"), ("vendor", "410 Gone")]
)
async def test_an_answer_that_says_stop_is_heeded(
    runtime: Runtime, process: None, server: Receiver, style: str, answer: str
) -> None:
    server.answers = [answer]
    job_id = await finished(runtime, server.url, style=style)
    webhook = await reaches(runtime, job_id, WebhookState.failed)
    assert [attempt["status_code"] for attempt in webhook.attempts] == [int(answer[:3])]


async def test_after_the_last_attempt_it_is_given_up(
    runtime: Runtime, process: None, server: Receiver, clock: ManualClock
) -> None:
    server.answers = ["500 Oops"] * MOST_TRIES
    job_id = await finished(runtime, server.url)
    for number in range(1, MOST_TRIES):
        webhook = await tried(runtime, job_id, number)
        clock.advance(seconds=(webhook.next_at - clock.now()).total_seconds())
    webhook = await reaches(runtime, job_id, WebhookState.failed)
    assert len(webhook.attempts) == len(server.received) == MOST_TRIES


@BRIEF
async def test_a_receiver_that_says_nothing_is_not_waited_for(
    runtime: Runtime, process: None, server: Receiver
) -> None:
    server.answers = [""]
    webhook = await tried(runtime, await finished(runtime, server.url), 1)
    assert webhook.attempts[0]["error"] == "there was no answer within 0.1 seconds"
    assert webhook.state == WebhookState.pending


async def test_a_port_where_nobody_listens_is_tried_again(
    runtime: Runtime, process: None, unused_tcp_port: int
) -> None:
    webhook = await tried(runtime, await finished(runtime, f"http://127.0.0.1:{unused_tcp_port}"), 1)
    assert "cannot be reached" in webhook.attempts[0]["error"]
    assert webhook.state == WebhookState.pending


@PUBLIC_ONLY
async def test_a_name_that_leads_inside_is_refused_without_saying_what_is_there(
    runtime: Runtime, process: None
) -> None:
    job_id = await finished(runtime, "http://localhost:8080/admin")
    webhook = await reaches(runtime, job_id, WebhookState.failed)
    [attempt] = webhook.attempts
    assert attempt["error"] == "the URL leads to an address that is not public"
    assert attempt["status_code"] is None


@PUBLIC_ONLY
@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"url": "ftp://example.com/"}, "http:// or https://"),
        ({"url": "example.com/hook"}, "http:// or https://"),
        ({"url": "https://user:pass@example.com/"}, "user name"),
        ({"url": "https://127.0.0.1/"}, "not public"),
        ({"url": "http://[::ffff:10.0.0.1]/"}, "not public"),
        ({"url": "http://169.254.169.254/latest"}, "not public"),
        ({"url": "https://example.com:25/"}, "port 80 or 443 or 8080 or 8443"),
        ({"url": "http://a\r\nb/"}, "cannot be read"),
        ({"url": "https://example.com/" + "x" * 2048}, "2048 characters"),
        ({"method": "DELETE"}, "POST or PUT"),
        ({"headers": {"Host": "inside"}}, "'Host' cannot be sent"),
        ({"headers": {"Webhook-Signature": "v1,x"}}, "cannot be sent"),
        ({"headers": {"X-A: b\r\nX-B": "c"}}, "cannot be sent"),
        ({"headers": {"X-A": "b\r\nX-B: c"}}, "without line breaks"),
        ({"headers": {f"X-{number}": "x" for number in range(11)}}, "at most 10"),
    ],
)
async def test_what_is_plainly_wrong_is_refused_at_once(
    runtime: Runtime, secret: str, asked: dict[str, Any], said: str
) -> None:
    with pytest.raises(AppError, match=said) as refused:
        await submitted(runtime, Callback(**{"url": "https://example.com/", **asked}))
    assert (refused.value.status, refused.value.param) == (400, "webhook_url")
    async with runtime.db.reading() as session:
        assert await session.scalar(select(Job)) is None


async def test_webhooks_are_for_those_with_an_account(runtime: Runtime, server: Receiver) -> None:
    with pytest.raises(Unauthenticated, match="needs an account"):
        await submitted(runtime, Callback(server.url), Caller("203.0.113.9"))


async def test_without_a_secret_to_sign_with_it_is_refused_at_once(
    runtime: Runtime, server: Receiver
) -> None:
    with pytest.raises(AppError, match="POST /v1/webhooks/secrets"):
        await submitted(runtime, Callback(server.url))


async def test_a_contract_whose_clients_know_no_signatures_needs_no_secret(
    runtime: Runtime, server: Receiver
) -> None:
    async with background(runtime, [SERVICE]):
        job_id = await finished(
            runtime, server.url, style="vendor", method="PUT", headers={"X-Key": "a b"}, signed=False
        )
        message = await arrived(server)
    assert message.method == "PUT"
    assert message.json == {"ended": str(job_id), "how": "completed"}
    assert message.headers["x-key"] == "a b"
    assert not any(name.startswith("webhook-") for name in message.headers)


async def test_two_processes_do_not_send_the_same_at_a_time(
    runtime: Runtime, secret: str, server: Receiver
) -> None:
    for _ in range(3):
        await finished(runtime, server.url)
    processes = [Deliverer(runtime, SERVICE) for _ in range(3)]
    await asyncio.gather(*(each.deliver() for each in processes))
    for each in processes:
        await each.close()
    assert len(server.received) == 3
    assert len({message.body for message in server.received}) == 3


async def test_what_a_killed_process_was_sending_is_sent_by_another(
    runtime: Runtime, process: None, server: Receiver, clock: ManualClock
) -> None:
    job_id = await submitted(runtime, Callback(server.url))
    async with runtime.begin() as work:
        assert await WebhookRepository(work.session).claim(job_id, clock.now(), CLAIM)
    await ended(runtime, job_id)
    assert server.received == []
    clock.advance(seconds=CLAIM.total_seconds())
    await reaches(runtime, job_id, WebhookState.delivered)


async def test_after_a_restart_of_the_only_process_nothing_waits_for_the_dead_one(
    runtime: Runtime, secret: str, server: Receiver, clock: ManualClock
) -> None:
    job_id = await finished(runtime, server.url)
    async with runtime.begin() as work:
        assert await WebhookRepository(work.session).claim(job_id, clock.now(), CLAIM)
    await recover(runtime)
    async with background(runtime, [SERVICE]):
        await reaches(runtime, job_id, WebhookState.delivered)


async def test_an_outcome_that_comes_after_its_claim_has_ended_changes_nothing(
    runtime: Runtime, process: None, server: Receiver, clock: ManualClock
) -> None:
    job_id = await submitted(runtime, Callback(server.url))
    async with runtime.begin() as work:
        stale = await WebhookRepository(work.session).claim(job_id, clock.now(), CLAIM)
    await ended(runtime, job_id)
    clock.advance(seconds=CLAIM.total_seconds())
    now = await reaches(runtime, job_id, WebhookState.delivered)
    assert stale
    async with runtime.begin() as work:
        late = Ended(WebhookState.failed, clock.now(), {"error": "too late"})
        assert not await WebhookRepository(work.session).record(stale, late)
    after = await kept(runtime, job_id)
    assert after
    assert (after.state, after.attempts) == (now.state, now.attempts)


async def test_the_slow_server_of_one_owner_does_not_keep_another_waiting(
    runtime: Runtime, secret: str, server: Receiver
) -> None:
    await keep_secret(runtime, OTHER)
    async with receiver() as slow:
        slow.answers = [""] * 40
        for _ in range(20):
            await finished(runtime, slow.url)
        async with background(runtime, [SERVICE]):
            await arrived(slow, PER_OWNER)
            job_id = await finished(runtime, server.url, OTHER)
            await reaches(runtime, job_id, WebhookState.delivered)
            assert len(slow.received) == PER_OWNER


async def test_a_webhook_goes_with_its_job(
    runtime: Runtime, secret: str, server: Receiver, clock: ManualClock
) -> None:
    deleted = await submitted(runtime, Callback(server.url))
    expired = await finished(runtime, server.url)
    async with runtime.begin() as work:
        jobs = JobRepository(work.session)
        await jobs.delete(await jobs.get(str(deleted), OWNER))
    clock.advance(days=8)
    await expire_jobs(runtime)
    assert await kept(runtime, deleted) is None
    assert await kept(runtime, expired) is None


async def test_a_request_that_is_sent_twice_tells_once(
    runtime: Runtime, process: None, server: Receiver
) -> None:
    wish = {"callback": Callback(server.url), "idempotency_key": "k", "fingerprint": "f"}
    for _ in range(2):
        async with runtime.begin() as work:
            job, _ = await submit(runtime, work, OWNER, new_job(**wish))
    await ended(runtime, job.id)
    await reaches(runtime, job.id, WebhookState.delivered)
    assert len(server.received) == 1


async def test_attempts_are_counted_for_the_operator(
    runtime: Runtime, process: None, server: Receiver
) -> None:
    await reaches(runtime, await finished(runtime, server.url), WebhookState.delivered)

    async def counted() -> bool:
        labels = {"style": "standard", "state": "delivered"}
        return runtime.metrics.registry.get_sample_value("stentor_webhook_attempts_total", labels) == 1

    await eventually(counted)


async def test_the_key_of_an_embedded_installation_is_for_its_user_alone(
    runtime: Runtime, secret: str
) -> None:
    path = Path(runtime.settings.data_dir) / "keys" / "secret.key"
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("header", ["", "soon", "-5", "²", "0", "Thu, 01 Jan 1970 00:00:00 GMT"])
def test_a_wish_for_patience_that_makes_no_sense_changes_nothing(clock: ManualClock, header: str) -> None:
    assert next_try(1, uuid.UUID(int=0), clock.now(), retry_after=header) == clock.now() + timedelta(
        seconds=DELAYS[0]
    )


def test_patience_has_an_end(clock: ManualClock) -> None:
    job = uuid.UUID(int=0)
    assert next_try(1, job, clock.now(), retry_after="99999999999") == clock.now() + LONGEST_WAIT
    assert next_try(MOST_TRIES, job, clock.now()) is None
    assert timedelta(hours=20) < sum((timedelta(seconds=delay) for delay in DELAYS), timedelta())


def test_those_who_failed_together_do_not_come_back_together(clock: ManualClock) -> None:
    times = {next_try(3, uuid.UUID(int=number), clock.now()) for number in range(100)}
    assert len(times) == 100
