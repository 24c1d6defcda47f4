"""What installers say when they fail, told to who asked."""

from datetime import date
from pathlib import Path

import pytest

from stentor_common.errors import Unavailable
from stentor_deploy.environments.explaining import explained
from stentor_deploy.environments.plan import Plan, relaxed
from stentor_deploy.environments.pythons import Interpreter
from stentor_deploy.errors import BuildFailed
from stentor_deploy.packages import Note

HERE = Interpreter(Path("/usr/bin/python3.11"), (3, 11), "cpython-linux-x86_64-glibc")

UV = """error: No solution found when resolving dependencies
  cause: Because {}, we can conclude that your requirements are unsatisfiable.
"""
UV_WHEEL = UV.format("openai-whisper==1 has no usable wheels and you require openai-whisper==1")
UV_CONFLICT = """error: No solution found when resolving dependencies
  cause: Because tensorflow-cpu==2.15.0 depends on numpy>=1.23.5,<2.0.0 and you require numpy==2.4.6, we can
         conclude that your requirements and tensorflow-cpu==2.15.0 are incompatible.
         And because you require tensorflow-cpu==2.15.0, we can conclude that your requirements are
         unsatisfiable.

hint: something else
"""
PIP = """Looking in indexes: https://example.com/simple
ERROR: Could not find a version that satisfies the requirement {} (from versions: {})
ERROR: No matching distribution found for {}
"""
PIP_CONFLICT = """ERROR: Cannot install numpy==2.4.6 and tensorflow-cpu==2.15.0 because these package \
versions have conflicting dependencies.

The conflict is caused by:
    The user requested numpy==2.4.6
    tensorflow-cpu 2.15.0 depends on numpy<2.0.0 and >=1.23.5

To fix this you could try to:
1. loosen the range of package versions you've specified
"""


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            UV.format("nowhere was not found in the package registry and you require nowhere"),
            "there is no package `nowhere` on the package index of this server; check how it is spelled, or "
            "put its code under packages/",
        ),
        (
            UV.format("there is no version of scikit-learn==99 and you require scikit-learn==99"),
            "the package index has no version of scikit-learn that is ==99",
        ),
        (
            UV.format("only numpy<=2 is available and you require numpy>=9"),
            "the requirements cannot be met together: only numpy<=2 is available and you require numpy>=9",
        ),
        (
            UV_WHEEL,
            "openai-whisper==1 has no build (wheel) for Python 3.11 on this system "
            "(cpython-linux-x86_64-glibc), and building it from source is not allowed here; "
            "ask for another version",
        ),
        (
            UV_CONFLICT,
            "the requirements cannot be met together: tensorflow-cpu==2.15.0 depends on "
            "numpy>=1.23.5,<2.0.0 and you require numpy==2.4.6",
        ),
        (
            PIP.format("nowhere", "none", "nowhere"),
            "the package index has no `nowhere` that can be used with Python 3.11; check how it is spelled, "
            "or put its code under packages/",
        ),
        (
            PIP.format("joblib==99", "1.5, 1.6", "joblib==99"),
            "the package index has no version of joblib that is ==99 and can be used with Python 3.11",
        ),
        (
            PIP_CONFLICT,
            "the requirements cannot be met together: Cannot install numpy==2.4.6 and tensorflow-cpu==2.15.0 "
            "because these package versions have conflicting dependencies. The conflict is caused by: The "
            "user requested numpy==2.4.6 tensorflow-cpu 2.15.0 depends on numpy<2.0.0 and >=1.23.5",
        ),
        (
            "error: something new\n  cause: the reason\n",
            "the requirements cannot be installed: something new: the reason",
        ),
        ("", "the requirements cannot be installed: the installer gave no reason"),
    ],
)
def test_a_failure_becomes_a_sentence_that_names_the_requirement(words: str, sentence: str) -> None:
    found = explained(words, Plan(()), HERE)
    assert isinstance(found, BuildFailed)
    assert found.message == sentence


@pytest.mark.parametrize(
    "words",
    [
        "error: Request failed after 3 retries in 3.6s\n"
        "  cause: Failed to fetch: https://example.com/simple/foo/\n"
        "  cause: error sending request for url (https://example.com/simple/foo/)\n"
        "  cause: client error (Connect)\n  cause: tcp connect error\n",
        "WARNING: Retrying after connection broken by 'NewConnectionError('...')': /simple/joblib/\n"
        + PIP.format("joblib", "none", "joblib"),
        "error: failed to write\n  cause: No space left on device (os error 28)",
    ],
)
def test_what_may_be_better_later_can_be_tried_again(words: str) -> None:
    assert isinstance(explained(words, Plan(()), HERE), Unavailable)


def test_a_sentence_recalls_what_was_chosen_for_the_package() -> None:
    other = Note(code="other_python", message="the package asks for Python 3.8; it gets 3.11")
    plan = Plan(("openai-whisper==1",), pickled=frozenset({"openai-whisper"}), notes=(other,))
    message = explained(UV_WHEEL, plan, HERE).message
    assert "openai-whisper is held to the version that the model was saved with" in message
    assert other.message in message


def test_a_flood_of_words_becomes_no_flood() -> None:
    assert len(explained("error: " + "x" * 100_000, Plan(()), HERE).message) < 1000


def test_a_build_that_is_missing_is_recognised_in_the_words_of_pip() -> None:
    plan = Plan(("torch==2.13.0+cu999",), before=date(2023, 8, 1))
    second = relaxed(plan, PIP.format("torch==2.13.0+cu999", "2.13.0", "torch==2.13.0+cu999"))
    assert second is not None
    assert second.requirements == ("torch==2.13.0",)
    assert second.before
