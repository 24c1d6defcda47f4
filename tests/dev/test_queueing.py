"""The simulation of waiting: against formulas of queueing theory, and the rules of the autoscaler."""

import statistics

import pytest
from scaling.queueing import Job, Scaling, poisson, simulated


@pytest.mark.parametrize(
    ("workers", "expected"),
    [pytest.param(1, 0.7 / 0.3, id="M/M/1"), pytest.param(2, 0.7**2 / (1 - 0.7**2), id="M/M/2")],
)
def test_jobs_wait_as_long_as_theory_says(workers: int, expected: float) -> None:
    jobs = poisson(lambda _: 0.7 * workers, 100_000, lambda draw: draw.expovariate(1), seed=1)
    found = simulated(jobs, Scaling(workers, workers))
    assert statistics.mean(found.waits) == pytest.approx(expected, rel=0.1)


def test_a_pool_wakes_from_nothing_and_sleeps_again() -> None:
    jobs = [Job(100, 30), Job(1000, 1)]
    found = simulated(jobs, Scaling(0, 5, poll_seconds=15, start_seconds=45))
    assert found.waits[0] == pytest.approx(5 + 45)
    assert found.waits[1] > 45
    assert 0 in {replicas for at, replicas, _ in found.history if 500 < at < 1000}


def test_it_grows_at_most_twofold_in_a_round() -> None:
    jobs = [Job(1, 1000) for _ in range(100)]
    found = simulated(jobs, Scaling(1, 50, jobs_per_replica=2, start_seconds=0))
    counts = [replicas for _, replicas, _ in found.history]
    assert counts[:5] == [1, 5, 10, 20, 40]
    assert found.most_replicas == 50


def test_a_worker_told_to_end_finishes_its_job() -> None:
    # Ten come at once and are gone, all but a long one.
    jobs = [Job(1, 5) for _ in range(9)] + [Job(1, 2000), *[Job(at, 1) for at in range(1500, 1600)]]
    scaling = Scaling(1, 10, jobs_per_replica=1, start_seconds=0, stabilisation_seconds=60)
    found = simulated(jobs, scaling)
    assert len(found.waits) == len(jobs)
    assert found.history[-1][1] < 10
