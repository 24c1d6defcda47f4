"""What a reader of the source may count on: settings are explained, nothing is left for later."""

import re
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

from stentor_auth.settings import AuthSettings
from stentor_common.settings import Settings
from stentor_deploy.running.kubernetes.settings import KubernetesSettings
from stentor_deploy.settings import DeploySettings
from stentor_stt.settings import SttSettings
from stentor_summarize.settings import SummarizeSettings
from stentor_tts.settings import TtsSettings

ROOT = Path(__file__).parents[2]
FOLDERS = ("libs", "services", "dev", "tests", "benchmarks", "alembic", "docs")
LATER = re.compile("|".join(("TO" + "DO", "FIX" + "ME", "X" * 3 + r"\b", r"\bHA" + "CK")))


ALL = [
    Settings,
    AuthSettings,
    SttSettings,
    TtsSettings,
    SummarizeSettings,
    DeploySettings,
    KubernetesSettings,
]


@pytest.mark.parametrize("settings", ALL)
def test_every_setting_says_what_it_does(settings: type[BaseSettings]) -> None:
    silent = [name for name, field in settings.model_fields.items() if not field.description]
    assert silent == []


@pytest.mark.parametrize("settings", ALL)
def test_the_defaults_need_nothing(settings: type[BaseSettings]) -> None:
    settings()


def test_nothing_is_left_for_later() -> None:
    files = [
        path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".md")
    ]
    left = [
        f"{path.relative_to(ROOT)}: {found}" for path in files for found in LATER.findall(path.read_text())
    ]
    assert left == []
