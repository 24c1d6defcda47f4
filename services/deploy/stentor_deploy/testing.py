"""What tests of deployments need where no process is to be started: models that are Python functions, run in
this process behind the same ports."""

import asyncio
import inspect
import json
import sys
import uuid
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

from stentor_common.errors import AppError, NotFound
from stentor_deploy.errors import ModelFailed, ModelLost, ModelTooSlow
from stentor_deploy.routing import Route, Target
from stentor_deploy.running import (
    Isolation,
    Limits,
    Loaded,
    LogLine,
    Outcome,
    Payload,
    PayloadKind,
    RunSpec,
)

Model = Callable[[Any], Any]
"""Takes an input and gives an answer, or a generator of parts; may be a coroutine function. Text, bytes and
what JSON knows go in and come out as they are. What it raises is ModelFailed; an AppError stays itself."""


class FunctionReplica:
    """Runs as many calls at a time as the revision says, in the order in which they come."""

    def __init__(self, spec: RunSpec, model: Model, methods: Mapping[str, Model]) -> None:
        self.id = uuid.uuid4().hex
        self.in_flight = 0
        self.well = True
        """What it says of itself."""
        self._model, self._methods = model, methods
        self._places = asyncio.Semaphore(spec.concurrency)
        self._ended = asyncio.get_running_loop().create_future()
        self.loaded = Loaded(
            seconds=0,
            memory_bytes=1_000_000,
            methods=tuple(methods),
            streams=inspect.isgeneratorfunction(model) or inspect.isasyncgenfunction(model),
            isolation=Isolation((), {"process": "runs inside of the test"}),
        )

    async def predict(
        self, asked: Payload, *, seconds: float, request_id: str = "", method: str = "predict"
    ) -> Payload:
        return await self._alive(self._run(asked, method), seconds)

    async def predict_batch(
        self, asked: Sequence[Payload], *, seconds: float, request_ids: Sequence[str] = ()
    ) -> list[Outcome]:
        inputs = [json.loads(each.body) for each in asked]
        joined = _payload([item for each in inputs for item in each])
        try:
            answer = json.loads((await self.predict(joined, seconds=seconds)).body)
        except ModelFailed:
            return [await self._outcome(each, seconds) for each in asked]
        except AppError as error:
            return [error for _ in asked]
        parts = iter(answer)
        return [_payload([next(parts) for _ in each]) for each in inputs]

    async def stream(
        self, asked: Payload, *, seconds: float, request_id: str = "", method: str = "predict"
    ) -> AsyncGenerator[Payload, None]:
        self.in_flight += 1
        try:
            async with self._places:
                parts = self._function(method)(_input(asked))
                if inspect.isasyncgen(parts):
                    async with aclosing(parts):
                        async for part in parts:
                            yield _payload(part)
                elif inspect.isgenerator(parts):
                    for part in parts:
                        yield _payload(part)
                else:
                    yield _payload(await parts if inspect.isawaitable(parts) else parts)
        except (ValueError, TypeError, KeyError) as error:
            raise _failed(error) from error
        finally:
            self.in_flight -= 1

    async def healthy(self) -> bool:
        return self.well and not self._ended.done()

    def end(self) -> None:
        """As a process that is killed: its calls are lost."""
        if not self._ended.done():
            self._ended.set_result(None)

    async def _outcome(self, asked: Payload, seconds: float) -> Outcome:
        try:
            return await self.predict(asked, seconds=seconds)
        except AppError as error:
            return error

    async def _alive(self, work: Coroutine[Any, Any, Payload], seconds: float) -> Payload:
        self.in_flight += 1
        task = asyncio.ensure_future(work)
        try:
            await asyncio.wait([task, self._ended], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if self._ended.done():
                raise ModelLost("the model's process ended during the call")
            if task.done():
                return task.result()
            raise ModelTooSlow(f"no answer within {seconds:g} s")
        finally:
            task.cancel()
            self.in_flight -= 1

    async def _run(self, asked: Payload, method: str) -> Payload:
        async with self._places:
            try:
                answer = self._function(method)(_input(asked))
                if inspect.isgenerator(answer):
                    return _payload(_gathered(list(answer)))
                return _payload(await answer if inspect.isawaitable(answer) else answer)
            except AppError:
                raise
            except Exception as error:
                raise _failed(error) from error

    def _function(self, method: str) -> Model:
        if method == "predict":
            return self._model
        if method not in self._methods:
            raise NotFound(f"the model has no method {method!r}")
        return self._methods[method]


class FunctionFleet:
    """Replicas start when `starts` is set, or at once."""

    def __init__(self, spec: RunSpec, driver: "FunctionDriver") -> None:
        self.spec, self.wanted, self.restarts = spec, 0, 0
        self.trouble: AppError | None = None
        self.closed = False
        self._driver = driver
        self._replicas: list[FunctionReplica] = []
        self._changes: list[asyncio.Future[None]] = []

    @property
    def ready(self) -> Sequence[FunctionReplica]:
        return self._replicas

    async def scale(self, replicas: int) -> None:
        self.wanted = replicas
        self.fill()

    async def changed(self) -> None:
        future = asyncio.get_running_loop().create_future()
        self._changes.append(future)
        await future

    async def close(self) -> None:
        self.closed = True
        await self.scale(0)

    def fill(self) -> None:
        """Have as many as are wanted, if they may start."""
        trouble = self._driver.trouble
        for replica in self._replicas[self.wanted :]:
            replica.end()
        self._replicas = self._replicas[: self.wanted]
        if not self._driver.holds and not trouble:
            model, methods = self._driver.model_of(self.spec)
            missing = self.wanted - len(self._replicas)
            self._replicas += [FunctionReplica(self.spec, model, methods) for _ in range(missing)]
        self.trouble = None if self._replicas or not self.wanted else trouble
        self._tell()

    def crash(self) -> None:
        """All replicas end by themselves; others start if they may."""
        for replica in self._replicas:
            replica.end()
        self.restarts += len(self._replicas)
        self._replicas = []
        self.fill()

    def _tell(self) -> None:
        changes, self._changes = self._changes, []
        for future in changes:
            if not future.done():
                future.set_result(None)


class FunctionDriver:
    """Runs functions by the id of their revision."""

    name = "in process"

    def __init__(self, models: Mapping[uuid.UUID, Model] | None = None) -> None:
        self.models: dict[str, Model] = {str(key): model for key, model in (models or {}).items()}
        self.methods: dict[str, Mapping[str, Model]] = {}
        """Further methods, by the id of the revision."""
        self.holds = False
        """Replicas do not start before `release`."""
        self.trouble: AppError | None = None
        """Why replicas do not start."""
        self.fleets: list[FunctionFleet] = []
        self.closed = False

    async def fleet(self, spec: RunSpec, tell: LogLine) -> FunctionFleet:
        tell("system", "starting", "")
        self.fleets.append(FunctionFleet(spec, self))
        return self.fleets[-1]

    async def close(self) -> None:
        self.closed = True
        for fleet in self.fleets:
            await fleet.close()

    def model_of(self, spec: RunSpec) -> tuple[Model, Mapping[str, Model]]:
        return self.models[spec.revision], self.methods.get(spec.revision, {})

    def release(self, trouble: AppError | None = None) -> None:
        """Let replicas start, or fail for this reason."""
        self.holds, self.trouble = False, trouble
        for fleet in self.fleets:
            if not fleet.closed:
                fleet.fill()


class KnownRoutes:
    """Deployments written down by a test."""

    def __init__(self, *routes: Route) -> None:
        self.routes = {route.name: route for route in routes}

    def known(self, name: str) -> Route | None:
        return self.routes.get(name)

    async def find(self, name: str) -> Route:
        for route in self.routes.values():
            if name in (route.name, str(route.deployment_id)):
                return route
        raise NotFound(f"there is no deployment {name!r}")

    async def kept(self) -> Sequence[Route]:
        return [route for route in self.routes.values() if route.min_replicas]


class AnySpecs:
    """What revisions need that are functions: nothing."""

    def __init__(self) -> None:
        self.asked: list[uuid.UUID] = []
        self.trouble: AppError | None = None
        self.concurrency = 1

    async def spec(self, revision_id: uuid.UUID) -> RunSpec:
        self.asked.append(revision_id)
        if self.trouble:
            raise self.trouble
        here = Path(sys.executable).parent
        return RunSpec(
            revision=str(revision_id),
            folder=here,
            config={},
            python=Path(sys.executable),
            environment="none",
            environment_folder=here,
            limits=Limits(memory_bytes=2**30, threads=1),
            concurrency=self.concurrency,
        )


def target(number: int = 1, percent: int = 100, **changed: Any) -> Target:
    """A revision that does calls one by one."""
    fields: dict[str, Any] = {"batch": 1, "concurrency": 1, "streams": False}
    return Target(uuid.uuid4(), number, percent, **(fields | changed))


def route(*targets: Target, name: str = "iris", **changed: Any) -> Route:
    """A deployment that anybody may call and whose revisions may sleep."""
    fields: dict[str, Any] = {
        "owner_id": None,
        "public": True,
        "seconds": 30,
        "min_replicas": 0,
        "max_replicas": 1,
        "idle_seconds": 900,
    }
    return Route(uuid.uuid4(), name, targets=targets, **(fields | changed))


def no_lines(_revision_id: uuid.UUID) -> LogLine:
    """Forgets what models print."""
    return lambda _stream, _line, _request_id: None


def _failed(error: Exception) -> ModelFailed:
    kind = type(error).__name__
    return ModelFailed(f"{kind}: {error}", kind=kind, details="a traceback")


def _input(asked: Payload) -> Any:
    if asked.kind is PayloadKind.bytes:
        return asked.body
    return asked.body.decode() if asked.kind is PayloadKind.text else json.loads(asked.body)


def _gathered(parts: list[Any]) -> Any:
    return "".join(parts) if parts and all(isinstance(part, str) for part in parts) else parts


def _payload(answer: Any) -> Payload:
    if isinstance(answer, bytes):
        return Payload(answer, PayloadKind.bytes)
    if isinstance(answer, Payload):
        return answer
    return Payload(json.dumps(answer).encode())
