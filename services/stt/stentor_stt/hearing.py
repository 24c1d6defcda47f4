"""Who hears for this process: its own models, or a worker that is asked over the broker."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends

from stentor_common.adapters import Adapter, resolve
from stentor_common.catalog import UnknownModel
from stentor_common.engine_room import EngineRoom
from stentor_common.queue import Questions
from stentor_common.requests import RuntimeDep, resource_of
from stentor_common.service import Answerer
from stentor_stt.batching import Batcher, Hearer
from stentor_stt.engines import Engine, Heard, Piece
from stentor_stt.options import Options
from stentor_stt.transcriptions import queue_of

HEAR_SECONDS = 60
"""How long a worker may take to answer, the loading of its model included."""

ANSWERS_AT_ONCE = 64
"""Pieces of other processes that a worker has waiting for one model."""

# Imported by the first piece: a process that only serves the API need not have numpy.
WIRE = {"hearing": Adapter("stentor_stt.hearing_wire", extra="whisper", library="numpy")}


class LocalHearer:
    """Hears with the models of this process."""

    def __init__(self, batchers: Mapping[str, Batcher]) -> None:
        self.batchers = batchers

    async def hear(self, model: str, piece: Piece, *, job: str, caller: str, live: bool = False) -> Heard:
        return await self._batcher(model).hear(piece, job=job, caller=caller, live=live)

    async def check(self, model: str, options: Options) -> None:
        await self._batcher(model).check(options)

    async def close(self) -> None:
        for batcher in self.batchers.values():
            await batcher.close()

    def answerers(self) -> dict[str, Answerer]:
        """What a worker answers to processes that ask it with a RemoteHearer."""
        return {
            live_queue(model): Answerer(self._answer_for(model), ANSWERS_AT_ONCE) for model in self.batchers
        }

    def _answer_for(self, model: str) -> Callable[[bytes], Awaitable[bytes]]:
        async def answer(question: bytes) -> bytes:
            found: bytes = await resolve(WIRE, "hearing").answer(self, model, question)
            return found

        return answer

    def _batcher(self, model: str) -> Batcher:
        if model not in self.batchers:
            raise UnknownModel(model, list(self.batchers))
        return self.batchers[model]


class RemoteHearer:
    """Has a worker hear, one of those that serve the model. Raises NoAnswer when there is none."""

    def __init__(self, questions: Questions) -> None:
        self._questions = questions

    async def hear(self, model: str, piece: Piece, *, job: str, caller: str, live: bool = False) -> Heard:
        wire = self._wire()
        question = wire.piece_question(piece, job=job, caller=caller, live=live)
        heard: Heard = wire.heard_in(await self._questions.ask(live_queue(model), question, HEAR_SECONDS))
        return heard

    async def check(self, model: str, options: Options) -> None:
        wire = self._wire()
        question = wire.check_question(options)
        wire.checked_in(await self._questions.ask(live_queue(model), question, HEAR_SECONDS))

    @staticmethod
    def _wire() -> Any:
        return resolve(WIRE, "hearing")


@dataclass(frozen=True, slots=True)
class Ears:
    """All ways to have something heard, for routes: `HearerDep` picks one."""

    local: LocalHearer
    room: EngineRoom[Engine]


async def get_hearer(
    ears: Annotated[Ears, Depends(resource_of(Ears))], runtime: RuntimeDep
) -> LocalHearer | RemoteHearer:
    here = runtime.settings.embedded or ears.room.at_work
    return ears.local if here else RemoteHearer(runtime.questions)


HearerDep = Annotated[Hearer, Depends(get_hearer)]
"""Hears for a request or a WebSocket, with a model named as `choose_model` answers."""


def live_queue(model: str) -> str:
    """The queue of questions to the workers that hold this model."""
    return f"{queue_of(model)}.live"
