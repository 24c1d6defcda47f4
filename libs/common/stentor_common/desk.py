"""What services ask of each other, over the broker: no service imports another, and all may be one process.

Any process of a service answers, with or without its models.
"""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import structlog

from stentor_common.auth import Caller, Scope
from stentor_common.carried_errors import as_raised, told
from stentor_common.errors import AppError
from stentor_common.queue import QueueUnavailable

if TYPE_CHECKING:
    from stentor_common.runtime import Runtime
    from stentor_common.service import Service

DeskAnswer = Callable[["Runtime", Mapping[str, Any]], Awaitable[Mapping[str, Any]]]
"""Answers one question, JSON in and out. What it raises as AppError is raised where it was asked."""

PATIENCE_SECONDS = 30
AT_ONCE = 32
RECONNECT_SECONDS = 2

log = structlog.get_logger()


async def ask(runtime: "Runtime", service: str, question: str, **given: Any) -> dict[str, Any]:
    """What another service answers. Raises what that refused it for, NoAnswer and QueueUnavailable."""
    asked = json.dumps({"question": question, "given": given}).encode()
    reply = json.loads(await runtime.questions.ask(queue_of(service), asked, PATIENCE_SECONDS))
    if "refused" in reply:
        raise as_raised(reply["refused"], {})
    answer: dict[str, Any] = reply["answer"]
    return answer


@asynccontextmanager
async def attended(runtime: "Runtime", services: Sequence["Service"]) -> AsyncIterator[None]:
    """Within the block the questions to these services are answered."""
    tasks = [
        asyncio.create_task(_attend(runtime, service), name=f"desk {service.name}")
        for service in services
        if service.desk
    ]
    try:
        # In one process the desks are open once the tasks have begun.
        await asyncio.sleep(0)
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def caller_to_json(caller: Caller) -> dict[str, Any]:
    """For questions that are asked on behalf of somebody."""
    return {
        "address": caller.address,
        "user_id": str(caller.user_id) if caller.user_id else None,
        "token_id": str(caller.token_id) if caller.token_id else None,
        "scopes": sorted(caller.scopes),
        "on_behalf": caller.on_behalf,
    }


def caller_of(said: Mapping[str, Any]) -> Caller:
    user, token = (uuid.UUID(said[name]) if said[name] else None for name in ("user_id", "token_id"))
    return Caller(said["address"], user, token, frozenset(map(Scope, said["scopes"])), said["on_behalf"])


def queue_of(service: str) -> str:
    return f"desk.{service}"


async def _attend(runtime: "Runtime", service: "Service") -> None:
    async def answer(question: bytes) -> bytes:
        asked = json.loads(question)
        try:
            reply = {"answer": await service.desk[asked["question"]](runtime, asked["given"])}
        except AppError as error:
            reply = {"refused": told(error)}
        return json.dumps(reply).encode()

    while True:
        try:
            await runtime.questions.answer(queue_of(service.name), answer, AT_ONCE)
        except QueueUnavailable as error:
            log.warning("the desk is closed for a moment", service=service.name, reason=error.message)
        await asyncio.sleep(RECONNECT_SECONDS)
