"""Every table of every installed service, for migrations."""

import importlib
import importlib.util

from sqlalchemy import MetaData

from stentor_common.db import Base

TABLE_MODULES = (
    "stentor_common.jobs.table",
    "stentor_common.throttle",
    "stentor_common.sweep",
    "stentor_common.catalog",
    "stentor_common.wishes",
    "stentor_common.webhooks.table",
    "stentor_common.uploads.table",
    "stentor_auth.tables",
    "stentor_stt.tables",
    "stentor_tts.tables",
    "stentor_summarize.tables",
    "stentor_pipelines.tables",
    "stentor_deploy.tables",
)


def load_tables() -> MetaData:
    """Import the table modules that this installation has, and return what they define."""
    for name in TABLE_MODULES:
        if importlib.util.find_spec(name.split(".")[0]):
            importlib.import_module(name)
    return Base.metadata
