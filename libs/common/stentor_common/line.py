"""Whose turn at a model is next: live sound first, then everybody his fair share."""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

REMEMBERED_JOBS = 1000


@dataclass(eq=False, slots=True)
class Place:
    """One piece of work in the line."""

    caller: str
    job: str
    seconds: float
    """Of sound: how much work it is."""
    live: bool = False
    alone: bool = field(default=False, init=False)
    """Done by itself: something went wrong when it was done with others."""
    number: int = field(default=0, init=False)


P = TypeVar("P", bound=Place)


class Line(Generic[P]):
    """Pieces that wait, and the order in which they have their turn.

    Live pieces go before all others. Then the caller is next who has had the fewest seconds of sound;
    one who comes new, or back, starts with as many as the caller who is next, so that nobody saves up turns
    (start-time fair queueing: Goyal, Vin and Cheng, 1996). Of a caller's jobs the one is next that has had
    least, so that a short one overtakes a long one.
    """

    def __init__(self) -> None:
        self._waiting: list[P] = []
        self._by_caller: dict[str, float] = {}
        self._by_job: OrderedDict[str, float] = OrderedDict()
        self._reached = 0.0
        """What the caller had who was last next in the fair order."""
        self._numbers = 0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def jobs(self) -> set[str]:
        return {place.job for place in self._waiting}

    def join(self, place: P) -> None:
        if not self._waiting:
            # Nobody has to stand back for anybody.
            self._by_caller, self._reached = {}, 0.0
        if not any(other.caller == place.caller for other in self._waiting):
            had = self._by_caller.get(place.caller, 0.0)
            self._by_caller[place.caller] = max(had, self._reached)
        self._numbers += 1
        place.number = self._numbers
        self._waiting.append(place)

    def leave(self, place: P) -> None:
        """Does nothing when it has had its turn."""
        if place in self._waiting:
            self._waiting.remove(place)

    def take(self, most: int, seconds: float) -> list[P]:
        """The next batch: one piece at least, and as many more as fit into the seconds.

        Live pieces wait for no others, so they share batches with each other only.
        """
        batch: list[P] = []
        left = seconds
        while len(batch) < most and (place := self._next(batch)):
            if batch and place.seconds > left:
                break
            left -= place.seconds
            self._serve(place)
            batch.append(place)
        return batch

    def take_all(self) -> list[P]:
        taken, self._waiting = self._waiting, []
        return taken

    def _next(self, batch: list[P]) -> P | None:
        fitting: Iterable[P] = self._waiting
        if batch:
            if batch[0].alone:
                return None
            live = batch[0].live
            fitting = (place for place in self._waiting if place.live == live and not place.alone)
        return min(fitting, key=self._rank, default=None)

    def _rank(self, place: P) -> tuple[bool, float, float, int]:
        return (
            not place.live,
            self._by_caller[place.caller],
            self._by_job.get(place.job, 0),
            place.number,
        )

    def _serve(self, place: P) -> None:
        self._waiting.remove(place)
        if not place.live:
            self._reached = self._by_caller[place.caller]
        self._by_caller[place.caller] += place.seconds
        self._by_job[place.job] = self._by_job.pop(place.job, 0) + place.seconds
        if len(self._by_job) > REMEMBERED_JOBS:
            self._by_job.popitem(last=False)
