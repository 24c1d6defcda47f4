"""What is told of models and their calls: use, metrics, status, lines."""

import asyncio
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from stentor_common.auth import Caller
from stentor_deploy.errors import (
    ModelFailed,
)
from stentor_deploy.running import Payload
from stentor_deploy.serving.gateway import Asked, Gateway
from stentor_deploy.settings import DeploySettings
from stentor_deploy.testing import target
from stentor_deploy.testing_serving import ANYBODY, Serving, double, same


async def test_use_is_counted_by_who_called(serving: Serving) -> None:
    user, token = uuid.uuid4(), uuid.uuid4()
    only = target()
    found = serving.deploy((only, double))
    await serving.call([1], caller=Caller("203.0.113.1", user, token))
    await serving.call([1])
    with pytest.raises(ModelFailed):
        await serving.call(1)
    await serving.gateway.close()
    told = {(each.user_id, each.token_id): (each.calls, each.failed) for each in serving.ledger.used}
    assert told == {(user, token): (1, 0), (None, None): (2, 1)}
    ids = {(each.deployment_id, each.revision_id) for each in serving.ledger.used}
    assert ids == {(found.deployment_id, only.revision_id)}


async def test_metrics_tell_calls_and_batches_by_revision(serving: Serving) -> None:
    registry = CollectorRegistry()
    serving.gateway.metrics.register(registry)
    serving.deploy((target(2, batch=8), double))
    await serving.call([1])
    await asyncio.gather(*(serving.call([1]) for _ in range(3)))
    with pytest.raises(ModelFailed):
        await serving.call(1)

    def told(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, {"deployment": "iris", "revision": "2", **labels})

    assert told("stentor_model_calls_total", outcome="ok") == 4
    assert told("stentor_model_calls_total", outcome="model_error") == 1
    assert told("stentor_model_call_seconds_count") == 5
    assert told("stentor_model_batch_calls_count") == 2
    assert told("stentor_model_batch_calls_sum") == 4
    assert told("stentor_model_replicas") == 1
    assert told("stentor_model_calls_waiting") == 0


async def test_the_status_says_what_keeps_the_model_from_others(serving: Serving) -> None:
    only = target()
    serving.deploy((only, same))
    await serving.call()
    status = serving.gateway.status(only.revision_id)
    assert status.isolation
    assert status.isolation.missing == {"process": "runs inside of the test"}
    assert status.memory_bytes == 1_000_000


async def test_lines_of_a_model_go_where_its_revision_is_told(settings: dict[str, Any]) -> None:
    lines: list[tuple[uuid.UUID, str]] = []

    def tell(revision_id: uuid.UUID) -> Callable[[str, str, str], None]:
        return lambda _stream, line, _request_id: lines.append((revision_id, line))

    serving = Serving(**settings)
    only = target()
    serving.deploy((only, same))
    gateway = Gateway(serving.routes, serving.specs, serving.driver, DeploySettings(), tell)
    await gateway.predict(ANYBODY, Asked("iris", Payload(b"1")))
    assert lines == [(only.revision_id, "starting")]
    await gateway.close()
    assert serving.driver.closed
