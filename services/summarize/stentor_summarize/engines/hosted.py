"""An engine in a process of its own: unloading really frees its memory, and its end is not ours. torch is
only ever imported there."""

from collections.abc import Iterator, Sequence

from stentor_common.hosting import ChildProcess, resident_bytes
from stentor_summarize.engines import KINDS, Digest, EngineSettings, Wanted, Working
from stentor_summarize.models import canonical

FACTORY = "stentor_summarize.engines:make_engine"

STEP_SECONDS = 600
"""How long a child may take to the next sign of life: reading a long passage before the first token takes a
large model on a few cores minutes. One that takes longer hangs."""


class HostedEngine:
    """The engine called `name`, in a child process that `load` starts and `unload` ends.

    What the engine raises as AppError is raised here as the same; anything else as EngineFault. When the
    child ends by itself, what is under way raises EngineLost, and `load` starts another.
    """

    def __init__(self, name: str, settings: EngineSettings, step_seconds: float = STEP_SECONDS) -> None:
        self.name = name
        self.model = canonical(settings.model)
        self.kind = KINDS[name]
        self._settings = settings
        self._step_seconds = step_seconds
        self._child: ChildProcess | None = None

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
        except BaseException:
            self.unload()
            raise

    def unload(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.end()

    def token_limit(self, wanted: Wanted) -> int:
        limit: int = self._loaded().call("token_limit", wanted, patience=self._step_seconds)
        return limit

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        found: list[int] = self._loaded().call("count_tokens", list(texts), patience=self._step_seconds)
        return found

    def digest(self, passages: Sequence[str], wanted: Wanted, last: bool) -> Iterator[str | Working | Digest]:
        return self._loaded().stream("digest", list(passages), wanted, last, patience=self._step_seconds)

    def memory_bytes(self) -> int | None:
        """What the child holds in memory now; None while there is no child, or when nobody can tell."""
        pid = self.pid
        return resident_bytes(pid) if pid else None

    def _loaded(self) -> ChildProcess:
        if self._child is None:
            raise RuntimeError("load() comes before using the engine")
        return self._child
