"""`python -m stentor_allinone.settings_page FILE`: writes down all settings, from the code."""

import json
import sys
from enum import Enum
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from stentor_auth.settings import AuthSettings
from stentor_common.settings import Settings
from stentor_deploy.running.kubernetes.settings import KubernetesSettings
from stentor_deploy.settings import DeploySettings
from stentor_stt.settings import SttSettings
from stentor_summarize.settings import SummarizeSettings
from stentor_tts.settings import TtsSettings

HEAD = """# Settings

Environment variables, read once at the start. Lists and objects are JSON. A `.env` file is not read.
This page is written by `make reference` from the code.
"""

PARTS: tuple[tuple[str, type[BaseSettings]], ...] = (
    ("Platform: every process", Settings),
    ("Auth", AuthSettings),
    ("Speech to text", SttSettings),
    ("Text to speech", TtsSettings),
    ("Summaries", SummarizeSettings),
    ("Deployments", DeploySettings),
    ("Deployments: models as pods", KubernetesSettings),
)


def page() -> str:
    """The settings of all services as Markdown tables."""
    return "\n".join([HEAD, *(_part(title, kind) for title, kind in PARTS)])


def _part(title: str, kind: type[BaseSettings]) -> str:
    prefix = kind.model_config.get("env_prefix", "")
    rows = [_row(f"{prefix}{name}".upper(), field) for name, field in kind.model_fields.items()]
    return "\n".join([f"## {title}", "", "| variable | default | meaning |", "|---|---|---|", *rows, ""])


def _row(variable: str, field: FieldInfo) -> str:
    meaning = " ".join((field.description or "").split()).replace("|", "\\|")
    return f"| `{variable}` | {_shown(field.get_default(call_default_factory=True))} | {meaning} |"


def _shown(value: Any) -> str:
    if value is None or value == "" or isinstance(value, SecretStr):
        return ""
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, bool | list | dict):
        value = json.dumps(value)
    return f"`{value}`"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page())
