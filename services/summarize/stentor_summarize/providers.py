"""Who may be asked for a summary: models here, vendors outside, under the names clients use."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from stentor_common.catalog import UnknownModel
from stentor_common.errors import BadInput
from stentor_common.vendors import Providers
from stentor_summarize.engines import ENGINES
from stentor_summarize.models import MINILM, canonical

CAPABILITY = "summarization"
LOCAL = "hugging-face"
"""The provider that is this installation's own models: clients know this name for such."""

VENDORS = ("openai",)
"""Outside providers that clients of the published contracts name."""


PROVIDERS = Providers(CAPABILITY, LOCAL, VENDORS)


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model, and the engine that runs it."""

    engine: str
    model: str

    @classmethod
    def of(cls, setting: str) -> Self:
        """`ENGINE:MODEL`, or the name of the model that picks sentences. Raises BadInput."""
        engine, colon, model = setting.partition(":")
        if colon and model and engine in ENGINES:
            return cls(engine, canonical(model))
        if canonical(setting) == MINILM:
            return cls("extractive", MINILM)
        raise BadInput(
            f"STENTOR_SUMMARIZE_MODELS names {setting!r}: write its engine before it, one of "
            f"{', '.join(ENGINES)}, as in transformers:{setting}"
        )

    @classmethod
    def all(cls, settings: Iterable[str]) -> list[Self]:
        """Raises BadInput, also for a model that is named twice."""
        found = [cls.of(each) for each in settings]
        twice = {each.model for each in found if [other.model for other in found].count(each.model) > 1}
        if twice:
            raise BadInput(f"STENTOR_SUMMARIZE_MODELS names {', '.join(sorted(twice))} more than once")
        return found

    @property
    def names(self) -> tuple[str, ...]:
        """What callers may call it."""
        return (self.model, f"{self.engine}:{self.model}")


def choose_model(name: str | None, models: Iterable[str]) -> str:
    """One of the served models; the first where none is named. Raises UnknownModel."""
    served = ServedModel.all(models)
    if not name:
        return served[0].model
    found = next((each.model for each in served if {name, canonical(name)} & {*each.names}), None)
    if found is None:
        raise UnknownModel(name, [each.model for each in served])
    return found
