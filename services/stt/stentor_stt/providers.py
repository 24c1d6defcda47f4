"""Who may be asked for a transcript: engines here, vendors outside, under the names clients use."""

from collections.abc import Mapping

from stentor_common.catalog import Offer, UnknownModel
from stentor_common.errors import BadInput
from stentor_stt.models import canonical
from stentor_stt.settings import SttSettings

CAPABILITY = "speech-to-text"
LOCAL = "whisper"
"""The provider that is this installation's own engine."""

OPENAI_DEFAULT = "whisper-1"

VENDORS = ("assembly", "aws", "deepgram", "google", "rev")
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
            f"the provider {name!r} is not set up in this installation; use {LOCAL!r}", param="provider"
        )


def choose_provider(name: str | None, aliases: Mapping[str, str]) -> str:
    """The provider that does the work. Raises UnknownProvider, ProviderNotConfigured."""
    asked = (name or LOCAL).strip().lower()
    found = aliases.get(asked, asked)
    if found == LOCAL:
        return found
    raise ProviderNotConfigured(asked) if found in VENDORS else UnknownProvider(asked)


def choose_model(name: str | None, settings: SttSettings) -> str:
    """One of the served models; the first where none is named, or the one that programs name who know
    OpenAI's only. Raises UnknownModel."""
    served = [canonical(model) for model in settings.models]
    if not name or name == OPENAI_DEFAULT:
        return served[0]
    if canonical(name) not in served:
        raise UnknownModel(name, served)
    return canonical(name)


def vendor_offers(aliases: Mapping[str, str]) -> list[Offer]:
    """What is told about outside providers: who answers in their place, or that nobody does."""
    return [_vendor_offer(name, aliases.get(name)) for name in VENDORS]


def _vendor_offer(name: str, alias: str | None) -> Offer:
    if alias:
        return Offer(CAPABILITY, name, "", True, f"answered by {alias}")
    return Offer(CAPABILITY, name, "", False, "needs credentials that this installation does not have")
