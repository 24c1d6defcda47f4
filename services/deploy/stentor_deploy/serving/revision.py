"""One revision that is served: asleep, waking, or with replicas that take calls."""

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field

import structlog

from stentor_common.errors import AppError, Unavailable
from stentor_deploy.errors import LoadFailed, ModelLost, ModelTooSlow, ModelUnhealthy
from stentor_deploy.routing import Route, Specs, Target
from stentor_deploy.running import Driver, Fleet, LogLine, Outcome, Payload
from stentor_deploy.serving.breaker import Breaker
from stentor_deploy.serving.calls import Asked
from stentor_deploy.serving.joining import BatchLimits, Joiner, joinable
from stentor_deploy.serving.metrics import RevisionMetrics
from stentor_deploy.serving.scaling import Load, Scaling
from stentor_deploy.serving.status import ServingState, ServingStatus
from stentor_deploy.serving.tried import TriedFleet
from stentor_deploy.serving.turns import Turn, Turns
from stentor_deploy.settings import DeploySettings

DRAIN_SECONDS = 30.0
"""Calls of a revision that is dropped may take so long to end."""

LOSSES = 3
"""After so many calls in a row that ended the model, or that it did not end in time, it has a rest."""

MOST_TRIES = 3
"""Of a call that was sent to replicas which ended before they began with it."""

log = structlog.get_logger()

Tell = Callable[[uuid.UUID], LogLine]
"""Where the lines go that a revision prints."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What revisions are served with."""

    specs: Specs
    driver: Driver
    settings: DeploySettings
    tell: Tell
    tried: dict[uuid.UUID, TriedFleet] = field(default_factory=dict)
    """With what revisions were tried that nobody serves yet."""


