"""Why an installer failed, in a sentence that says what to do."""

import re

from packaging.utils import canonicalize_name

from stentor_common.errors import AppError, Unavailable
from stentor_deploy.environments.plan import Plan
from stentor_deploy.environments.pythons import Interpreter
from stentor_deploy.errors import BuildFailed

LONGEST = 700
MOST_WORDS = 50_000
"""Characters that are looked at: the last ones."""

# Bounded, and only at the beginning of a word: what is searched may be long, and somebody's choice.
NAME = r"(?<![\w.-])(?P<name>[A-Za-z0-9](?:[\w.-]{0,100}\w)?)(?:\[[^\]]{0,100}\])?"
WISH = r"(?P<wish>(?:[=<>!~]{1,3}[\w.*+!-]{1,60},?){0,5})"
UNREACHABLE = re.compile(
    r"Failed to fetch|error sending request|NewConnectionError|ConnectTimeoutError|ReadTimeoutError"
    r"|Temporary failure in name resolution|dns error"
)
NO_SPACE = re.compile(r"No space left on device|os error 28")

NO_WHEEL = (
    "{what} has no build (wheel) for Python {python} on this system ({platform}){sources}; "
    "ask for another version"
)
UNKNOWN = "check how it is spelled, or put its code under packages/"
SITUATIONS = tuple(
    (re.compile(pattern), sentence)
    for pattern, sentence in (
        (
            rf"{NAME}{WISH} was not found in the (?:package registry|provided)",
            f"there is no package `{{name}}` on the package index of this server; {UNKNOWN}",
        ),
        (rf"{NAME}{WISH} has no (?:usable )?wheels", NO_WHEEL),
        (rf"Wheels are required for `{NAME}`", NO_WHEEL),
        (
            rf"there (?:is|are) no versions? of {NAME}{WISH}",
            "the package index has no version of {name} that is {wish}",
        ),
        (
            rf"the requirement {NAME}{WISH} \(from versions: none\)",
            f"the package index has no `{{what}}` that can be used with Python {{python}}; {UNKNOWN}",
        ),
        (
            rf"No matching distribution found for {NAME}{WISH}",
            "the package index has no version of {name} that is {wish} and can be used with Python {python}",
        ),
    )
)
CONTRADICTION = re.compile(r"cause: Because (?P<cause>.*?)(?=\n\s*\n|\nhint:|\Z)", re.DOTALL)
PIP_CONTRADICTION = re.compile(r"ERROR: (?P<cause>Cannot install .*?)(?=\n\s*\nTo fix this|\Z)", re.DOTALL)
ANY_ERROR = re.compile(r"^\s*(?:ERROR|error|cause): (?P<cause>.+)$", re.MULTILINE)
STEP = re.compile(r"\.? And because ")
ONLY_ASKED = re.compile(r"(you require \S+( and )?)+")


def explained(words: str, plan: Plan, interpreter: Interpreter, *, sources: bool = False) -> AppError:
    """The error for what an installer said last: BuildFailed, or Unavailable where another attempt may do."""
    words = words[-MOST_WORDS:]
    if UNREACHABLE.search(words):
        return Unavailable("the package index cannot be reached; try again later")
    if NO_SPACE.search(words):
        return Unavailable("the server has no space left for this environment; have old ones removed")
    sentence, name = _situation(words, interpreter, sources=sources)
    pickled = f"; {name} is held to the version that the model was saved with" if name in plan.pickled else ""
    asked = "".join(f"; {note.message}" for note in plan.notes if note.code == "other_python")
    return BuildFailed(f"{sentence}{pickled}{asked}"[:LONGEST])


def _situation(words: str, interpreter: Interpreter, *, sources: bool) -> tuple[str, str]:
    """What is wrong, and the package it is about."""
    if "depends on" not in words and "The conflict is caused by" not in words:
        for pattern, sentence in SITUATIONS:
            found = pattern.search(words)
            if found:
                return _told(sentence, found, interpreter, sources=sources)
    for pattern in (CONTRADICTION, PIP_CONTRADICTION):
        found = pattern.search(words)
        if found:
            return f"the requirements cannot be met together: {_premises(found['cause'])}", ""
    causes = [found["cause"] for found in ANY_ERROR.finditer(words)]
    return f"the requirements cannot be installed: {': '.join(causes) or 'the installer gave no reason'}", ""


def _premises(cause: str) -> str:
    """What a derivation stands on, without what follows from it, and what its reader has written."""
    steps = STEP.split(" ".join(cause.split()))
    premises = [step.partition(", we can conclude that ")[0] for step in steps]
    telling = [premise for premise in premises if not ONLY_ASKED.fullmatch(premise)]
    return "; ".join(telling or premises)


def _told(
    sentence: str, found: "re.Match[str]", interpreter: Interpreter, *, sources: bool
) -> tuple[str, str]:
    groups = found.groupdict()
    name, wish = groups["name"], (groups.get("wish") or "").strip(",")
    text = sentence.format(
        name=name,
        what=f"{name}{wish}",
        wish=wish or "usable",
        python=interpreter.python,
        platform=interpreter.platform,
        sources="" if sources else ", and building it from source is not allowed here",
    )
    return text, canonicalize_name(name)
