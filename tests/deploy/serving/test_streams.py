"""Answers that come in parts."""

import threading
from contextlib import aclosing
from typing import Any

from stentor_deploy.running import Payload
from stentor_deploy.serving.gateway import Asked
from stentor_deploy.testing import target
from stentor_deploy.testing_serving import ANYBODY, Serving, same


async def test_a_stream_comes_part_by_part(serving: Serving) -> None:
    def counting(value: int) -> Any:
        yield from range(value)

    serving.deploy((target(streams=True), counting))
    assert await serving.parts(3) == [0, 1, 2]


async def test_an_answer_that_is_no_stream_is_a_single_part(serving: Serving) -> None:
    serving.deploy((target(), same))
    assert await serving.parts("all") == ["all"]


async def test_a_stream_that_is_closed_early_ends_the_generator_and_gives_its_turn_back(
    serving: Serving,
) -> None:
    ended = threading.Event()

    async def endless(_: Any) -> Any:
        try:
            while True:
                yield 1
        finally:
            ended.set()

    only = target(streams=True)
    serving.deploy((only, endless))
    async with aclosing(serving.gateway.stream(ANYBODY, Asked("iris", Payload(b"null")))) as parts:
        assert (await anext(parts)).body == b"1"
        assert serving.gateway.status(only.revision_id).in_flight == 1
    assert ended.is_set()
    assert serving.gateway.status(only.revision_id).in_flight == 0
