"""The rules of serving that need nothing but numbers."""

from stentor_deploy.serving.breaker import Breaker
from stentor_deploy.serving.scaling import Load, Scaling


class Time:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_breaker_opens_after_failures_in_a_row_only() -> None:
    breaker = Breaker(3, Time())
    for _ in range(2):
        breaker.failed()
    breaker.succeeded()
    breaker.failed()
    assert breaker.lets()


def test_an_open_breaker_lets_one_try_through_after_each_longer_pause() -> None:
    time = Time()
    breaker = Breaker(1, time)
    pauses = []
    for _ in range(8):
        breaker.failed()
        pauses.append(breaker.seconds_left)
        assert not breaker.lets()
        time.now += breaker.seconds_left
        assert breaker.lets()
        assert not breaker.lets(), "one try at a time"
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]
    breaker.succeeded()
    assert breaker.lets()


def crowd(waiting: int = 3, replicas: int = 1, batch: int = 1) -> Load:
    return Load(replicas=replicas, waiting=waiting, in_flight=replicas, concurrency=1, batch=batch)


def idle(replicas: int) -> Load:
    return Load(replicas=replicas, waiting=0, in_flight=0, concurrency=1)


def test_a_replica_is_added_when_calls_wait_all_the_time() -> None:
    scaling = Scaling()
    assert [scaling.wanted(crowd(), 0, 4, now) for now in (0, 1, 2)] == [1, 1, 2]
    assert scaling.wanted(crowd(replicas=4), 0, 4, 10) == 4, "no more than allowed"


def test_a_moment_without_a_line_starts_the_count_again() -> None:
    scaling = Scaling()
    scaling.wanted(crowd(), 0, 4, 0)
    scaling.wanted(idle(1), 0, 4, 1)
    assert scaling.wanted(crowd(), 0, 4, 2) == 1


def test_calls_that_fill_the_next_batch_are_no_crowd() -> None:
    scaling = Scaling()
    assert [scaling.wanted(crowd(7, batch=8), 0, 4, now) for now in (0, 5)] == [1, 1]
    assert [scaling.wanted(crowd(8, batch=8), 0, 4, now) for now in (6, 9)] == [1, 2]


def test_replicas_that_have_nothing_to_do_go_one_by_one_down_to_the_least() -> None:
    scaling = Scaling()
    found, have = [], 3
    for now in (0, 60, 120, 180, 240):
        have = scaling.wanted(idle(have), 1, 4, now)
        found.append(have)
    assert found == [3, 2, 1, 1, 1]
