"""An engine that answers what a test wrote down for it. Never a default."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stentor_summarize.engines import Digest, EngineSettings, Kind, Wanted, Working


@dataclass(frozen=True, slots=True)
class Script:
    """What it answers. A token is a word."""

    texts: tuple[str, ...] = ()
    """One digest after the other, the last one again and again; none: the passage's first words, as many as
    are wanted."""

    kind: str = "abstractive"
    token_limit: int = 1000
    seconds_per_word: float = 0.0
    """How slow it writes."""

    fails_after: int | None = None
    """Raise ScriptedFailure in place of the digest with this number, counted from 0."""

    action_items: tuple[str, ...] = ()
    decisions: tuple[str, ...] = ()
    sentences: tuple[int, ...] = ()
    warnings: tuple[str, ...] = ()


class ScriptedFailure(Exception):
    """What a broken engine would raise: not an error of the caller."""


class ScriptedEngine:
    """Answers from a Script, given here or as the JSON file that `settings.model` names."""

    name = "scripted"

    def __init__(
        self,
        settings: EngineSettings,
        script: Script | None = None,
        wait: Callable[[float], object] | None = None,
    ) -> None:
        self.model = settings.model
        self.asked: list[tuple[str, Wanted, bool]] = []
        """(passage, wanted, last) of every digest so far."""
        self.written = 0
        """Words so far, also of digests that were not finished."""
        self.loaded = False
        self._script = script or read_script(Path(settings.model))
        self.kind = Kind(self._script.kind)
        self._unloaded = threading.Event()
        # Whoever unloads it does not wait until it has written to the end.
        self._wait = wait or self._unloaded.wait

    def load(self) -> None:
        self.loaded = True
        self._unloaded.clear()

    def unload(self) -> None:
        self.loaded = False
        self._unloaded.set()

    def token_limit(self, wanted: Wanted) -> int:
        return self._script.token_limit

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]

    def digest(self, passages: Sequence[str], wanted: Wanted, last: bool) -> Iterator[str | Working | Digest]:
        if not self.loaded:
            raise RuntimeError("load() comes before using the engine")
        together = ["".join(passages)] if self.kind is Kind.extractive else passages
        for passage in together:
            yield from self._one(passage, wanted, last, alone=len(together) == 1)
        if self.kind is Kind.extractive:
            yield Working(passages=len(passages))

    def _one(
        self, passage: str, wanted: Wanted, last: bool, *, alone: bool
    ) -> Iterator[str | Working | Digest]:
        number = len(self.asked)
        self.asked.append((passage, wanted, last))
        if number == self._script.fails_after:
            raise ScriptedFailure(f"the script fails at digest {number}")
        text = self._text(number, passage, wanted)
        for piece in re.findall(r"\S+\s*", text):
            self._wait(self._script.seconds_per_word)
            self.written += 1
            yield piece if last and alone else Working()
        script = self._script
        yield Digest(
            text, script.sentences, script.action_items, script.decisions, len(text.split()), script.warnings
        )

    def _text(self, number: int, passage: str, wanted: Wanted) -> str:
        if self._script.texts:
            return self._script.texts[min(number, len(self._script.texts) - 1)]
        return " ".join(passage.split()[: max(1, round(wanted.length.amount))])


def read_script(path: Path) -> Script:
    """A script from a JSON object with the names of Script's fields."""
    fields = json.loads(path.read_text())
    arguments: Any = {
        key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()
    }
    return Script(**arguments)
