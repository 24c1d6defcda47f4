"""The one list of everything. Only this package may import more than one service."""

from dataclasses import dataclass
from typing import Any, Self

from stentor_auth.service import build_authenticator, open_parts
from stentor_auth.service import build_service as build_auth
from stentor_auth.settings import AuthSettings
from stentor_common.process import Authenticate
from stentor_common.service import Service
from stentor_common.settings import Settings
from stentor_deploy.service import build_service as build_deploy
from stentor_deploy.settings import DeploySettings
from stentor_pipelines.service import build_service as build_pipelines
from stentor_pipelines.settings import PipelineSettings
from stentor_stt.service import build_service as build_stt
from stentor_stt.settings import SttSettings
from stentor_summarize.service import build_service as build_summarize
from stentor_summarize.settings import SummarizeSettings
from stentor_tts.service import build_service as build_tts
from stentor_tts.settings import TtsSettings


@dataclass(frozen=True, slots=True)
class AllSettings:
    """The settings of the platform and of every service."""

    common: Settings
    auth: AuthSettings
    stt: SttSettings
    tts: TtsSettings
    summarize: SummarizeSettings
    pipelines: PipelineSettings
    deploy: DeploySettings

    @classmethod
    def read(cls, **common: Any) -> Self:
        """From the environment, with some of the platform's settings given."""
        return cls(
            Settings(**common),
            AuthSettings(),
            SttSettings(),
            TtsSettings(),
            SummarizeSettings(),
            PipelineSettings(),
            DeploySettings(),
        )


@dataclass(frozen=True, slots=True)
class Everything:
    services: list[Service]
    authenticate: Authenticate
    """How it is known who calls: of the auth service's own functions, without HTTP between."""


def compose(settings: AllSettings) -> Everything:
    """Raises SigningKeyUnusable, and BadInput for settings that cannot be. Loads no model library."""
    auth = open_parts(settings.auth, settings.common)
    return Everything(
        services=[
            build_stt(settings.common, settings.stt),
            build_tts(settings.common, settings.tts),
            build_summarize(settings.common, settings.summarize),
            build_pipelines(settings.pipelines),
            build_deploy(settings.common, settings.deploy),
            build_auth(auth),
        ],
        authenticate=lambda runtime: build_authenticator(runtime, auth),
    )
