"""Inputs that are lists, joined for one call, and its answer taken apart again."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from stentor_deploy.runner import frames


class Joined(NamedTuple):
    """Several inputs as one."""

    inputs: list[Any]
    lengths: list[int]
    """Of each input, in order."""


def join(asked: list[frames.Call]) -> Joined | None:
    """None where one of them is no JSON list with something in it: then each is asked by itself."""
    inputs: list[Any] = []
    lengths: list[int] = []
    for each in asked:
        try:
            value = json.loads(each.body) if each.kind == frames.JSON else None
        except ValueError:
            return None
        if not isinstance(value, list) or not value or each.method != "predict":
            return None
        inputs += value
        lengths.append(len(value))
    return Joined(inputs, lengths)


def take_apart(answer: Any, lengths: list[int]) -> list[Any] | None:
    """The answer of each: slices of a list or array as long as all inputs, or a dict of such. None where
    it has another shape, so that nobody is given a part that is another's."""
    total = sum(lengths)
    if isinstance(answer, dict) and answer:
        columns = {key: take_apart(value, lengths) for key, value in answer.items()}
        if any(column is None for column in columns.values()):
            return None
        return [
            {key: column[index] for key, column in columns.items() if column is not None}
            for index in range(len(lengths))
        ]
    if isinstance(answer, (str, bytes, dict, set)) or not hasattr(answer, "__getitem__"):
        return None
    try:
        if len(answer) != total:
            return None
        # Frames and columns of pandas are cut by position, like everything else.
        cut = getattr(answer, "iloc", answer)
        ends = [sum(lengths[: index + 1]) for index in range(len(lengths))]
        return [cut[end - length : end] for end, length in zip(ends, lengths)]
    except (TypeError, IndexError, KeyError):
        return None
