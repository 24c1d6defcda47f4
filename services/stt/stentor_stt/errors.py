"""What can be wrong with a recording, a language or a model; the message says what to do about it.

BadInput
├── AudioUnreadable         not sound we can decode
│   └── AudioEmpty          a file, or an audio stream, with nothing in it
├── AudioTooLong            more sound than this service takes
├── ClipOutside             the recording ends before the part of it that is wanted
├── TooManyChannels         more than can be heard by themselves
├── AudioGone               the upload was deleted before its job ran
├── SpeakerSilent           nobody speaks in the sample of a known speaker's voice
├── UnknownLanguage         the model does not know the language
└── TaskNotOffered          the model cannot do the task (an English-only model asked to translate)
Unavailable
└── DecoderLost             the processes that decode are gone, through no fault of the recording
"""

from collections.abc import Collection

from stentor_common.errors import BadInput, Unavailable

EXAMPLES = ("en", "es", "fr", "de", "zh")
"""Codes shown in an error text, so far as the model knows them."""


class AudioUnreadable(BadInput):
    code = "audio_unreadable"


class AudioEmpty(AudioUnreadable):
    code = "audio_empty"


class AudioTooLong(BadInput):
    code = "audio_too_long"

    def __init__(self, limit_seconds: float) -> None:
        super().__init__(f"audio lasts longer than the limit of {limit_seconds:.0f} s; send it in parts")


class ClipOutside(BadInput):
    code = "clip_outside"

    def __init__(self, start_ms: int, duration_seconds: float) -> None:
        super().__init__(
            f"the recording lasts {duration_seconds:.3f} s, so nothing of it comes after {start_ms} ms; "
            "have the clip start earlier",
            param="clip_start_ms",
        )


class TooManyChannels(BadInput):
    code = "too_many_channels"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"the recording has more than {limit} channels; have them mixed instead of heard one by one",
            param="split_channels",
        )


class UnknownLanguage(BadInput):
    code = "unknown_language"

    def __init__(self, language: str, *, model: str, known: Collection[str]) -> None:
        shown = [code for code in EXAMPLES if code in known] or sorted(known)[:5]
        rest = " and more" if len(known) > len(shown) else ""
        super().__init__(
            f"language {language!r} is not known to model {model}; use one of {', '.join(shown)}{rest}, "
            "or none to have it detected",
            param="language",
        )


class TaskNotOffered(BadInput):
    code = "task_not_offered"


class DecoderLost(Unavailable):
    code = "decoder_lost"

    def __init__(self) -> None:
        super().__init__("decoding was interrupted from outside; try again")


class AudioGone(BadInput):
    code = "audio_gone"

    def __init__(self) -> None:
        super().__init__("the recording is no longer here; uploads are deleted after a while, send it again")


class SpeakerSilent(BadInput):
    code = "speaker_silent"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"nobody speaks in the sample of {name!r}: send 2 to 30 seconds of this voice alone",
            param="known_speakers",
        )
