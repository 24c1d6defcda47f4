"""A model is a class with `predict`; `load` is called once before. Nothing has to be imported for it."""

from collections import Counter
from collections.abc import Iterator
from typing import Any


class Model:
    def load(self) -> None:
        self._longest = 100_000

    def predict(self, model_input: dict[str, str]) -> Iterator[dict[str, Any]]:
        """Each word with how often it was seen so far: parts of a stream, or a list of all of them."""
        text = model_input["text"]
        if len(text) > self._longest:
            raise ValueError(f"the text is longer than {self._longest} characters")
        seen: Counter[str] = Counter()
        for word in text.lower().split():
            seen[word] += 1
            yield {"word": word, "seen": seen[word]}
