"""What a person sees once everything is up."""

import sys

from stentor_common.runtime import Runtime

TEXT = """
Stentor is up at {url}

  Transcribe a recording:
    curl -F file=@talk.mp3 -H 'Prefer: wait=60' {url}/v1/transcriptions
  API reference:  {url}/docs
  Data lives in:  {data}
  Stop with Ctrl-C; nothing is lost, unfinished jobs go on at the next start.
"""


def say_where(url: str, runtime: Runtime) -> None:
    """To standard error, where the log is too."""
    sys.stderr.write(TEXT.format(url=url, data=runtime.settings.data_dir.resolve()) + "\n")
