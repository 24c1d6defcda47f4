"""Who speaks for this process: its own models, or a worker that is asked over the broker."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

from fastapi import Depends

from stentor_common.adapters import Adapter, resolve
from stentor_common.batching import Batcher, Craft
from stentor_common.catalog import UnknownModel
from stentor_common.engine_room import EngineRoom
from stentor_common.queue import Questions
from stentor_common.requests import RuntimeDep, resource_of
from stentor_common.service import Answerer
from stentor_tts.engines import Engine, Spoken, Utterance
from stentor_tts.providers import model_of, queue_of
from stentor_tts.voices import Voice

CHARACTERS_PER_SECOND = 15
"""About as fast as people speak: how much work a sentence is."""

SPEAK_SECONDS = 120
"""How long a worker may take to answer, the loading of its model included."""

ANSWERS_AT_ONCE = 64
"""Sentences of other processes that a worker has waiting for one model."""

# Imported by the first sentence: a process that only serves the API need not have numpy.
WIRE = {"speaking": Adapter("stentor_tts.speaking_wire", extra="speech", library="numpy")}

SPEAKING: Craft[Engine, Utterance, Spoken] = Craft(
    act=lambda engine, utterances: engine.say(utterances),
    seconds=lambda utterance: len(utterance.text) / CHARACTERS_PER_SECOND / utterance.rate,
)

EngineBatcher = Batcher[Engine, Utterance, Spoken]


@dataclass(frozen=True, slots=True)
class Part:
    """Whose text it is, and how eagerly it is spoken."""

    job: str
    caller: str
    """Whose share of the model it takes."""
    ahead: int
    """Sentences that are spoken, or wait for it, while those before are taken."""
    live: bool = False
    """Somebody listens: its first sentence goes before all that are not live."""


class Speaker(Protocol):
    """Says sentences with one of the served voices, wherever its model is."""

    async def say(
        self, voice: Voice, utterances: Sequence[Utterance], *, job: str, caller: str, live: bool = False
    ) -> list[Spoken]:
        """How each sounds, in order. They wait for their turns; cancelling gives these back.

        `job` is what they are part of, `caller` whose share they are taken from; `live` goes first. Raises
        CannotSay, what loading raises, EngineLost when the engine ended twice on the same sentence,
        Unavailable when nobody answers.
        """


class LocalSpeaker:
    """Speaks with the models of this process."""

    def __init__(self, batchers: Mapping[str, EngineBatcher]) -> None:
        self.batchers = batchers
        """By model."""

    async def say(
        self, voice: Voice, utterances: Sequence[Utterance], *, job: str, caller: str, live: bool = False
    ) -> list[Spoken]:
        return await self.say_with(model_of(voice), utterances, job=job, caller=caller, live=live)

    async def say_with(
        self, model: str, utterances: Sequence[Utterance], *, job: str, caller: str, live: bool
    ) -> list[Spoken]:
        if model not in self.batchers:
            raise UnknownModel(model, list(self.batchers))
        ask = self.batchers[model].ask
        asked = [asyncio.ensure_future(ask(each, job=job, caller=caller, live=live)) for each in utterances]
        try:
            return list(await asyncio.gather(*asked))
        finally:
            # When one fails the others are not wanted any more.
            for each in asked:
                each.cancel()

    async def close(self) -> None:
        for batcher in self.batchers.values():
            await batcher.close()

    def answerers(self) -> dict[str, Answerer]:
        """What a worker answers to processes that ask it with a RemoteSpeaker."""
        return {
            live_queue(model): Answerer(self._answer_for(model), ANSWERS_AT_ONCE) for model in self.batchers
        }

    def _answer_for(self, model: str) -> Callable[[bytes], Awaitable[bytes]]:
        async def answer(question: bytes) -> bytes:
            found: bytes = await resolve(WIRE, "speaking").answer(self, model, question)
            return found

        return answer


class RemoteSpeaker:
    """Has a worker speak, one of those that serve the model. Raises NoAnswer when there is none."""

    def __init__(self, questions: Questions) -> None:
        self._questions = questions

    async def say(
        self, voice: Voice, utterances: Sequence[Utterance], *, job: str, caller: str, live: bool = False
    ) -> list[Spoken]:
        wire: Any = resolve(WIRE, "speaking")
        question = wire.question(utterances, job=job, caller=caller, live=live)
        queue = live_queue(model_of(voice))
        spoken: list[Spoken] = wire.spoken_in(await self._questions.ask(queue, question, SPEAK_SECONDS))
        return spoken


@dataclass(frozen=True, slots=True)
class Mouths:
    """All ways to have something said, for routes: `SpeakerDep` picks one."""

    local: LocalSpeaker
    room: EngineRoom[Engine]


async def get_speaker(
    mouths: Annotated[Mouths, Depends(resource_of(Mouths))], runtime: RuntimeDep
) -> LocalSpeaker | RemoteSpeaker:
    here = runtime.settings.embedded or mouths.room.at_work
    return mouths.local if here else RemoteSpeaker(runtime.questions)


SpeakerDep = Annotated[Speaker, Depends(get_speaker)]
"""Speaks for a request."""


def live_queue(model: str) -> str:
    """The queue of questions to the workers that hold this model."""
    return f"{queue_of(model)}.live"
