"""Structured logs: one event per line, with the ids of the request and the job it belongs to.

Code logs through `structlog.get_logger()`; libraries that use the standard library's logging end up
in the same stream. No secret, no header and no user text is ever a field.
"""

import logging
import sys

import structlog
from structlog.types import Processor

from stentor_common.settings import Settings

QUIET = (
    "aiormq",
    "aio_pika",
    "httpcore2",
    "httpx2",
    "urllib3",
    "faster_whisper",
    "aiosqlite",
    "alembic",
    "asyncio",
)
"""Libraries that say more than an operator wants below a warning."""


def configure(settings: Settings) -> None:
    """Send all logs to standard error. Called once, where a process starts."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    if settings.log_format == "json":
        final: list[Processor] = [
            # Plain text: the structured form would also print local variables, and with them secrets.
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ]
    else:
        plain = structlog.dev.plain_traceback
        final = [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    structlog.configure(
        processors=[*shared, *final],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *final],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
