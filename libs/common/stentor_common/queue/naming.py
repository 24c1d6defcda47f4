"""Names of the queues that models have: each its own, which the workers that hold it consume."""

import hashlib
import re

LONGEST = 64
"""Characters; rows of jobs keep them."""

DIGITS = 8


def queue_of_model(service: str, model: str) -> str:
    """`SERVICE.MODEL`, with `-` for what a name should not have.

    One that is too long is cut, and ends in digits of the model's SHA-256: paths begin alike.
    """
    name = f"{service}.{re.sub(r'[^A-Za-z0-9._-]+', '-', model)}"
    if len(name) <= LONGEST:
        return name
    digits = hashlib.sha256(model.encode()).hexdigest()[:DIGITS]
    return f"{name[: LONGEST - DIGITS - 1]}-{digits}"
