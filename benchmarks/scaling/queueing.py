"""How long jobs wait for a worker, by replicas and by how these are scaled: a discrete-event simulation.

The rules of scaling are those of the two parts of Kubernetes that do it. KEDA asks the broker for the number
of messages, waiting and unacknowledged, and wakes a pool from zero; the HorizontalPodAutoscaler divides it by
the target, goes up at once, at most to twice as many (or four more) each round, and down to the most that it
wanted during the stabilisation window.
"""

import math
import random
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

import simpy

Steps = Generator[simpy.Event, Any, None]

HPA_SECONDS = 15
"""Between two decisions of the autoscaler, its default."""
MOST_AT_A_TIME = 4
"""Pods that it adds in one of them at least, if it wants so many; above that it doubles."""


@dataclass(frozen=True, slots=True)
class Job:
    arrives: float
    """Seconds from the beginning."""
    works: float
    """Seconds on a worker's place."""


@dataclass(frozen=True, slots=True)
class Scaling:
    """Of one pool of workers, as the chart's values say it."""

    least: int
    most: int
    jobs_per_replica: float = 4
    """The target: messages, waiting or running, for each replica."""
    stabilisation_seconds: float = 300
    cooldown_seconds: float = 300
    """After so long without a message a pool that may be empty is."""
    poll_seconds: float = 15
    """How often an empty pool is looked after."""
    start_seconds: float = 45
    """From wanting a replica to its first job: a node with the image and the weights on it."""


@dataclass(slots=True)
class Outcome:
    waits: list[float] = field(default_factory=list)
    """Seconds from arriving to beginning, in the order of beginning."""
    replica_seconds: float = 0.0
    most_replicas: int = 0
    most_waiting: int = 0
    history: list[tuple[float, int, int]] = field(default_factory=list)
    """Time, replicas and waiting jobs, every quarter of a minute."""

    def wait(self, share: float) -> float:
        """Seconds within which this share of all jobs began."""
        ordered = sorted(self.waits)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


class Pool:
    """Workers that take jobs in the order in which they came, each with so many places."""

    def __init__(self, environment: simpy.Environment, places: int, outcome: Outcome) -> None:
        self._environment, self._places, self._outcome = environment, places, outcome
        self._waiting: deque[Job] = deque()
        self._busy: dict[int, int] = {}
        self._next = 0
        self._starting = 0
        self._changed = environment.now

    @property
    def replicas(self) -> int:
        """Those that run or start; those that finish their last jobs are not counted any more."""
        return len(self._busy) + self._starting

    @property
    def messages(self) -> int:
        return len(self._waiting) + sum(self._busy.values())

    def put(self, job: Job) -> None:
        self._waiting.append(job)
        self._give()
        self._outcome.most_waiting = max(self._outcome.most_waiting, len(self._waiting))

    def scale(self, wanted: int, start_seconds: float) -> None:
        for _ in range(wanted - self.replicas):
            self._environment.process(self._start(start_seconds))
        for _ in range(self.replicas - wanted - self._starting):
            # Kubernetes does not know who is idle; the worst case for jobs is none: a worker told to end
            # takes no more and finishes what it has.
            del self._busy[min(self._busy, key=lambda number: self._busy[number])]
        self._outcome.most_replicas = max(self._outcome.most_replicas, self.replicas)

    def look(self) -> None:
        outcome, now = self._outcome, self._environment.now
        outcome.replica_seconds += self.replicas * (now - self._changed)
        self._changed = now
        outcome.history.append((now, self.replicas, len(self._waiting)))

    def _start(self, seconds: float) -> Steps:
        self._starting += 1
        yield self._environment.timeout(seconds)
        self._starting -= 1
        self._busy[self._next] = 0
        self._next += 1
        self._give()

    def _give(self) -> None:
        while self._waiting:
            number = min(self._busy, key=lambda each: self._busy[each], default=None)
            if number is None or self._busy[number] >= self._places:
                return
            self._busy[number] += 1
            self._environment.process(self._work(number, self._waiting.popleft()))

    def _work(self, number: int, job: Job) -> Steps:
        self._outcome.waits.append(self._environment.now - job.arrives)
        yield self._environment.timeout(job.works)
        if number in self._busy:
            self._busy[number] -= 1
            self._give()


def simulated(jobs: Sequence[Job], scaling: Scaling, *, places: int = 1, begin_with: int = 0) -> Outcome:
    """What comes of the jobs, in the order of their arrival. `begin_with` replicas run from the start."""
    environment, outcome = simpy.Environment(), Outcome()
    pool = Pool(environment, places, outcome)
    pool.scale(max(begin_with, scaling.least), 0)
    ended = environment.process(_arrive(environment, pool, jobs))
    environment.process(_autoscale(environment, pool, scaling))
    environment.run(until=ended)
    # Jobs that still wait are followed to their beginning.
    while len(outcome.waits) < len(jobs):
        environment.step()
    pool.look()
    return outcome


def _arrive(environment: simpy.Environment, pool: Pool, jobs: Sequence[Job]) -> Steps:
    for job in jobs:
        yield environment.timeout(max(0.0, job.arrives - environment.now))
        pool.put(job)


def _autoscale(environment: simpy.Environment, pool: Pool, scaling: Scaling) -> Steps:
    wishes: deque[tuple[float, int]] = deque()
    last_message = environment.now
    while True:
        yield environment.timeout(scaling.poll_seconds if not pool.replicas else HPA_SECONDS)
        pool.look()
        now, current = environment.now, pool.replicas
        last_message = now if pool.messages else last_message
        wished = math.ceil(pool.messages / scaling.jobs_per_replica)
        wished = min(max(wished, scaling.least, 1), scaling.most)
        wishes.append((now, wished))
        while wishes[0][0] < now - scaling.stabilisation_seconds:
            wishes.popleft()
        if not pool.messages and not scaling.least and now - last_message >= scaling.cooldown_seconds:
            pool.scale(0, scaling.start_seconds)
        elif wished > current and (current or pool.messages):
            pool.scale(min(wished, max(2 * current, current + MOST_AT_A_TIME)), scaling.start_seconds)
        elif current:
            pool.scale(min(current, max(wish for _, wish in wishes)), scaling.start_seconds)


def poisson(
    rate: Callable[[float], float], seconds: float, works: Callable[[random.Random], float], seed: int
) -> list[Job]:
    """Jobs that come independently of each other; `rate` tells how many a second at a time of the day."""
    draw = random.Random(seed)
    most = max(rate(seconds * part / 1000) for part in range(1001))
    jobs, now = [], 0.0
    while (now := now + draw.expovariate(most)) < seconds:
        if draw.random() < rate(now) / most:
            jobs.append(Job(now, works(draw)))
    return jobs
