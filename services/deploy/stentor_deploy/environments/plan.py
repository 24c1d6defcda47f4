"""What is asked of the resolver: requirements of a package after everything that is known of it."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from stentor_deploy.environments import Wanted
from stentor_deploy.environments.requirements import name_of
from stentor_deploy.errors import BuildFailed
from stentor_deploy.packages import Note

COMPANIONS = ("torchaudio", "torchvision")
"""Written down beside torch by packaging tools, used or not; without a version they may not fit it."""

LAZY_USERS = frozenset({"transformers", "timm"})
"""Import companions when they feel like it, so that the package's own imports do not tell."""

FIRST_FOR_NUMPY_2 = {
    "scikit-learn": Version("1.4.2"),
    "scipy": Version("1.13"),
    "pandas": Version("2.2.2"),
    "torch": Version("2.3"),
    "onnxruntime": Version("1.19"),
    "matplotlib": Version("3.8.4"),
}
"""Earlier wheels are compiled for NumPy 1 and crash with 2, which their metadata does not say."""

OLDEST = date(2015, 1, 1)
"""Files that are older have no date, in truth."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One attempt to resolve."""

    requirements: tuple[str, ...]
    constraints: tuple[str, ...] = ()
    """For what is installed at all; these ask for nothing by themselves."""
    own_builds: tuple[str, ...] = ()
    """Further ones: builds that the operator laid out for this machine."""
    before: date | None = None
    """Versions of this day and earlier."""
    pickled: frozenset[str] = frozenset()
    """Names that are held to the version of a pickle."""
    notes: tuple[Note, ...] = ()


def planned(
    wanted: Wanted, asked: Sequence[Requirement], *, own_builds: Iterable[str] = (), today: date
) -> Plan:
    """The first and strictest attempt. `own_builds` are lines `name==version+build`. Raises BuildFailed where
    requirements and pickles contradict each other."""
    kept, dropped = _without_companions(asked, wanted.imports)
    pinned, pins = _as_pickled(kept, wanted)
    cap, capped = _numpy_1(pinned)
    builds = [line for line in own_builds if _may_be(Requirement(line), pinned)]
    return Plan(
        requirements=tuple(map(str, pinned)),
        constraints=cap,
        own_builds=tuple(builds),
        before=_day(wanted.made_on, kept, today),
        pickled=frozenset(canonicalize_name(name) for name, _ in wanted.pickled_with),
        notes=(*dropped, *pins, *capped),
    )


def relaxed(plan: Plan, words: str) -> Plan | None:
    """The next attempt, after one that failed with these words; None when nothing is left to give up."""
    for line in plan.requirements:
        requirement = Requirement(line)
        public = _public(requirement)
        if public != line and _mentions(words, f"{name_of(requirement)}{requirement.specifier}"):
            lines = tuple(public if other == line else other for other in plan.requirements)
            text = f"`{line}` is not to be had here; taken as `{public}`"
            return replace(plan, requirements=lines, notes=(*plan.notes, _note("build_not_found", text)))
    if any(_mentions(words, name_of(Requirement(line))) for line in plan.own_builds):
        return replace(plan, own_builds=())
    if plan.before:
        text = (
            f"the index has no versions of {plan.before} that fit, or does not say when its files came; "
            "today's versions are taken for requirements without a version"
        )
        return replace(plan, before=None, notes=(*plan.notes, _note("date_not_used", text)))
    return None


def _without_companions(
    asked: Sequence[Requirement], imports: frozenset[str]
) -> tuple[list[Requirement], list[Note]]:
    beside_torch = any(name_of(requirement) == "torch" for requirement in asked)
    if not (beside_torch and imports) or imports & LAZY_USERS:
        return list(asked), []
    unused = {
        name_of(requirement)
        for requirement in asked
        if name_of(requirement) in COMPANIONS
        and name_of(requirement) not in imports
        and not (requirement.specifier or requirement.url)
    }
    text = "{} is left out: the package does not import it"
    notes = [_note("requirement_dropped", text.format(name)) for name in sorted(unused)]
    return [requirement for requirement in asked if name_of(requirement) not in unused], notes


