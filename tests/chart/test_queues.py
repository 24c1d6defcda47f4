"""The chart knows which queues a pool's workers consume, however its models are called in values."""

import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from stentor_dev import helm
from stentor_stt import models as hearing
from stentor_stt.transcriptions import queue_of as stt_queue
from stentor_summarize.models import canonical as summary_model
from stentor_summarize.providers import ServedModel
from stentor_summarize.summaries import queue_of as summarize_queue
from stentor_tts.providers import model_of
from stentor_tts.providers import queue_of as tts_queue
from stentor_tts.voices import KNOWN, VoiceSetting, voice_of

Object = dict[str, Any]

HEARING = [
    *hearing.HUB,
    *hearing.ALIASES,
    *dict.fromkeys(hearing.HUB.values()),
    *(f"openai/whisper-{name.removeprefix('whisper-')}" for name in hearing.HUB),
    "whisper-large-v3",
    "someone/large (v3): my own, which has a name of many more characters than a queue may",
    "own_folder",
]
VOICES: list[str | dict[str, str]] = [
    *KNOWN,
    "piper:de_DE-thorsten-medium",
    "piper:en_US-libritts-high#p3922",
    {"engine": "coqui", "model": "tts_models/en/ljspeech/vits", "languages": "en"},
]
SUMMARIES = [
    "extractive",
    "minilm",
    "MiniLM",
    "all-MiniLM-L6-v2",
    "extractive:sentence-transformers/all-MiniLM-L6-v2",
    "transformers:facebook/bart-large-cnn",
    "transformers:own:model",
]


def recording(name: str) -> str:
    return stt_queue(hearing.canonical(name))


def summary(name: str) -> str:
    return summarize_queue(ServedModel.of(name).model)


def voice(setting: str | dict[str, str]) -> str:
    told = setting if isinstance(setting, str) else VoiceSetting(**{**setting, "languages": ["en"]})
    return tts_queue(model_of(voice_of(told)))


@pytest.mark.parametrize(
    ("capability", "key", "pool", "names", "queue"),
    [
        ("stt", "models", "whisper", HEARING, recording),
        ("tts", "voices", "voices", VOICES, voice),
        ("summarize", "models", "summaries", SUMMARIES, summary),
    ],
    ids=["stt", "tts", "summarize"],
)
def test_queues_are_those_of_the_product(
    render: Callable[..., list[Object]],
    capability: str,
    key: str,
    pool: str,
    names: list[Any],
    queue: Callable[[Any], str],
) -> None:
    listed = [name if isinstance(name, str) else {**name, "languages": ["en"]} for name in names]
    objects = render(
        services={capability: {key: listed}}, pools={pool: {"autoscaling": {"enabled": True, "min": 0}}}
    )
    (scaled,) = [each["spec"] for each in objects if each["kind"] == "ScaledObject"]
    pattern = scaled["triggers"][0]["metadata"]["queueName"]
    wanted = {queue(name) for name in names}
    assert set(pattern.removeprefix("^(").removesuffix(")$").replace("\\.", ".").split("|")) == wanted
    # The broker takes what is found anywhere for a match, and looks at all queues, those of dead letters too.
    assert all(re.search(pattern, name) for name in wanted)
    assert not any(re.search(pattern, f"{name}.dead") or re.search(pattern, f"x{name}") for name in wanted)


def test_the_chart_has_every_name_that_the_product_knows() -> None:
    told = yaml.safe_load((helm.CHART / "files" / "model-names.yaml").read_text())
    names = {*hearing.HUB, *hearing.ALIASES, *hearing.HUB.values()}
    own = {name: hearing.canonical(name) for name in names}
    assert told["stt"] == {name: called for name, called in own.items() if name != called}
    assert told["tts"] == {name: model_of(each) for name, each in KNOWN.items()}
    assert all(summary_model(name) == called for name, called in told["summarize"].items())
