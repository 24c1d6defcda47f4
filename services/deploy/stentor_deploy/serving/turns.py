"""Whose turn it is at which replica."""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from stentor_common.errors import AppError
from stentor_deploy.errors import TooManyWaiting
from stentor_deploy.running import Replica

AHEAD_SECONDS = 0.005
"""A replica is sent as many calls ahead of their turn as it does in this time: else it would rest between
two short ones, for as long as an answer and the next call take on their way."""

MOST_AHEAD = 8
LOOK_AGAIN_SECONDS = 0.02
"""Between looks whether a replica has got rid of a call whose caller has left."""

UNKNOWN = 1.0
"""Seconds that a call is taken to last until one has ended."""


@dataclass(eq=False, slots=True)
class Seat:
    """A replica, and how many calls it was sent."""

    replica: Replica
    sent: int = 0
    ended: int = 0
    taken: int = 0
    aside: bool = False
    """It is given no calls: it ended, or is not healthy."""


@dataclass(eq=False, slots=True)
class Turn:
    """One call's place at a replica, to be ended by whoever has it."""

    seat: Seat
    number: int
    """Counted from 1, of those sent to this replica."""
    beside: int
    """Calls that it had then, this one included."""

    @property
    def replica(self) -> Replica:
        return self.seat.replica


class Turns:
    """First come, first served, at the replica that has least to do.

    A replica does `concurrency` calls at a time, in the order in which they are sent.
    """

    def __init__(self, concurrency: int, most_waiting: int, *, ahead: bool = True) -> None:
        """Without `ahead` a replica is sent no call before its turn: what waits may be joined."""
        self._concurrency, self._most_waiting = concurrency, most_waiting
        self._most_ahead = MOST_AHEAD if ahead else 0
        self._seats: list[Seat] = []
        self._waiting: deque[asyncio.Future[Turn]] = deque()
        self._typical = UNKNOWN
        self._look_again: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def in_flight(self) -> int:
        return sum(seat.taken for seat in self._seats)

    @property
    def open(self) -> bool:
        """Whether there is a replica at all."""
        return any(not seat.aside for seat in self._seats)

    @property
    def all_aside(self) -> bool:
        """There are replicas, and none of them is to be called."""
        return bool(self._seats) and not self.open

    async def examine(self) -> None:
        """Ask all replicas how they are."""
        seats = list(self._seats)
        found = await asyncio.gather(*(seat.replica.healthy() for seat in seats))
        for seat, healthy in zip(seats, found, strict=True):
            seat.aside = not healthy
        self._give()

    def offer(self, replicas: Sequence[Replica]) -> None:
        """These can be called now, and no others."""
        known = {id(seat.replica): seat for seat in self._seats}
        self._seats = [known.get(id(replica)) or Seat(replica) for replica in replicas]
        self._give()

    def refuse(self, error: AppError) -> None:
        """Tell all who wait why they get no turn."""
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_exception(error.with_traceback(None))

    def take_now(self) -> Turn | None:
        """A turn, if one is free and nobody waits for it."""
        return None if self._waiting else self._free()

    async def take(self, seconds: float | None, *, first: bool = False) -> Turn:
        """Wait for a turn so long; `first` before all others. Raises TooManyWaiting, and what `refuse` is
        given."""
        if turn := self._free() if first else self.take_now():
            return turn
        if len(self._waiting) >= self._most_waiting and not first:
            raise TooManyWaiting(
                f"{self._most_waiting} calls wait for this model already; try again in a moment, or have the "
                "call queued"
            )
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Turn] = loop.create_future()
        if first:
            self._waiting.appendleft(future)
        else:
            self._waiting.append(future)
        timer = loop.call_later(seconds, _late, future, seconds) if seconds is not None else None
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and not future.exception():
                self.end(future.result())
            raise
        finally:
            if timer:
                timer.cancel()
            if future in self._waiting:
                self._waiting.remove(future)

    def end(self, turn: Turn, seconds: float | None = None) -> None:
        """The call is over; it took so long if it was answered."""
        turn.seat.ended += 1
        turn.seat.taken -= 1
        if seconds is not None:
            each = seconds * self._concurrency / max(turn.beside, self._concurrency)
            self._typical = each if self._typical == UNKNOWN else 0.9 * self._typical + 0.1 * each
        if self._waiting:
            self._give()

    def lose(self, turn: Turn) -> bool:
        """The replica ended. Says whether it may have begun with this call: if not, another may do it."""
        seat = turn.seat
        seat.aside = True
        seat.taken -= 1
        # Lost calls do not count as ended, so that this is true of the same ones in whatever order they ask.
        return turn.number <= seat.ended + self._concurrency

    def _give(self) -> None:
        while self._waiting:
            if self._waiting[0].done():
                self._waiting.popleft()
            elif turn := self._free():
                self._waiting.popleft().set_result(turn)
            else:
                return

    def _free(self) -> Turn | None:
        room = self._concurrency + min(self._most_ahead, int(AHEAD_SECONDS / self._typical))
        best: Seat | None = None
        left = False
        for seat in self._seats:
            # Calls whose callers have left keep a replica busy until they end.
            busy = max(seat.taken, seat.replica.in_flight)
            if busy < room and not seat.aside:
                best = seat
                room = busy
            left = left or busy > seat.taken
        if best is None:
            if left and self._look_again is None:
                loop = asyncio.get_running_loop()
                self._look_again = loop.call_later(LOOK_AGAIN_SECONDS, self._again)
            return None
        best.taken += 1
        best.sent += 1
        return Turn(best, best.sent, best.taken)

    def _again(self) -> None:
        self._look_again = None
        self._give()


def _late(future: asyncio.Future[Turn], seconds: float) -> None:
    if not future.done():
        future.set_exception(
            TooManyWaiting(f"it was not this call's turn within {seconds:g} s: the model is busy with others")
        )
