"""What a service derives from."""

import os
from typing import Any, Callable, TypeVar

Method = TypeVar("Method", bound=Callable[..., Any])


class Service:
    """`setup` is called once, `infer` for every call."""

    def setup(self) -> None:
        """Load what `infer` needs."""

    def store_assets(self) -> None:
        """Not called: the package holds its weights."""

    def on_server_startup(self) -> None:
        """Called before `setup`."""

    def on_server_shutdown(self) -> None:
        """Not called: the process ends as a whole."""

    def infer(self, **kwargs: Any) -> Any:
        raise NotImplementedError("a service must have a method infer")


def path(path: str) -> Callable[[Method], Method]:
    """Decorates a further method: the path it is called by."""

    def wrapped(method: Method) -> Method:
        method.__octoai_path__ = path  # type: ignore[attr-defined]
        return method

    return wrapped


def volume_path() -> str:
    """A folder that services keep files in."""
    return os.environ.get("OCTOAI_VOLUME_PATH") or os.environ.get("TMPDIR") or "/tmp"  # noqa: S108 - a default
