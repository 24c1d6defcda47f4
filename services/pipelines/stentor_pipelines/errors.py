"""What can be wrong with a pipeline; the message says what to do about it.

AppError
├── StepFailed          a step's job failed; says which and why
BadInput
├── TooManySteps        more than this installation takes
└── NoSuchStep          asked to run again from a step that the pipeline does not have
Conflict
└── StepsNotDone        asked to run again from a step whose input is not there
"""

from stentor_common.errors import AppError, BadInput, Conflict


class StepFailed(AppError):
    """Not tried again: the step's own job was."""

    def __init__(self, number: int, do: str, error: AppError) -> None:
        super().__init__(f"step {number} ({do}): {error.message}", param=f"steps.{number}")
        self.status, self.code = error.status, error.code


class TooManySteps(BadInput):
    code = "too_many_steps"

    def __init__(self, most: int) -> None:
        super().__init__(f"a pipeline has at most {most} steps here", param="steps")


class NoSuchStep(BadInput):
    code = "no_such_step"

    def __init__(self, step: int | str, there: str) -> None:
        super().__init__(f"the pipeline has no step {step}; it has {there}", param="from")


class StepsNotDone(Conflict):
    code = "steps_not_done"

    def __init__(self, number: int) -> None:
        super().__init__(f"the steps before step {number} are not done; run it again from an earlier one")
