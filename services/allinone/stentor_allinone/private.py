"""A Stentor for one command: on a free port, its URL on standard output, no limit for its only user.

It shares models and nothing else with the user's own installation: jobs and files are in a folder that
goes with it.
"""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from stentor_allinone.compose import AllSettings
from stentor_allinone.up import up
from stentor_common import process
from stentor_common.runtime import Runtime
from stentor_common.settings import Settings


def main() -> None:
    models = Settings().data_dir
    with tempfile.TemporaryDirectory(prefix="stentor-") as folder:
        settings = AllSettings.read(
            data_dir=Path(folder), host="127.0.0.1", port=0, anonymous_jobs_per_minute=0, log_level="error"
        )
        own = replace(
            settings,
            stt=settings.stt.model_copy(update={"model_dir": settings.stt.model_dir or models}),
            tts=settings.tts.model_copy(update={"model_dir": settings.tts.model_dir or models}),
            summarize=settings.summarize.model_copy(
                update={"model_dir": settings.summarize.model_dir or models}
            ),
            deploy=settings.deploy.model_copy(update={"model_dir": settings.deploy.model_dir or models}),
        )
        process.run(own.common, lambda: up(own, _say_url))


def _say_url(url: str, _runtime: Runtime) -> None:
    sys.stdout.write(f"{url}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    with process.clear_failures():
        main()
