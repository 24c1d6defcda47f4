"""Who may be asked for a transcript: engines here, vendors outside, under the names clients use."""

from stentor_common.catalog import UnknownModel
from stentor_common.vendors import Providers
from stentor_stt.models import canonical
from stentor_stt.settings import SttSettings

CAPABILITY = "speech-to-text"
LOCAL = "whisper"
"""The provider that is this installation's own engine."""

OPENAI_DEFAULT = "whisper-1"

VENDORS = ("assembly", "aws", "deepgram", "google", "rev")
"""Outside providers that clients of the published contracts name."""


PROVIDERS = Providers(CAPABILITY, LOCAL, VENDORS)


def choose_model(name: str | None, settings: SttSettings) -> str:
    """One of the served models; the first where none is named, or the one that programs name who know
    OpenAI's only. Raises UnknownModel."""
    served = [canonical(model) for model in settings.models]
    if not name or name == OPENAI_DEFAULT:
        return served[0]
    if canonical(name) not in served:
        raise UnknownModel(name, served)
    return canonical(name)
