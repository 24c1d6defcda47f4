"""Examples that packages bring: what to try them with, and what should come out."""

from dataclasses import dataclass
from typing import Any

from stentor_deploy.packages.draft import Draft
from stentor_deploy.packages.yaml_files import read_yaml

MOST = 20
ANSWERS = ("expected", "expected_output", "output")
"""Keys for the answer in a file of examples."""


@dataclass(frozen=True, slots=True)
class Example:
    input: Any
    answer: Any = None
    has_answer: bool = False


def of_metadata(metadata: dict[str, Any]) -> list[Example]:
    """`example_model_input` of Truss, and `example_model_output` beside it."""
    if "example_model_input" not in metadata:
        return []
    has_answer = "example_model_output" in metadata
    return [Example(metadata["example_model_input"], metadata.get("example_model_output"), has_answer)]


def of_file(draft: Draft) -> list[Example]:
    """Those of its file of examples: a list with `input`, or a mapping of names to inputs. Raises
    BadPackage."""
    path = draft.root / draft.config["examples_filename"]
    found = read_yaml(path) if path.is_file() else None
    if isinstance(found, dict):
        found = list(found.values())
    if not isinstance(found, list):
        return []
    if len(found) > MOST:
        draft.note("examples_left_out", f"of {len(found)} examples the first {MOST} are used")
    return [_example(each) for each in found[:MOST]]


def _example(value: Any) -> Example:
    if not isinstance(value, dict) or "input" not in value:
        return Example(value)
    for key in ANSWERS:
        if key in value:
            return Example(value["input"], value[key], has_answer=True)
    return Example(value["input"])
