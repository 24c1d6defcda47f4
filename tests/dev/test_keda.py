"""The autoscaler of the paper cluster decides as Kubernetes' does."""

from typing import Any

import pytest

from stentor_dev.keda import PodAutoscaler


def percent(value: int) -> dict[str, Any]:
    policy = {"type": "Percent", "value": value, "periodSeconds": 15}
    return {"stabilizationWindowSeconds": 0, "policies": [policy]}


AT_ONCE: dict[str, Any] = {"scaleUp": percent(900), "scaleDown": percent(100)}
SLOWLY: dict[str, Any] = {
    "scaleUp": {
        "stabilizationWindowSeconds": 0,
        "policies": [
            {"type": "Percent", "value": 100, "periodSeconds": 15},
            {"type": "Pods", "value": 4, "periodSeconds": 15},
        ],
    },
    "scaleDown": {
        "stabilizationWindowSeconds": 60,
        "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}],
    },
}


@pytest.mark.parametrize(
    ("current", "total", "decided"),
    [
        (1, 17, 3),
        (3, 8, 1),
        (3, 0, 1),
        (3, 1000, 9),
        (4, 32, 4),
        # Within a tenth of the target nothing changes, beyond it does.
        (4, 35, 4),
        (4, 36, 5),
        (4, 29, 4),
        (4, 24, 3),
        # None is another's to wake.
        (0, 100, 0),
    ],
)
def test_as_many_pods_as_the_total_needs(current: int, total: float, decided: int) -> None:
    assert PodAutoscaler(1, 9, AT_ONCE).decide(0, current, [(total, 8)]) == decided


def test_of_several_metrics_the_one_that_wants_most_wins() -> None:
    assert PodAutoscaler(1, 9, AT_ONCE).decide(0, 1, [(8, 8), (33, 8), (17, 8)]) == 5


def test_it_grows_by_the_policy_that_allows_most() -> None:
    scaler = PodAutoscaler(1, 100, SLOWLY)
    found = [1]
    for turn in range(5):
        found.append(scaler.decide(15 * turn, found[-1], [(8000, 8)]))
    assert found == [1, 5, 10, 20, 40, 80]


def test_it_shrinks_one_by_one_after_a_window_in_which_nobody_wanted_more() -> None:
    scaler = PodAutoscaler(1, 100, SLOWLY)
    assert scaler.decide(0, 5, [(40, 8)]) == 5
    found = [5]
    for turn in range(1, 13):
        found.append(scaler.decide(15 * turn, found[-1], [(0, 8)]))
    assert found == [5, 5, 5, 5, 5, 4, 4, 4, 4, 3, 3, 3, 3]
