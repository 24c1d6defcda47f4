"""Puts pipelines together."""

from stentor_common.service import Service
from stentor_pipelines import api
from stentor_pipelines.jobs import run_pipeline
from stentor_pipelines.pipelines import KIND, QUEUE
from stentor_pipelines.settings import PipelineSettings
from stentor_pipelines.views import CALLBACKS


def build_service(settings: PipelineSettings) -> Service:
    return Service(
        name="pipelines",
        settings=settings,
        routers=[api.router],
        file_routers=[api.file_router],
        handlers={KIND: run_pipeline},
        queues={QUEUE: settings.jobs_at_once},
        callbacks=CALLBACKS,
    )