class Served:
    """Wakes with the first call, which waits for it. After `close` it must not be called again."""

    def __init__(self, route: Route, target: Target, ground: Ground, metrics: RevisionMetrics) -> None:
        self.route, self.target = route, target
        self.metrics = metrics
        self.calls = 0
        """That have no answer yet."""
        self.last_used = time.monotonic()
        self._emptied: asyncio.Event | None = None
        self._ground = ground
        settings = ground.settings
        self._joins = target.batch > 1
        self._turns = Turns(target.concurrency, settings.most_waiting, ahead=not self._joins)
        limits = BatchLimits(target.batch, settings.max_body_bytes, settings.most_waiting)
        self._joiner = Joiner(self._turns, limits, self._joined)
        self._scaling = Scaling()
        self._losses, self._failed_wakes = Breaker(LOSSES), Breaker(1)
        self._fleet: Fleet | None = None
        self._scaled = asyncio.Lock()
        self._watching: asyncio.Task[None] | None = None
        self._trouble: AppError | None = None
        self._examining: asyncio.Task[None] | None = None
        self._examine_at = time.monotonic() + settings.examine_seconds
        metrics.watch(lambda: self.waiting, lambda: len(self._fleet.ready) if self._fleet else 0)

    @property
    def waiting(self) -> int:
        return self._turns.waiting + self._joiner.waiting

    async def predict(self, asked: Asked) -> Payload:
        """Raises what Gateway.predict does of a model."""
        self._admit()
        self.calls += 1
        try:
            if self._joins and joinable(asked):
                seconds = self._seconds(asked) + (
                    0 if self._turns.open else self._ground.settings.load_seconds
                )
                return await self._joiner.ask(asked, wait_seconds=seconds, seconds=self.route.seconds)
            return await self._alone(asked)
        finally:
            self._leave()

    async def stream(self, asked: Asked) -> AsyncGenerator[Payload, None]:
        self._admit()
        self.calls += 1
        try:
            turn = await self._turn()
            parts = turn.replica.stream(
                asked.payload,
                seconds=self._seconds(asked),
                request_id=asked.request_id,
                method=asked.method,
            )
            try:
                async with contextlib.aclosing(parts):
                    async for part in parts:
                        yield part
            except ModelLost:
                self._turns.lose(turn)
                self._losses.failed()
                raise
            except BaseException:
                self._turns.end(turn)
                raise
            self._turns.end(turn)
            self._losses.succeeded()
        finally:
            self._leave()

    def wake(self, replicas: int = 1) -> None:
        """Have replicas, unless there are some; returns at once."""
        if self._watching is None or self._watching.done():
            self._trouble = None
            if tried := self._ground.tried.pop(self.target.revision_id, None):
                self._fleet = tried.taken_over(self._ground.tell(self.target.revision_id))
            self._watching = asyncio.create_task(self._watch(replicas))

    async def look_after(self, now: float) -> None:
        """Have as many replicas as the calls of late ask for, and none called that is not healthy."""
        if self._fleet is None or self._watching is None:
            return
        if now >= self._examine_at and self._examining is None:
            self._examine_at = now + self._ground.settings.examine_seconds
            self._examining = asyncio.create_task(self._examine())
        load = Load(
            replicas=max(1, self._fleet.wanted),
            waiting=self.waiting,
            in_flight=self._turns.in_flight,
            concurrency=self.target.concurrency,
            batch=self.target.batch,
        )
        least = self.route.min_replicas if self.target.percent else 0
        wanted = self._scaling.wanted(load, least, max(1, self.route.max_replicas), now)
        if wanted != self._fleet.wanted:
            await self._fleet.scale(wanted)

    async def _examine(self) -> None:
        try:
            await self._turns.examine()
            if self._turns.all_aside:
                self._trouble = Unavailable("it says that it is not healthy")
                self._turns.refuse(_unhealthy(self._trouble))
            elif self._turns.open:
                self._trouble = None
        finally:
            self._examining = None

    def idle_since(self, now: float) -> float:
        """Seconds that it has had no call; 0 while it has one."""
        return 0.0 if self.calls else now - self.last_used

    @property
    def asleep(self) -> bool:
        return self._watching is None

    def status(self) -> ServingStatus:
        fleet = self._fleet
        ready = fleet.ready if fleet else ()
        loaded = [replica.loaded for replica in ready]
        return ServingStatus(
            state=self._state(bool(ready)),
            replicas=len(ready),
            wanted=fleet.wanted if fleet else 0,
            in_flight=self._turns.in_flight,
            waiting=self.waiting,
            restarts=fleet.restarts if fleet else 0,
            trouble=self._trouble,
            isolation=loaded[0].isolation if loaded else None,
            memory_bytes=sum(each.memory_bytes for each in loaded),
            methods=loaded[0].methods if loaded else (),
            versions=loaded[0].versions if loaded else None,
            idle_seconds=None if self.calls else time.monotonic() - self.last_used,
        )

    async def end(self) -> None:
        """Give its calls some time, then end its replicas. Never raises."""
        self._emptied = asyncio.Event()
        if self.calls:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._emptied.wait(), DRAIN_SECONDS)
        await self.let_go()
        if self._fleet:
            await self._fleet.close()
            self._fleet = None

    async def let_go(self) -> None:
        """Serve no more, but leave the replicas to the driver."""
        if self._watching:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
            self._watching = None
        if self._examining:
            self._examining.cancel()
        self._turns.refuse(Unavailable("the model is being put away; try again in a moment"))
        self._turns.offer(())
        await self._joiner.close()

    def _state(self, ready: bool) -> ServingState:
        if self._losses.open or self._trouble:
            return ServingState.unhealthy
        if ready:
            return ServingState.ready
        return ServingState.waking if self._watching else ServingState.idle

    def _admit(self) -> None:
        """Raises ModelUnhealthy where a call would only wait in vain; else sees that there is something to
        wait for."""
        if not self._losses.lets():
            raise ModelUnhealthy(
                f"the model ended, or was too slow, at {LOSSES} calls or more in a row and has a rest; "
                "its log says more",
                retry_after_seconds=1 + int(self._losses.seconds_left),
            )
        if self._turns.open:
            return
        asleep = self._watching is None or self._watching.done()
        if self._trouble and not (asleep and self._failed_wakes.lets()):
            raise _unhealthy(self._trouble)
        self.wake()

    def _leave(self) -> None:
        self.calls -= 1
        self.last_used = time.monotonic()
        if self._emptied and not self.calls:
            self._emptied.set()

    def _seconds(self, asked: Asked) -> float:
        return min(asked.seconds, self.route.seconds) if asked.seconds else self.route.seconds

    async def _turn(self, *, first: bool = False) -> Turn:
        if not first and (turn := self._turns.take_now()):
            return turn
        seconds = self.route.seconds
        if not self._turns.open:
            seconds += self._ground.settings.load_seconds
        return await self._turns.take(seconds, first=first)

    async def _alone(self, asked: Asked) -> Payload:
        """One call by itself. Sent again when its replica ended before it began with it."""
        tries = 0
        while True:
            turn = await self._turn(first=tries > 0)
            tries += 1
            started = time.perf_counter()
            try:
                payload = await self._asked_of(turn, asked)
            except ModelLost:
                if self._turns.lose(turn) or tries == MOST_TRIES:
                    self._losses.failed()
                    raise
            except BaseException as error:
                self._turns.end(turn)
                if isinstance(error, AppError):
                    self._ended_with(error)
                raise
            else:
                self._turns.end(turn, time.perf_counter() - started)
                self._losses.succeeded()
                self.metrics.batches.observe(1)
                return payload

    async def _asked_of(self, turn: Turn, asked: Asked) -> Payload:
        seconds = self._seconds(asked)
        answer = turn.replica.predict(
            asked.payload,
            # A caller in a hurry goes without an answer; it must not end the model for all others.
            seconds=self.route.seconds,
            request_id=asked.request_id,
            method=asked.method,
        )
        if seconds >= self.route.seconds:
            return await answer
        try:
            return await asyncio.wait_for(answer, seconds)
        except TimeoutError:
            raise _Hurried(f"the model gave no answer within {seconds:g} s") from None

    def _joined(self, calls: int, outcome: Outcome) -> None:
        self.metrics.batches.observe(calls)
        self._ended_with(outcome)

    def _ended_with(self, outcome: Outcome) -> None:
        if isinstance(outcome, ModelLost | ModelTooSlow) and not isinstance(outcome, _Hurried):
            self._losses.failed()
        else:
            self._losses.succeeded()

    async def _watch(self, replicas: int) -> None:
        """Show what the fleet has to those who wait for turns."""
        try:
            async with self._scaled:
                fleet = await self._opened()
                await fleet.scale(replicas)
            while True:
                self._show(fleet)
                await fleet.changed()
        except AppError as error:
            self._give_up(error)
        except Exception:
            log.exception("a model could not be served", revision=str(self.target.revision_id))
            self._give_up(Unavailable("the model cannot be served for a reason inside the service"))

    async def _opened(self) -> Fleet:
        spec = await self._ground.specs.spec(self.target.revision_id)
        if self._fleet and self._fleet.spec != spec:
            await self._fleet.close()
            self._fleet = None
        if self._fleet is None:
            tell = self._ground.tell(self.target.revision_id)
            self._fleet = await self._ground.driver.fleet(spec, tell)
        return self._fleet

    def _show(self, fleet: Fleet) -> None:
        self._turns.offer(fleet.ready)
        self._trouble = None if fleet.ready else fleet.trouble
        if fleet.ready:
            self._failed_wakes.succeeded()
        elif self._trouble:
            self._turns.refuse(_unhealthy(self._trouble))

    def _give_up(self, error: AppError) -> None:
        self._trouble = error
        self._failed_wakes.failed()
        self._turns.refuse(_unhealthy(error))
        self._watching = None

    async def sleep(self) -> None:
        """No replicas until the next call; does nothing while there is one."""
        if self.calls:
            return
        watching, self._watching, self._trouble = self._watching, None, None
        self._turns.offer(())
        if watching:
            watching.cancel()
        # A call that comes meanwhile wakes it again after this.
        async with self._scaled:
            if self._fleet:
                await self._fleet.scale(0)


class _Hurried(ModelTooSlow):
    """Slower than one caller wished, and no sign that anything is wrong with the model."""


def _unhealthy(trouble: AppError) -> ModelUnhealthy:
    said = trouble.message[:1].lower() + trouble.message[1:]
    details = trouble.details if isinstance(trouble, LoadFailed) else ""
    return ModelUnhealthy(f"the model cannot be called: {said}", details=details)
