"""An engine in a process of its own: unloading really frees its memory, and its end is not ours."""

from collections.abc import Callable, Sequence

from stentor_common.hosting import ChildProcess, resident_bytes
from stentor_tts.engines import EngineSettings, EngineVoice, Spoken, Utterance

FACTORY = "stentor_tts.engines:make_engine"


def patience(utterances: Sequence[Utterance]) -> float:
    """How many seconds a child may take to say this; one that takes longer hangs."""
    return 120 + sum(len(each.text) / each.rate for each in utterances)


class HostedEngine:
    """The engine called `name`, in a child process that `load` starts and `unload` ends.

    What the engine raises as AppError is raised here as the same; anything else as EngineFault. When the
    child ends by itself, what is under way raises EngineLost, and `load` starts another.
    """

    def __init__(
        self,
        name: str,
        settings: EngineSettings,
        patience: Callable[[Sequence[Utterance]], float] = patience,
    ) -> None:
        self.name = name
        self.model = settings.model
        self._settings = settings
        self._patience = patience
        self._child: ChildProcess | None = None
        self._voices: tuple[EngineVoice, ...] = ()

    @property
    def pid(self) -> int | None:
        """Of the child, while there is one."""
        child = self._child
        return child.pid if child else None

    def load(self) -> None:
        if self._child is not None:
            return
        self._child = child = ChildProcess(FACTORY, self.name, self._settings, python=self._settings.python)
        try:
            child.call("load")
            self._voices = child.call("voices")
        except BaseException:
            self.unload()
            raise

    def unload(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.end()

    def say(self, utterances: Sequence[Utterance]) -> list[Spoken]:
        child = self._loaded()
        spoken: list[Spoken] = child.call("say", list(utterances), patience=self._patience(utterances))
        return spoken

    def voices(self) -> tuple[EngineVoice, ...]:
        self._loaded()
        return self._voices

    def memory_bytes(self) -> int | None:
        """What the child holds in memory now; None while there is no child, or when nobody can tell."""
        pid = self.pid
        return resident_bytes(pid) if pid else None

    def _loaded(self) -> ChildProcess:
        if self._child is None:
            raise RuntimeError("load() comes before using the engine")
        return self._child
