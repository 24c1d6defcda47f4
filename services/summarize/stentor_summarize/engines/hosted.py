"""An engine of summaries in a process of its own. torch is only ever imported there."""

from collections.abc import Iterator, Sequence

from stentor_common.hosting import Hosted
from stentor_summarize.engines import KINDS, Digest, EngineSettings, Wanted, Working
from stentor_summarize.models import canonical

FACTORY = "stentor_summarize.engines:make_engine"

STEP_SECONDS = 600
"""How long a child may take to the next sign of life: reading a long passage before the first token takes a
large model on a few cores minutes. One that takes longer hangs."""


class HostedEngine(Hosted):
    """The engine called `name`."""

    def __init__(self, name: str, settings: EngineSettings, step_seconds: float = STEP_SECONDS) -> None:
        super().__init__(FACTORY, name, settings)
        self.name = name
        self.model = canonical(settings.model)
        self.kind = KINDS[name]
        self._step_seconds = step_seconds

    def token_limit(self, wanted: Wanted) -> int:
        limit: int = self.child.call("token_limit", wanted, patience=self._step_seconds)
        return limit

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        found: list[int] = self.child.call("count_tokens", list(texts), patience=self._step_seconds)
        return found

    def digest(self, passages: Sequence[str], wanted: Wanted, last: bool) -> Iterator[str | Working | Digest]:
        return self.child.stream("digest", list(passages), wanted, last, patience=self._step_seconds)
