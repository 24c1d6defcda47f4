"""An engine of speech to text in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from stentor_common.hosting import ChildProcess, resident_bytes
from stentor_stt.audio import SAMPLE_RATE
from stentor_stt.engines import EngineSettings, Heard, Piece
from stentor_stt.models import canonical
from stentor_stt.options import Options, Task

FACTORY = "stentor_stt.engines:make_engine"


def patience(seconds: float) -> float:
    """How long a child may take to hear so much sound; one that takes longer hangs."""
    return 120 + 60 * seconds


class HostedEngine:
    """The engine called `name`, in a child process that `load` starts and `unload` ends.

    What the engine raises as AppError is raised here as the same; anything else as EngineFault. When the
    child ends by itself, all that is under way raises EngineLost, and `load` starts another.
    """

    def __init__(
        self, name: str, settings: EngineSettings, patience: Callable[[float], float] = patience
    ) -> None:
        self.name = name
        self.model = canonical(settings.model)
        self._patience = patience
        self._settings = settings
        self._child: ChildProcess | None = None
        self._known: frozenset[str] = frozenset()
        self._offered: set[tuple[str | None, Task]] = set()

    @property
    def pid(self) -> int | None:
        """Of the child, while there is one."""
        child = self._child
        return child.pid if child else None

    def load(self) -> None:
        if self._child is not None:
            return
        self._child = child = ChildProcess(FACTORY, self.name, self._settings)
        try:
            child.call("load")
            self._known = child.call("languages")
        except BaseException:
            self.unload()
            raise

    def unload(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.end()

    def check(self, options: Options) -> None:
        """Asks the child once for each language and task that it can do: an answer waits for what is being
        heard."""
        child, kind = self._loaded(), (options.language, options.task)
        if kind not in self._offered:
            child.call("check", options)
            self._offered.add(kind)

    def hear(self, pieces: Sequence[Piece]) -> list[Heard]:
        seconds = sum(len(piece.sound) for piece in pieces) / SAMPLE_RATE
        heard: list[Heard] = self._loaded().call("hear", pieces, patience=self._patience(seconds))
        return heard

    def languages(self) -> frozenset[str]:
        self._loaded()
        return self._known

    def memory_bytes(self) -> int | None:
        """What the child holds in memory now; None while there is no child, or when nobody can tell."""
        pid = self.pid
        return resident_bytes(pid) if pid else None

    def _loaded(self) -> ChildProcess:
        if self._child is None:
            raise RuntimeError("load() comes before using the engine")
        return self._child
