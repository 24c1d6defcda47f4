"""An engine of speech to text in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from stentor_common.hosting import ChildProcess, Hosted
from stentor_stt.audio import SAMPLE_RATE
from stentor_stt.engines import EngineSettings, Heard, Piece
from stentor_stt.models import canonical
from stentor_stt.options import Options, Task

FACTORY = "stentor_stt.engines:make_engine"


def patience(seconds: float) -> float:
    """How long a child may take to hear so much sound; one that takes longer hangs."""
    return 120 + 60 * seconds


class HostedEngine(Hosted):
    """The engine called `name`."""

    def __init__(
        self, name: str, settings: EngineSettings, patience: Callable[[float], float] = patience
    ) -> None:
        super().__init__(FACTORY, name, settings)
        self.name = name
        self.model = canonical(settings.model)
        self._patience = patience
        self._known: frozenset[str] = frozenset()
        self._offered: set[tuple[str | None, Task]] = set()

    def learn(self, child: ChildProcess) -> None:
        self._known = child.call("languages")

    def check(self, options: Options) -> None:
        """Asks the child once for each language and task that it can do: an answer waits for what is being
        heard."""
        child, kind = self.child, (options.language, options.task)
        if kind not in self._offered:
            child.call("check", options)
            self._offered.add(kind)

    def hear(self, pieces: Sequence[Piece]) -> list[Heard]:
        seconds = sum(len(piece.sound) for piece in pieces) / SAMPLE_RATE
        heard: list[Heard] = self.child.call("hear", pieces, patience=self._patience(seconds))
        return heard

    def languages(self) -> frozenset[str]:
        assert self.child
        return self._known
