"""Trying a revision before anybody calls it: it is loaded where it will run, and asked its examples."""

import json
import math
import time
from collections.abc import Sequence
from typing import Any

from stentor_common.errors import AppError
from stentor_deploy.errors import LoadFailed, ModelFailed
from stentor_deploy.packages import Note, Package
from stentor_deploy.running import Fleet, Loaded, Payload, PayloadKind, Replica
from stentor_deploy.trials import Batching, Example, Trial

MOST_EXAMPLES = 16
KEPT_CHARACTERS = 8_192
"""A longer output of an example is not kept."""

ROWS = 8
"""Inputs that are joined to see whether that changes their answers."""

CLOSE = 1e-4
"""By how much numbers may differ from those expected, relative to them: other processors, other digits."""

CLOSE_JOINED = 1e-5
"""The same between two calls of one model on one machine."""


class Tryout:
    """Loads a revision, asks its examples, and finds out whether its calls may be joined."""

    def __init__(self, *, most_joined: int, seconds: float) -> None:
        self._most_joined = most_joined
        self._seconds = seconds

    async def run(
        self, fleet: Fleet, package: Package, *, allow_mismatch: bool = False
    ) -> tuple[Trial, Loaded]:
        """With one replica, which stays. Raises LoadFailed, and what keeps replicas from running at all."""
        await fleet.scale(1)
        replica = await _first(fleet)
        examples = await self._examples(replica, package, allow_mismatch=allow_mismatch)
        if package.examples and not await replica.healthy():
            raise LoadFailed("the model says that it is not healthy after it answered its examples")
        batch, batching = await self._batching(replica, package)
        return _trial(replica.loaded, examples, batch, batching, package), replica.loaded

    async def _examples(self, replica: Replica, package: Package, *, allow_mismatch: bool) -> list[Example]:
        found = []
        for number, asked in enumerate(package.examples[:MOST_EXAMPLES], 1):
            started = time.monotonic()
            try:
                output = await self._answer(replica, asked)
            except AppError as error:
                details = error.details if isinstance(error, ModelFailed) else ""
                raise LoadFailed(f"example {number} failed: {error.message}", details=details) from error
            seconds = time.monotonic() - started
            right = None
            if number <= len(package.expected):
                right = alike(output, package.expected[number - 1], CLOSE)
                if not right and not allow_mismatch:
                    raise UnexpectedAnswer(number, output, package.expected[number - 1])
            kept = len(json.dumps(output)) <= KEPT_CHARACTERS
            found.append(
                Example(
                    input=asked, output=output if kept else None, kept=kept, seconds=seconds, expected=right
                )
            )
        return found

    async def _answer(self, replica: Replica, asked: Any) -> Any:
        """What the model answers, as JSON; the parts of a stream as a list."""
        payload = Payload(json.dumps(asked).encode())
        if not replica.loaded.streams:
            return _value(await replica.predict(payload, seconds=self._seconds))
        return [_value(part) async for part in replica.stream(payload, seconds=self._seconds)]

    async def _batching(self, replica: Replica, package: Package) -> tuple[int, Batching]:
        """How many calls may be joined into one, and why."""
        most = min(package.batch or self._most_joined, self._most_joined)
        if replica.loaded.streams or most < 2 or package.batch == 1:
            return 1, Batching.off
        if package.batch:
            return most, Batching.declared
        rows = _rows(package.examples)
        if len(rows) < 2:
            return 1, Batching.untried
        try:
            alone = [await self._answer(replica, [row]) for row in rows]
            together = await self._answer(replica, rows)
        except AppError:
            return 1, Batching.unlike
        joined = put_together(alone)
        same = joined is not None and alike(joined, together, CLOSE_JOINED)
        return (most, Batching.proved) if same else (1, Batching.unlike)


class UnexpectedAnswer(LoadFailed):
    code = "unexpected_answer"

    def __init__(self, number: int, output: Any, expected: Any) -> None:
        super().__init__(
            f"example {number} was answered with {_short(output)}, and its package expects "
            f"{_short(expected)}; its libraries may have other versions than it was made with. Name them in "
            "the requirements, or deploy it with allow_mismatch"
        )


def put_together(answers: Sequence[Any]) -> Any:
    """The answers to single inputs as one to all of them: lists after each other, objects of lists by name;
    None where that says nothing."""
    if all(isinstance(each, list) and len(each) == 1 for each in answers):
        return [each[0] for each in answers]
    if not all(isinstance(each, dict) and each and each.keys() == answers[0].keys() for each in answers):
        return None
    columns = {name: put_together([each[name] for each in answers]) for name in answers[0]}
    return None if None in columns.values() else columns


def alike(one: Any, other: Any, close: float) -> bool:
    """Whether two answers say the same; numbers may differ by the part `close`."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=close, abs_tol=close / 100)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(alike(a, b, close) for a, b in zip(one, other, strict=True))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[name], other[name], close) for name in one)
    return bool(one == other)


def _rows(examples: Sequence[Any]) -> list[Any]:
    """Single inputs out of examples that are lists, no two of them equal."""
    rows: list[Any] = []
    for each in examples:
        if not isinstance(each, list) or not each:
            return []
        rows += [row for row in each if row not in rows]
    return rows[:ROWS]


async def _first(fleet: Fleet) -> Replica:
    """The replica, once it is loaded. Raises what keeps it from that."""
    while not fleet.ready:
        if fleet.trouble:
            raise fleet.trouble
        await fleet.changed()
    return fleet.ready[0]


def _trial(
    loaded: Loaded, examples: Sequence[Example], batch: int, batching: Batching, package: Package
) -> Trial:
    return Trial(
        load_seconds=round(loaded.seconds, 3),
        memory_bytes=loaded.memory_bytes,
        methods=loaded.methods,
        streams=loaded.streams,
        batch=batch,
        batching=batching,
        examples=tuple(examples),
        isolation=loaded.isolation.applied,
        not_isolated=dict(loaded.isolation.missing),
        versions=dict(loaded.versions),
        notes=tuple(_notes(loaded, package, examples)),
    )


def _notes(loaded: Loaded, package: Package, examples: Sequence[Example]) -> list[Note]:
    notes = [Note(code="model_warning", message=warning) for warning in loaded.warnings]
    for name, made_with in package.pickled_with.items():
        has = loaded.versions.get(name)
        if has and has != made_with:
            text = f"the model was saved with {name} {made_with} and runs with {has}"
            notes.append(Note(code="version_mismatch", message=text))
    wrong = [str(number) for number, each in enumerate(examples, 1) if each.expected is False]
    if wrong:
        text = f"other answers than expected were given to examples {', '.join(wrong)}"
        notes.append(Note(code="unexpected_answer", message=text))
    return notes


def _value(payload: Payload) -> Any:
    if payload.kind is PayloadKind.json:
        return json.loads(payload.body)
    if payload.kind is PayloadKind.text:
        return payload.body.decode(errors="replace")
    return {"media_type": payload.media_type, "bytes": len(payload.body)}


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 200 else text[:200] + "…"
