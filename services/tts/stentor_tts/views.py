"""Speeches and voices as the native contract shows them."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from urllib.parse import quote

from stentor_common.catalog import Offer
from stentor_common.jobs.schemas import progress_of, view_fields
from stentor_common.jobs.table import Job
from stentor_tts.formats import FORMATS
from stentor_tts.jobs import parsed
from stentor_tts.providers import LOCAL, model_of
from stentor_tts.schemas import SpeechProgress, SpeechView, VoiceView
from stentor_tts.sounds import Times
from stentor_tts.speeches import Speech, facts_of, was_cached
from stentor_tts.voices import Voice

NOT_YET: dict[str, Any] = {
    "audio_url": None,
    "size_bytes": None,
    "duration_ms": None,
    "characters": None,
    "cached": None,
    "sentences": None,
    "words": None,
}


def speech_view(job: Job, position: int | None, base: str, times: Times | None) -> SpeechView:
    """Without times in lists, which do not read results either."""
    speech = Speech.of(job.request)
    manner = speech.manner
    return SpeechView(
        object="speech",
        provider=speech.provider,
        engine=speech.model.partition(":")[0],
        model=speech.model,
        voice=manner.voice,
        language=manner.language,
        speed=manner.speed,
        format=manner.format,
        sample_rate=manner.sample_rate,
        webhook_url=speech.webhook_url,
        **(view_fields(job, position) | {"progress": _progress(job, position)}),
        **(_made(job, base, times) if times else NOT_YET),
    )


def audio_path(job: Job) -> str:
    """Where the sound of a job is. Ends like a file of its kind: some programs look at that."""
    return f"/v1/speech/{job.id}/audio.{FORMATS[Speech.of(job.request).manner.format].extension}"


def voice_view(voice: Voice, offers: Sequence[Offer], base: str) -> VoiceView:
    model = model_of(voice)
    offer = next((each for each in offers if (each.provider, each.model) == (LOCAL, model)), None)
    return VoiceView(
        id=voice.id,
        object="voice",
        name=voice.id,
        engine=voice.engine,
        model=model,
        languages=list(voice.languages),
        gender=voice.gender,
        sample_rate=voice.sample_rate,
        licence=voice.licence,
        aliases=list(voice.aliases),
        available=offer.available if offer else False,
        reason=offer.reason if offer else "no worker has reported its model yet",
        sample_url=f"{base}/v1/voices/{quote(voice.id, safe='')}/sample",
    )


def _progress(job: Job, position: int | None) -> SpeechProgress | None:
    found = progress_of(job, position)
    if found is None:
        return None
    stage, sentence, sentences = parsed(found.stage)
    return SpeechProgress(**(found.model_dump() | {"stage": stage}), sentence=sentence, sentences=sentences)


def _made(job: Job, base: str, times: Times) -> dict[str, Any]:
    facts = facts_of(job)
    assert facts, "times are those of a result"
    return {
        "audio_url": base + audio_path(job),
        "size_bytes": facts.size_bytes,
        "duration_ms": facts.duration_ms,
        "characters": facts.characters,
        "cached": was_cached(job),
        "sentences": [asdict(each) for each in times.sentences],
        "words": None if times.words is None else [asdict(each) for each in times.words],
    }
