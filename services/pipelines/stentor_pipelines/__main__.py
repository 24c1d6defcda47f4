"""`python -m stentor_pipelines api|worker`."""

from stentor_common.process import main
from stentor_pipelines.service import build_service
from stentor_pipelines.settings import PipelineSettings

if __name__ == "__main__":
    main(lambda: build_service(PipelineSettings()))
