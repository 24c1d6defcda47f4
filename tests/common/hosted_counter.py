"""An engine for tests of the process that it runs in; lives beside them so that a child can import it."""

import os
from collections.abc import Iterator
from pathlib import Path

from stentor_common.errors import BadInput


class Counter:
    def __init__(self, notes: str) -> None:
        self._notes = Path(notes)

    def count(self, to: int) -> Iterator[int]:
        """1, 2, …; notes when it is closed before its end."""
        try:
            yield from range(1, to + 1)
        except GeneratorExit:
            self._notes.write_text("closed")
            raise

    def until(self, number: int) -> Iterator[int]:
        yield from range(1, number)
        raise BadInput(f"no further than {number}")

    def double(self, number: int) -> int:
        return 2 * number

    def vanish(self) -> None:
        os._exit(3)
