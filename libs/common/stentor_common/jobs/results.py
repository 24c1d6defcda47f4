"""Where results are kept: small ones in the job's row, large ones as objects named after the job."""

import json
from collections.abc import AsyncIterator
from typing import Any

from stentor_common.jobs.table import Job
from stentor_common.store import Store

INLINE_BYTES = 64 * 1024
"""Above this a result is an object: rows stay quick to read and a database small enough to back up."""


async def keep(
    store: Store, run_name: str, result: dict[str, Any]
) -> tuple[dict[str, Any] | None, str | None]:
    """Save a result; returns what goes into the row: the result itself, or the key of its object.

    Each run has its own name: one that lost its lease may delete what it wrote and harm no other.
    """
    encoded = json.dumps(result, separators=(",", ":"), ensure_ascii=False).encode()
    if len(encoded) <= INLINE_BYTES:
        return result, None
    key = f"results/{run_name}.json"

    async def chunks() -> AsyncIterator[bytes]:
        yield encoded

    await store.save(key, chunks())
    return None, key


async def result_of(store: Store, job: Job) -> dict[str, Any] | None:
    """The result of a job, from wherever it is; None while there is none."""
    if job.result_key is None:
        return job.result
    found: dict[str, Any] = json.loads(b"".join([chunk async for chunk in store.read(job.result_key)]))
    return found
