"""How many replicas a Deployment has when several gateways serve it."""

from datetime import UTC, datetime, timedelta
from typing import Any

from stentor_deploy.running.kubernetes import wishes

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
LAPSE = timedelta(minutes=2)

Deployment = dict[str, Any]


def asleep() -> Deployment:
    return {"metadata": {"name": "model-a", "resourceVersion": "1"}, "spec": {"replicas": 0}}


def after(deployment: Deployment, now: datetime = NOW, **mine: int) -> Deployment:
    """The Deployment once a gateway has said its wish."""
    change = wishes.change(deployment, now, LAPSE, **mine)
    if change is None:
        return deployment
    said = deployment["metadata"].get("annotations", {}) | change["metadata"]["annotations"]
    annotations = {name: text for name, text in said.items() if text is not None}
    metadata = deployment["metadata"] | {"annotations": annotations}
    return {"metadata": metadata, "spec": change["spec"]}


def test_the_most_that_anybody_wants_counts() -> None:
    assert after(after(asleep(), a=1), b=3)["spec"]["replicas"] == 3


def test_a_gateway_that_needs_a_model_no_more_leaves_it_to_those_who_do() -> None:
    both = after(after(asleep(), a=2), b=1)
    assert after(both, a=0)["spec"]["replicas"] == 1
    assert after(after(both, a=0), b=0)["spec"]["replicas"] == 0


def test_the_wish_of_a_gateway_that_is_gone_lapses() -> None:
    both = after(after(asleep(), gone=4), NOW + timedelta(minutes=1), here=1)
    assert after(both, NOW + timedelta(minutes=1, seconds=59), here=1)["spec"]["replicas"] == 4
    later = after(both, NOW + timedelta(minutes=2), here=1)
    assert later["spec"]["replicas"] == 1
    assert wishes.PREFIX + "gone" not in later["metadata"]["annotations"]


def test_a_wish_that_is_repeated_does_not_lapse() -> None:
    repeated = after(after(asleep(), a=1), NOW + timedelta(minutes=1), a=1)
    assert after(repeated, NOW + timedelta(minutes=2, seconds=30))["spec"]["replicas"] == 1


def test_nothing_is_written_where_nothing_changes() -> None:
    awake = after(asleep(), a=1)
    assert wishes.change(awake, NOW + timedelta(minutes=1), LAPSE) is None


def test_a_change_is_for_the_version_that_was_read() -> None:
    change = wishes.change(asleep(), NOW, LAPSE, a=1)
    assert change is not None
    assert change["metadata"]["resourceVersion"] == "1"


def test_other_annotations_stay() -> None:
    deployment = asleep()
    deployment["metadata"]["annotations"] = {"deployment.kubernetes.io/revision": "1"}
    assert "deployment.kubernetes.io/revision" in after(deployment, a=1)["metadata"]["annotations"]


def test_all_gateways_agree_on_who_is_first() -> None:
    both = after(after(asleep(), b=1), NOW + timedelta(minutes=1), a=1)
    assert wishes.first(both, NOW + timedelta(minutes=1), LAPSE) == "a"
    assert wishes.first(asleep(), NOW, LAPSE) is None


def test_annotations_that_are_no_wishes_are_passed_over() -> None:
    deployment = asleep()
    deployment["metadata"]["annotations"] = {wishes.PREFIX + "who": "all of them"}
    assert after(deployment, a=2)["spec"]["replicas"] == 2