def _as_pickled(asked: list[Requirement], wanted: Wanted) -> tuple[list[Requirement], list[Note]]:
    found, notes = list(asked), []
    for library, version in sorted(wanted.pickled_with):
        pin = _pin(library, version)
        said = [requirement for requirement in asked if name_of(requirement) == canonicalize_name(library)]
        if pin is None or any(requirement.url for requirement in said):
            continue
        if wanted.allow_mismatch:
            found += [] if said else [Requirement(pin.name)]
            continue
        for requirement in said:
            if not _admits(requirement.specifier, Version(version)):
                raise BuildFailed(
                    f"the model was saved with {pin.name} {version}, and the requirements ask for "
                    f"`{requirement}`: ask for {pin.name}=={version}, save the model anew, or deploy with "
                    "allow_mismatch to load it with another version all the same"
                )
        if not any(_exact(requirement) for requirement in said):
            found.append(pin)
            notes.append(_note("version_of_pickle", f"{pin}: the model was saved with it"))
    return found, notes


def _numpy_1(pinned: Sequence[Requirement]) -> tuple[tuple[str, ...], list[Note]]:
    """Which NumPy old wheels need, where the package does not say."""
    if any(name_of(requirement) == "numpy" and requirement.specifier for requirement in pinned):
        return (), []
    for requirement in pinned:
        version, first = _exact(requirement), FIRST_FOR_NUMPY_2.get(name_of(requirement))
        if version and first and version < first:
            return ("numpy<2",), [_note("numpy_1", f"`{requirement}` is compiled for NumPy 1: numpy<2")]
    return (), []


def _day(made_on: date | None, asked: Sequence[Requirement], today: date) -> date | None:
    unsaid = any(not (requirement.specifier or requirement.url) for requirement in asked)
    return made_on if made_on and unsaid and OLDEST <= made_on < today else None


def _may_be(build: Requirement, asked: Sequence[Requirement]) -> bool:
    """Whether a build contradicts nothing that is asked."""
    version = _exact(build)
    same = [requirement for requirement in asked if name_of(requirement) == name_of(build)]
    return version is not None and all(
        not requirement.url and requirement.specifier.contains(version, prereleases=True)
        for requirement in same
    )


def _admits(specifier: SpecifierSet, version: Version) -> bool:
    """Also `==2.3.0+cpu` admits 2.3.0: a pickle does not know builds."""
    public = SpecifierSet(re.sub(r"\+[\w.]+", "", str(specifier)))
    return public.contains(version, prereleases=True)


def _exact(requirement: Requirement) -> Version | None:
    """The one version that is asked for."""
    for specifier in requirement.specifier:
        if specifier.operator == "==" and not specifier.version.endswith("*"):
            return Version(specifier.version)
    return None


def _pin(library: str, version: str) -> Requirement | None:
    """None where a pickle holds something else than a name and a version."""
    try:
        return Requirement(f"{canonicalize_name(library)}=={Version(version)}")
    except (InvalidVersion, InvalidRequirement):
        return None


def _public(requirement: Requirement) -> str:
    """Without `+cpu` and the like."""
    if requirement.url or "+" not in str(requirement.specifier):
        return str(requirement)
    public = Requirement(str(requirement))
    public.specifier = SpecifierSet(",".join(_publicly(requirement.specifier)))
    return str(public)


def _publicly(specifiers: SpecifierSet) -> Iterator[str]:
    return (f"{one.operator}{one.version.partition('+')[0]}" for one in specifiers)


def _mentions(words: str, what: str) -> bool:
    return re.search(rf"(?<![\w.-]){re.escape(what)}(?![\w-])", words) is not None


def _note(code: str, message: str) -> Note:
    return Note(code=code, message=message)
