"""What each step is: the service that does it, what it is given, and what it gives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from pydantic import TypeAdapter

from stentor_pipelines.schemas import Do, Step

SERVICES = {Do.transcribe: "stt", Do.summarize: "summarize", Do.speak: "tts"}
PATHS = {Do.transcribe: "/v1/transcriptions", Do.summarize: "/v1/summaries", Do.speak: "/v1/speech"}
"""Where the jobs of steps show their whole results."""

SOME_TEXT = "A text."
"""Stands for the text that is not there yet, when a step's options are checked."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A step in the form in which it is done: diarizing is part of transcribing."""

    do: Do
    options: Mapping[str, Any]

    @property
    def service(self) -> str:
        return SERVICES[self.do]

    def asked(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The request to the service, with what the step is given."""
        return {**self.options, **given}


@dataclass(frozen=True, slots=True)
class Flow:
    """What a job row of a pipeline asks for."""

    stages: tuple[Stage, ...]
    source: Mapping[str, Any]
    """`audio_url`, `upload_id` or `text`."""
    rerun_of: str | None = None
    first: int = 0
    """Steps before this one are taken over."""
    attached: str | None = None
    """Upload that came with the request."""
    webhook_url: str | None = None
    trace: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, request: dict[str, Any]) -> Self:
        return _STORED.validate_python(request)  # type: ignore[return-value]

    def to_json(self) -> dict[str, Any]:
        stored: dict[str, Any] = _STORED.dump_python(self, mode="json")
        return stored

    def given(self, number: int, outputs: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        """What a step is given, by the outputs of those before it."""
        return {"text": outputs[number - 1]["text"]} if number else self.source

    def sample(self, number: int) -> Mapping[str, Any]:
        """Something of the kind that the step will be given."""
        return {"text": SOME_TEXT} if number else self.source


_STORED = TypeAdapter(Flow)


def stages_of(steps: Sequence[Step]) -> tuple[Stage, ...]:
    """Steps as they are done."""
    stages: list[Stage] = []
    for step in steps:
        if step.do is Do.diarize:
            last = stages.pop()
            stages.append(Stage(last.do, {**last.options, **step.options, "diarize": True}))
        else:
            stages.append(Stage(step.do, step.options))
    return tuple(stages)
