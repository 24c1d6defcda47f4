"""What parts stand on that are made before the runtime is open."""

from stentor_common.runtime import Runtime


class Ground:
    """The runtime of this process, from the moment it is there."""

    def __init__(self) -> None:
        self._runtime: Runtime | None = None

    @property
    def runtime(self) -> Runtime:
        assert self._runtime, "the service runs within `beside`"
        return self._runtime

    def lay(self, runtime: Runtime) -> None:
        self._runtime = runtime
