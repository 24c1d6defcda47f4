"""What is common to the ways of the DeepSpeech REST API to send a file: hot-words, and the answer."""

import math
from collections.abc import Mapping
from typing import Any

from stentor_common.errors import BadInput
from stentor_common.jobs.table import Job
from stentor_common.runtime import Runtime
from stentor_stt.fields import MOST_TERMS
from stentor_stt.options import Hotword
from stentor_stt.plain import plain
from stentor_stt.transcriptions import transcript_of

MISSING = "Audio not provided"
"""As the original says it: programs compare."""

LARGEST_BOOST = 1000.0
LONGEST = 100


def hotwords(fields: Mapping[str, Any]) -> tuple[Hotword, ...]:
    """Words with their boosts, as text or numbers. Raises BadInput."""
    check_count(fields)
    return tuple(_hotword(word, boost) for word, boost in fields.items())


def check_count(fields: Mapping[str, Any]) -> None:
    """Raises BadInput when there are more than anybody listens for."""
    if len(fields) > MOST_TERMS:
        raise BadInput(f"at most {MOST_TERMS} hot-words can be listened for")


async def answer(runtime: Runtime, job: Job) -> dict[str, Any]:
    """The text of a completed job, and the seconds it took, waiting left out."""
    found = await transcript_of(runtime, job)
    assert found is not None, "a completed job has a result"
    assert job.finished_at, "and has ended"
    took = job.finished_at - (job.started_at or job.created_at)
    return {"message": plain(found[0].text), "time": took.total_seconds()}


def _hotword(word: str, sent: Any) -> Hotword:
    if not 0 < len(word.strip()) <= LONGEST:
        raise BadInput(f"a hot-word has 1 to {LONGEST} characters", param=word[:LONGEST])
    try:
        boost = float(sent)
    except (TypeError, ValueError):
        boost = math.nan
    if not abs(boost) <= LARGEST_BOOST:
        raise BadInput(
            f"the boost of hot-word {word!r} must be a number, at most {LARGEST_BOOST:.0f} above or below 0",
            param=word,
        )
    return Hotword(word.strip(), boost)
