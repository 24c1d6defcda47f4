"""The `Prefer: wait=N` header (RFC 7240): how long a client likes to wait for a job's end."""

import re

LONGEST_SECONDS = 60
"""Proxies give a silent connection up after about this long."""

WAIT = re.compile(r"\bwait\s*=\s*\"?(\d{1,6})\"?")


def wait_preference(header: str) -> int:
    """Seconds to wait, 0 without the preference; never more than LONGEST_SECONDS."""
    found = WAIT.search(header)
    return min(int(found.group(1)), LONGEST_SECONDS) if found else 0
