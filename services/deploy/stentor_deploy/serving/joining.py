"""Calls joined into one: whatever waits when the model is free, and nobody waits for a batch to fill."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from stentor_common.errors import AppError
from stentor_deploy.errors import ModelLost, ModelTooSlow, TooManyWaiting
from stentor_deploy.running import Outcome, Payload, PayloadKind
from stentor_deploy.serving.calls import Asked
from stentor_deploy.serving.turns import Turn, Turns

MOST_TRIES = 3
SHARE_OF_TIME = 0.25
"""A batch is to take no more of the longest time of a call, as far as those before it tell."""


@dataclass(eq=False, slots=True)
class Member:
    """A call that waits to be joined with others."""

    payload: Payload
    request_id: str
    answer: asyncio.Future[Payload]
    alone: bool = False
    """The replica ended when it did this call with others."""
    tries: int = 0


def joinable(asked: Asked) -> bool:
    """Whether the input is a list, as far as its first character says: the model is sent lists joined."""
    payload = asked.payload
    return (
        asked.method == "predict" and payload.kind is PayloadKind.json and payload.body.lstrip()[:1] == b"["
    )


@dataclass(frozen=True, slots=True)
class BatchLimits:
    calls: int
    bytes: int
    """Of inputs together; one is always taken, however large."""
    waiting: int
    """Calls; further ones are refused."""


class Joiner:
    """Gathers calls of one revision until there is a turn, and gives each its own answer."""

    def __init__(self, turns: Turns, limits: BatchLimits, note: Callable[[int, Outcome], None]) -> None:
        """`note` is told how many calls were done at once, and how one of them ended."""
        self._turns, self._limits, self._note = turns, limits, note
        self._waiting: deque[Member] = deque()
        self._joining: asyncio.Task[None] | None = None
        self._each: float | None = None
        """Seconds that each call of a batch took, lately; None until one has ended."""
        self._running: set[asyncio.Task[None]] = set()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    async def ask(self, asked: Asked, *, wait_seconds: float, seconds: float) -> Payload:
        """The answer to one call. `seconds` is what the model is given for a batch. Raises what a replica
        does, TooManyWaiting, and what `Turns.refuse` is given."""
        if len(self._waiting) >= self._limits.waiting:
            raise TooManyWaiting(
                f"{self._limits.waiting} calls wait for this model already; try again in a moment, or have "
                "the call queued"
            )
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Payload] = loop.create_future()
        timer = loop.call_later(wait_seconds, _late, answer, wait_seconds)
        self._enter(Member(asked.payload, asked.request_id, answer), seconds)
        try:
            return await answer
        finally:
            timer.cancel()

    async def close(self) -> None:
        """Calls that have no answer yet get none."""
        tasks = [*self._running, *([self._joining] if self._joining else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _enter(self, member: Member, seconds: float, *, first: bool = False) -> None:
        if first:
            self._waiting.appendleft(member)
        else:
            self._waiting.append(member)
        if self._joining is None:
            # Begins after all calls that are there already have entered.
            self._joining = asyncio.create_task(self._join(seconds))

    async def _join(self, seconds: float) -> None:
        try:
            while self._waiting:
                turn = await self._turns.take(None)
                if members := self._take(seconds):
                    task = asyncio.create_task(self._run(turn, members, seconds))
                    self._running.add(task)
                    task.add_done_callback(self._running.discard)
                else:
                    self._turns.end(turn)
        except AppError as error:
            while self._waiting:
                _fail(self._waiting.popleft(), error)
        finally:
            self._joining = None

    def _take(self, seconds: float) -> list[Member]:
        """The next batch, of those that somebody still waits for."""
        taken: list[Member] = []
        left, most = self._limits.bytes, min(self._limits.calls, self._fitting(seconds))
        while self._waiting and len(taken) < most:
            member = self._waiting[0]
            if member.answer.done():
                self._waiting.popleft()
                continue
            left -= len(member.payload.body)
            if taken and (left < 0 or member.alone or taken[0].alone):
                break
            taken.append(self._waiting.popleft())
        return taken

    async def _run(self, turn: Turn, members: Sequence[Member], seconds: float) -> None:
        started = time.perf_counter()
        try:
            outcomes = await _outcomes(turn, members, seconds)
        except BaseException:
            self._turns.end(turn)
            for member in members:
                member.answer.cancel()
            raise
        if any(isinstance(outcome, ModelLost) for outcome in outcomes):
            self._lost(turn, members, outcomes, seconds)
            return
        took = time.perf_counter() - started
        self._turns.end(turn, took)
        each = took / len(members)
        self._each = each if self._each is None else (self._each + each) / 2
        self._note(len(members), outcomes[0])
        for member, outcome in zip(members, outcomes, strict=True):
            _settle(member, outcome)

    def _fitting(self, seconds: float) -> int:
        """How many calls of this model are done in its share of the time, at least one."""
        return max(1, int(seconds * SHARE_OF_TIME / max(self._each, 1e-6))) if self._each else 1

    def _lost(
        self, turn: Turn, members: Sequence[Member], outcomes: Sequence[Outcome], seconds: float
    ) -> None:
        """Those that were done together are tried once more, each alone, so that one that ends the model
        fails by itself; those that the model had not begun with are tried as they were."""
        begun = self._turns.lose(turn)
        for member, outcome in reversed(list(zip(members, outcomes, strict=True))):
            member.tries += 1
            final = (begun and len(members) == 1) or member.tries >= MOST_TRIES
            if final or not isinstance(outcome, ModelLost):
                self._note(len(members), outcome)
                _settle(member, outcome)
            else:
                member.alone = member.alone or begun
                self._enter(member, seconds, first=True)


async def _outcomes(turn: Turn, members: Sequence[Member], seconds: float) -> Sequence[Outcome]:
    try:
        if len(members) > 1:
            return await turn.replica.predict_batch(
                [member.payload for member in members],
                seconds=seconds,
                request_ids=[member.request_id for member in members],
            )
        only = members[0]
        return [await turn.replica.predict(only.payload, seconds=seconds, request_id=only.request_id)]
    except AppError as error:
        return [error] * len(members)


def _settle(member: Member, outcome: Outcome) -> None:
    if isinstance(outcome, AppError):
        _fail(member, outcome)
    elif not member.answer.done():
        member.answer.set_result(outcome)


def _fail(member: Member, error: AppError) -> None:
    # Who gave up has cancelled the answer.
    if not member.answer.done():
        member.answer.set_exception(error.with_traceback(None))


def _late(answer: asyncio.Future[Payload], seconds: float) -> None:
    if not answer.done():
        answer.set_exception(ModelTooSlow(f"the model gave no answer within {seconds:g} s"))
