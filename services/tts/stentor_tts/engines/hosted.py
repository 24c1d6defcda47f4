"""An engine of text to speech in a process of its own."""

from collections.abc import Callable, Sequence

from stentor_common.hosting import ChildProcess, Hosted
from stentor_tts.engines import EngineSettings, EngineVoice, Spoken, Utterance

FACTORY = "stentor_tts.engines:make_engine"


def patience(utterances: Sequence[Utterance]) -> float:
    """How many seconds a child may take to say this; one that takes longer hangs."""
    return 120 + sum(len(each.text) / each.rate for each in utterances)


class HostedEngine(Hosted):
    """The engine called `name`."""

    def __init__(
        self,
        name: str,
        settings: EngineSettings,
        patience: Callable[[Sequence[Utterance]], float] = patience,
    ) -> None:
        super().__init__(FACTORY, name, settings, python=settings.python)
        self.name = name
        self.model = settings.model
        self._patience = patience
        self._voices: tuple[EngineVoice, ...] = ()

    def learn(self, child: ChildProcess) -> None:
        self._voices = child.call("voices")

    def say(self, utterances: Sequence[Utterance]) -> list[Spoken]:
        spoken: list[Spoken] = self.child.call("say", list(utterances), patience=self._patience(utterances))
        return spoken

    def voices(self) -> tuple[EngineVoice, ...]:
        assert self.child
        return self._voices
