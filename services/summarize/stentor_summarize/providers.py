"""Who may be asked for a summary: models here, vendors outside, under the names clients use."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from stentor_common.catalog import Offer, UnknownModel
from stentor_common.errors import BadInput
from stentor_summarize.engines import ENGINES
from stentor_summarize.models import MINILM, canonical

CAPABILITY = "summarization"
LOCAL = "hugging-face"
"""The provider that is this installation's own models: clients know this name for such."""

VENDORS = ("openai",)
"""Outside providers that clients of the published contracts name."""


class UnknownProvider(BadInput):
    code = "unknown_provider"

    def __init__(self, name: str) -> None:
        known = ", ".join((LOCAL, *VENDORS))
        super().__init__(f"there is no provider {name[:64]!r}; known are {known}", param="provider")


class ProviderNotConfigured(BadInput):
    code = "provider_not_configured"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the provider {name!r} needs credentials that this installation does not have; use {LOCAL!r}",
            param="provider",
        )


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


def choose_provider(name: str | None, aliases: Mapping[str, str]) -> str:
    """The provider that does the work. Raises UnknownProvider, ProviderNotConfigured."""
    asked = (name or LOCAL).strip().lower()
    found = aliases.get(asked, asked)
    if found == LOCAL:
        return found
    raise ProviderNotConfigured(asked) if found in VENDORS else UnknownProvider(asked)


def choose_model(name: str | None, models: Iterable[str]) -> str:
    """One of the served models; the first where none is named. Raises UnknownModel."""
    served = ServedModel.all(models)
    if not name:
        return served[0].model
    found = next((each.model for each in served if {name, canonical(name)} & {*each.names}), None)
    if found is None:
        raise UnknownModel(name, [each.model for each in served])
    return found


def vendor_offers(aliases: Mapping[str, str]) -> list[Offer]:
    """What is told about outside providers: who answers in their place, or that nobody does."""
    return [_vendor_offer(name, aliases.get(name)) for name in VENDORS]


def _vendor_offer(name: str, alias: str | None) -> Offer:
    if alias:
        return Offer(CAPABILITY, name, "", True, f"answered by {alias}")
    return Offer(CAPABILITY, name, "", False, "needs credentials that this installation does not have")
