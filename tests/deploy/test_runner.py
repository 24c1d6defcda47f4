"""What a model may be, and what it is given: the contract of packages, against real processes."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from stentor_common.errors import BadInput
from stentor_deploy.errors import AnswerTooLarge, LoadFailed, ModelFailed
from stentor_deploy.running import Limits, Payload, PayloadKind, Replica

pytestmark = pytest.mark.live

Load = Callable[..., Awaitable[Replica]]
Ask = Callable[..., Awaitable[Any]]


def packed(value: Any) -> Payload:
    return Payload(json.dumps(value).encode())


async def test_the_constructor_is_given_what_its_signature_names(load: Load, ask: Ask) -> None:
    replica = await load(
        """
        class Model:
            def __init__(self, config, data_dir, secrets, lazy_data_resolver=None):
                self.told = [config["model_metadata"]["depth"], data_dir.name, secrets["key"]]

            def predict(self, name):
                return self.told
        """,
        config={"model_metadata": {"depth": 3}, "secrets": {"key": None}},
        secrets={"key": "of mine"},
    )
    assert await ask(replica, "x") == [3, "data", "of mine"]


async def test_everything_is_given_where_keywords_are_taken(load: Load, ask: Ask) -> None:
    replica = await load(
        """
        class Model:
            def __init__(self, **kwargs):
                self.names = sorted(kwargs)

            def load(self):
                self.loaded = True

            def predict(self, _):
                return [self.names, self.loaded]
        """
    )
    names = ["config", "data_dir", "environment", "lazy_data_resolver", "secrets"]
    assert await ask(replica, None) == [names, True]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("class Model:\n    def __init__(self, tokenizer): ...", "tokenizer"),
        ("class Other: ...", "no class Model"),
        ("import does_not_exist", "does_not_exist"),
        ("class Model:\n    def load(self): ...", "no method `predict`"),
        ("class Model:\n    def predict(self, a, b, c): ...", "`predict` needs 3 arguments"),
        ("class Model:\n    def load(self):\n        raise OSError('no weights')", "OSError: no weights"),
        ("import os\nos._exit(3)", "ended with status 3"),
    ],
)
async def test_a_model_that_does_not_load_says_why(load: Load, source: str, said: str) -> None:
    with pytest.raises(LoadFailed, match=said):
        await load(source)


async def test_a_load_that_fails_has_its_traceback_and_line_for_the_owner(load: Load) -> None:
    with pytest.raises(LoadFailed, match=r"model/model\.py, line 4") as caught:
        await load(
            """
            class Model:
                def load(self):
                    raise RuntimeError("weights are broken")
            """
        )
    assert "Traceback" in caught.value.details


async def test_stages_follow_each_other_whether_asynchronous_or_not(load: Load, ask: Ask) -> None:
    replica = await load(
        """
        class Model:
            async def preprocess(self, numbers):
                return [each + 1 for each in numbers]

            def predict(self, numbers):
                return [each * 10 for each in numbers]

            def postprocess(self, numbers):
                return {"sum": sum(numbers)}
        """
    )
    assert await ask(replica, [1, 2]) == {"sum": 50}


async def test_what_an_asynchronous_load_makes_lives_on_the_loop_of_later_calls(load: Load, ask: Ask) -> None:
    replica = await load(
        """
        import asyncio

        class Model:
            async def load(self):
                self.loop = asyncio.get_running_loop()
                self.lock = asyncio.Lock()

            async def predict(self, _):
                async with self.lock:
                    return self.loop is asyncio.get_running_loop()
        """
    )
    assert await ask(replica, None) is True


@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_no_more_calls_than_allowed_are_in_predict(load: Load, ask: Ask, kind: str) -> None:
    wait = "await asyncio.sleep(0.01)" if kind == "async def" else "time.sleep(0.01)"
    replica = await load(
        f"""
        import asyncio
        import time

        class Model:
            inside = most = 0

            {kind} predict(self, _):
                self.inside += 1
                self.most = max(self.most, self.inside)
                {wait}
                self.inside -= 1
                return self.most
        """,
        concurrency=2,
    )
    told = await asyncio.gather(*(ask(replica, None) for _ in range(6)))
    assert max(told) == 2


async def test_further_methods_can_be_called(load: Load, ask: Ask) -> None:
    replica = await load(
        """
        class Model:
            def predict(self, value):
                return value

            def embed(self, value, request):
                return [len(value), request["request_id"]]

            def _secret(self, value):
                return "hidden"
        """
    )
    assert replica.loaded.methods == ("embed",)
    assert await ask(replica, "four", method="embed", request_id="r-1") == [4, "r-1"]
    with pytest.raises(BadInput, match="it has embed, predict"):
        await ask(replica, "x", method="_secret")


async def test_answers_of_many_kinds_become_json(load: Load, ask: Ask) -> None:
    replica = await load(
        """
        import dataclasses, datetime, decimal, enum, pathlib, uuid

        class Color(enum.Enum):
            red = "r"

        @dataclasses.dataclass
        class Point:
            x: int
            y: int

        class Array:
            def __array__(self): ...

            def tolist(self):
                return [1, 2]

        class Model:
            def predict(self, _):
                return {
                    "day": datetime.date(2024, 2, 29),
                    "price": decimal.Decimal("1.10"),
                    "id": uuid.UUID(int=5),
                    "keys": {1: "a", None: 2},
                    "point": Point(1, 2),
                    "color": Color.red,
                    "bytes": b"ab",
                    "set": {3},
                    "path": pathlib.PurePosixPath("a/b"),
                    "array": (Array(), Array()),
                }
        """
    )
    assert await ask(replica, None) == {
        "day": "2024-02-29",
        "price": "1.10",
        "id": "00000000-0000-0000-0000-000000000005",
        "keys": {"1": "a", "null": 2},
        "point": {"x": 1, "y": 2},
        "color": "r",
        "bytes": {"$b64": "YWI="},
        "set": [3],
        "path": "a/b",
        "array": [[1, 2], [1, 2]],
    }


async def test_numbers_that_json_does_not_know_become_null_with_a_warning(load: Load) -> None:
    replica = await load(
        "class Model:\n    def predict(self, _):\n        return [1.5, float('nan'), {2: -1e999}]"
    )
    answer = await replica.predict(packed(None), seconds=10)
    assert (answer.body, answer.warnings) == (b'[1.5,null,{"2":null}]', ("non-finite",))


async def test_bytes_and_text_go_in_and_out_as_they_are(load: Load) -> None:
    replica = await load(
        """
        class Response:
            body, media_type = b"<b>", "text/html"

        class Model:
            def predict(self, value):
                return Response() if isinstance(value, str) else value[::-1]
        """
    )
    assert await replica.predict(Payload(b"\x00\xff", PayloadKind.bytes), seconds=10) == Payload(
        b"\xff\x00", PayloadKind.bytes
    )
    page = await replica.predict(Payload(b"page", PayloadKind.text), seconds=10)
    assert (page.body, page.media_type) == (b"<b>", "text/html")


async def test_an_error_names_its_kind_and_the_line_of_the_model(load: Load, ask: Ask) -> None:
    replica = await load(
        """
        class Model:
            def predict(self, value):
                return value["missing"]
        """
    )
    with pytest.raises(ModelFailed, match=r"missing \(model/model\.py, line 4\)") as caught:
        await ask(replica, {})
    assert caught.value.kind == "KeyError"
    assert "Traceback" in caught.value.details


async def test_an_answer_that_cannot_be_told_is_the_models_error(load: Load, ask: Ask) -> None:
    replica = await load("class Model:\n    def predict(self, _):\n        return [object()]")
    with pytest.raises(ModelFailed, match=r"holds a builtins\.object, which JSON cannot tell"):
        await ask(replica, None)


async def test_input_that_is_no_json_is_the_callers_error(load: Load) -> None:
    replica = await load("class Model:\n    def predict(self, value):\n        return value")
    with pytest.raises(BadInput, match="not what it is said to be"):
        await replica.predict(Payload(b"{"), seconds=10)


async def test_an_answer_over_the_limit_is_refused_with_both_numbers(load: Load, ask: Ask) -> None:
    replica = await load(
        "class Model:\n    def predict(self, count):\n        return 'x' * count",
        limits=Limits(512 * 1024**2, threads=1, answer_bytes=1000),
    )
    with pytest.raises(AnswerTooLarge, match="the limit is 1000 bytes"):
        await ask(replica, 2000)
    assert await ask(replica, 1) == "x"


@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_a_generator_streams(load: Load, ask: Ask, kind: str) -> None:
    replica = await load(
        f"""
        class Model:
            {kind} predict(self, count):
                for number in range(count):
                    yield str(number)
        """
    )
    parts = [part async for part in replica.stream(packed(100), seconds=10)]
    assert replica.loaded.streams
    assert [part.body.decode() for part in parts] == [str(number) for number in range(100)]
    assert {part.kind for part in parts} == {PayloadKind.text}
    assert await ask(replica, 4) == "0123"


@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_a_stream_that_is_left_closes_its_generator(
    load: Load, seen: Callable[..., Awaitable[None]], kind: str
) -> None:
    replica = await load(
        f"""
        import itertools

        class Model:
            {kind} predict(self, _):
                try:
                    for number in itertools.count():
                        yield number
                finally:
                    print("closed")
        """
    )
    stream = replica.stream(packed(None), seconds=10)
    assert [(await anext(stream)).body for _ in range(20)] == [str(number).encode() for number in range(20)]
    await stream.aclose()
    await seen(("stdout", "closed", ""))


async def test_a_stream_that_fails_midway_says_so_after_what_it_gave(load: Load) -> None:
    replica = await load(
        """
        class Model:
            def predict(self, _):
                yield 1
                raise ValueError("out of words")
        """
    )
    stream = replica.stream(packed(None), seconds=10)
    assert (await anext(stream)).body == b"1"
    with pytest.raises(ModelFailed, match="out of words"):
        await anext(stream)


async def test_what_gives_one_answer_streams_it_as_one_part(load: Load) -> None:
    replica = await load("class Model:\n    async def predict(self, value):\n        return [value]")
    assert [part.body async for part in replica.stream(packed(1), seconds=10)] == [b"[1]"]


async def test_lists_are_joined_for_one_call_and_taken_apart(load: Load) -> None:
    replica = await load(
        """
        class Model:
            calls = 0

            def count(self, _):
                return self.calls

            def predict(self, rows):
                self.calls += 1
                return {"doubled": [2 * each for each in rows], "text": [str(each) for each in rows]}
        """
    )
    answers = await replica.predict_batch([packed([1, 2]), packed([3])], seconds=10)
    assert [json.loads(each.body) for each in answers if isinstance(each, Payload)] == [
        {"doubled": [2, 4], "text": ["1", "2"]},
        {"doubled": [6], "text": ["3"]},
    ]
    assert (await replica.predict(packed(None), seconds=10, method="count")).body == b"1"


async def test_where_the_joined_call_fails_only_the_one_at_fault_hears_of_it(load: Load) -> None:
    replica = await load(
        "class Model:\n    def predict(self, rows):\n        return [1 / each for each in rows]"
    )
    good, bad = await replica.predict_batch([packed([1, 2]), packed([0])], seconds=10)
    assert isinstance(good, Payload)
    assert good.body == b"[1.0,0.5]"
    assert isinstance(bad, ModelFailed)
    assert bad.kind == "ZeroDivisionError"


async def test_an_answer_of_another_length_is_not_taken_apart(load: Load) -> None:
    replica = await load("class Model:\n    def predict(self, rows):\n        return sum(rows)")
    answers = await replica.predict_batch([packed([1, 2]), packed([3])], seconds=10)
    assert [each.body for each in answers if isinstance(each, Payload)] == [b"3", b"3"]


async def test_lines_bear_the_request_they_were_printed_for(
    load: Load, ask: Ask, seen: Callable[..., Awaitable[None]]
) -> None:
    replica = await load(
        """
        import asyncio, sys
        print("loading")

        class Model:
            async def predict(self, name):
                print("begin", name)
                await asyncio.sleep(0)
                print("end of", name, end="", file=sys.stderr)
                return name
        """,
        concurrency=2,
    )
    await asyncio.gather(ask(replica, "a", request_id="1"), ask(replica, "b", request_id="2"))
    wanted = {
        ("stdout", "loading", ""),
        ("stdout", "begin a", "1"),
        ("stdout", "begin b", "2"),
        ("stderr", "end of a", "1"),
        ("stderr", "end of b", "2"),
    }
    await seen(*wanted)


@pytest.mark.parametrize(("body", "healthy"), [("return False", False), ("return None", True)])
async def test_health_asks_the_model_itself(load: Load, body: str, healthy: bool) -> None:
    replica = await load(
        f"""
        class Model:
            def predict(self, _): ...

            def is_healthy(self):
                {body}
        """
    )
    assert await replica.healthy() is healthy
