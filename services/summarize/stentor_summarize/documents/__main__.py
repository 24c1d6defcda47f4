"""`python -m stentor_summarize.documents TASK`: reads the one document that standard input is, and answers on
standard output. Started by `stentor_summarize.extraction`, of no use to people."""

import json
import os
import signal
import sys
from dataclasses import asdict
from types import FrameType
from typing import Any

from pydantic import TypeAdapter

from stentor_common import confinement
from stentor_summarize.documents.reading import extracted
from stentor_summarize.documents.wire import Failure, Fault, Refused, Task

BACKSTOP = 1.5
"""The system ends a process that uses so many times the seconds it has: one that cannot be told so itself."""


def main(task: Task) -> None:
    # So that a name in a traceback, or a word of a library, is not taken for the answer.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    with open(0, "rb", closefd=False) as file:
        try:
            answer: Any = asdict(extracted(file, task, lambda: _confine(answers.fileno(), task)))
        except Refused as error:
            answer = asdict(error.failure)
        except MemoryError:
            answer = asdict(Failure(Fault.TOO_BIG))
        except Exception as error:
            answer = asdict(Failure(Fault.BROKEN, remark=repr(error)[:500]))
    answers.write(json.dumps(answer).encode())
    answers.flush()


def _confine(answers: int, task: Task) -> None:
    signal.signal(signal.SIGPROF, _too_slow)
    signal.setitimer(signal.ITIMER_PROF, task.bounds.seconds)
    confinement.confine(
        (answers,),
        memory_mib=task.bounds.memory_mib,
        cpu_seconds=round(BACKSTOP * task.bounds.seconds) + 1,
    )


def _too_slow(_number: int, _frame: FrameType | None) -> None:
    raise Refused(Fault.TOO_SLOW)


if __name__ == "__main__":
    main(TypeAdapter(Task).validate_json(sys.argv[1]))
    # What libraries tidy up at the end may want a thread or a file.
    os._exit(0)
