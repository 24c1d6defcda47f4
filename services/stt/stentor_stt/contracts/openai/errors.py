"""Errors of the OpenAI audio contract: the usual body, with the codes and fields that its clients know."""

from fastapi.responses import Response

from stentor_common import openai_words
from stentor_common.problems import Problem, envelope
from stentor_stt.contracts.openai.form import REFERENCES

PARAMS = {
    "unknown_language": "language",
    "task_not_offered": "model",
    "audio_unreadable": "file",
    "audio_empty": "file",
    "audio_too_long": "file",
    "upload_too_large": "file",
    "clip_outside": "clip_start_ms",
    "speaker_silent": REFERENCES,
}
"""Which field is to blame for what a job failed of; its row does not keep that."""


def in_openai_words(problem: Problem) -> Problem:
    return openai_words.in_openai_words(problem, PARAMS)


def render_error(problem: Problem) -> Response:
    return envelope(in_openai_words(problem))
