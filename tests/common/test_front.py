"""Requests that are answered before the framework is asked."""

from structlog.testing import capture_logs

from stentor_common.front import BoundedLog


def test_only_some_requests_of_a_second_are_logged_one_by_one() -> None:
    seconds = iter([5.0, 5.1, 5.2, 5.3, 6.0])
    with capture_logs() as lines:
        log = BoundedLog(2, lambda: next(seconds))
        for number in range(5):
            log.request("mine", f"/{number}", 200, 0.001)
    told = [(line["event"], line.get("path"), line.get("requests")) for line in lines]
    assert told == [
        ("request", "/0", None),
        ("request", "/1", None),
        ("more requests", None, 2),
        ("request", "/4", None),
    ]
