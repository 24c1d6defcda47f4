"""For tests of calls through the gateway: models are functions of this process."""

import asyncio
import json
import uuid
from dataclasses import replace
from typing import Any

from stentor_common.auth import Caller
from stentor_common.testing import eventually
from stentor_deploy.routing import Route, Target
from stentor_deploy.running import Payload
from stentor_deploy.serving.gateway import Asked, Gateway, Used
from stentor_deploy.settings import DeploySettings
from stentor_deploy.testing import AnySpecs, FunctionDriver, KnownRoutes, Model, no_lines, route

ANYBODY = Caller("203.0.113.9")


class Serving:
    """A gateway, what stands around it, and a way to call it."""

    def __init__(self, **settings: Any) -> None:
        self.routes, self.specs, self.driver = KnownRoutes(), AnySpecs(), FunctionDriver()
        self.ledger = MemoryLedger()
        self.gateway = Gateway(
            self.routes, self.specs, self.driver, DeploySettings(**settings), no_lines, self.ledger
        )

    def deploy(self, *models: tuple[Target, Model], **changed: Any) -> Route:
        found = route(*(each for each, _ in models), **changed)
        self.routes.routes[found.name] = found
        self.driver.models |= {str(each.revision_id): model for each, model in models}
        return found

    def change(self, name: str, **changed: Any) -> None:
        self.routes.routes[name] = replace(self.routes.routes[name], **changed)

    async def call(self, value: Any = None, *, caller: Caller = ANYBODY, **asked: Any) -> Any:
        name = asked.pop("name", "iris")
        asking = Asked(name, Payload(json.dumps(value).encode()), **asked)
        predicted = await self.gateway.predict(caller, asking)
        return json.loads(predicted.payload.body)

    async def parts(self, value: Any = None, **asked: Any) -> list[Any]:
        stream = self.gateway.stream(ANYBODY, Asked("iris", Payload(json.dumps(value).encode()), **asked))
        return [json.loads(part.body) async for part in stream]


class MemoryLedger:
    def __init__(self) -> None:
        self.used: list[Used] = []
        self.idle = float("inf")

    async def write(self, used: Any) -> None:
        self.used += used

    async def idle_seconds(self, _revision_id: uuid.UUID) -> float:
        return self.idle


class Gate:
    """A model that answers with its input once it is opened."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.inside = 0
        self.most = 0
        self.seen: list[Any] = []

    async def __call__(self, value: Any) -> Any:
        self.seen.append(value)
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            await self.opened.wait()
        finally:
            self.inside -= 1
        return value

    async def entered(self, calls: int = 1) -> None:
        async def enough() -> bool:
            return len(self.seen) >= calls

        await eventually(enough)


def double(value: Any) -> Any:
    return [2 * each for each in value]


def same(value: Any) -> Any:
    return value
