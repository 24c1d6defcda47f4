"""What all engines in processes of their own have in common."""

from pathlib import Path
from typing import Any

from stentor_common.hosting.process import ChildProcess, resident_bytes


class Hosted:
    """An engine made of `factory`, written `module:name`, and the arguments, in a child process that `load`
    starts and `unload` ends: that really frees its memory.

    What the engine raises as AppError is raised here as the same; anything else as EngineFault. When the
    child ends by itself, all that is under way raises EngineLost, and `load` starts another.
    """

    def __init__(self, factory: str, *arguments: Any, python: Path | None = None) -> None:
        self._made_of = (factory, *arguments)
        self._python = python
        self._child: ChildProcess | None = None

    @property
    def pid(self) -> int | None:
        """Of the child, while there is one."""
        child = self._child
        return child.pid if child else None

    def load(self) -> None:
        if self._child is not None:
            return
        self._child = child = ChildProcess(*self._made_of, python=self._python)
        try:
            child.call("load")
            self.learn(child)
        except BaseException:
            self.unload()
            raise

    def learn(self, child: ChildProcess) -> None:
        """Ask, once it is loaded, what does not change while it is."""

    def unload(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.end()

    def memory_bytes(self) -> int | None:
        """What the child holds in memory now; None while there is no child, or when nobody can tell."""
        pid = self.pid
        return resident_bytes(pid) if pid else None

    @property
    def child(self) -> ChildProcess:
        if self._child is None:
            raise RuntimeError("load() comes before using the engine")
        return self._child


def measured(engine: object) -> int | None:
    """What an engine holds in memory, in bytes; None for one in this process."""
    return engine.memory_bytes() if isinstance(engine, Hosted) else None
