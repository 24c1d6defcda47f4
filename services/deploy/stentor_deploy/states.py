"""The states of a revision, and the moves between them. Rules only: the standard library is all they need."""

from enum import StrEnum


class RevisionState(StrEnum):
    queued = "queued"
    building = "building"
    """Its package is read and its environment made."""
    needs_secrets = "needs_secrets"
    """Built, and waits for secrets that it asks for."""
    loading = "loading"
    """It is loaded and tried on its examples."""
    ready = "ready"
    build_failed = "build_failed"
    load_failed = "load_failed"
    stopped = "stopped"
    """Its build was cancelled."""


S = RevisionState

UNDER_WAY = frozenset({S.queued, S.building, S.loading})
"""A job works on it, or will."""

FAILED = frozenset({S.build_failed, S.load_failed})

AGAIN = frozenset({S.build_failed, S.load_failed, S.stopped, S.needs_secrets})
"""From these a build may begin anew."""

MOVES: dict[RevisionState, frozenset[RevisionState]] = {
    # To itself or back: the job runs again after its worker was lost.
    S.queued: frozenset({S.building, S.build_failed, S.stopped}),
    S.building: frozenset({S.building, S.loading, S.needs_secrets, S.build_failed, S.stopped}),
    S.loading: frozenset({S.building, S.ready, S.load_failed, S.build_failed, S.stopped}),
    S.ready: frozenset(),
    S.needs_secrets: frozenset({S.queued, S.stopped}),
    S.build_failed: frozenset({S.queued}),
    S.load_failed: frozenset({S.queued}),
    S.stopped: frozenset({S.queued}),
}


def sources(to: RevisionState) -> list[RevisionState]:
    """States from which a revision may become `to`."""
    return [state for state, targets in MOVES.items() if to in targets]
