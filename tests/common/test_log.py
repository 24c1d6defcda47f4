"""Logs: one line an event, in either format, and never what a frame holds in its variables."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from stentor_common.log import configure
from stentor_common.settings import Settings

SECRET = "correct horse battery staple"
FORMATS = pytest.mark.parametrize("log_format", ["console", "json"])


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def crash() -> None:
    password = SECRET
    settings = {"database_url": f"postgresql://user:{password}@host/db"}
    raise RuntimeError(f"the database of {len(settings)} settings is away")


@FORMATS
@pytest.mark.parametrize("library", [False, True])
def test_a_traceback_shows_no_variables(
    log_format: str, library: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(Settings(log_format=log_format))
    log = logging.getLogger("some.library") if library else structlog.get_logger()
    try:
        crash()
    except RuntimeError:
        log.exception("it went wrong")
    told = capsys.readouterr().err
    assert "it went wrong" in told
    assert "the database of 1 settings is away" in told
    assert "in crash" in told
    assert SECRET not in told


@pytest.mark.parametrize("library", [False, True])
def test_json_is_one_object_a_line_with_the_ids_of_its_request(
    library: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(Settings(log_format="json"))
    log = logging.getLogger("some.library") if library else structlog.get_logger()
    with structlog.contextvars.bound_contextvars(request_id="r1", job_id="j1"):
        log.warning("two\nlines")
    (line,) = capsys.readouterr().err.splitlines()
    found = json.loads(line)
    assert (found["event"], found["level"]) == ("two\nlines", "warning")
    assert (found["request_id"], found["job_id"]) == ("r1", "j1")
    assert found["timestamp"].endswith("Z")


@FORMATS
def test_what_is_less_important_than_the_level_is_not_logged(
    log_format: str, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(Settings(log_format=log_format, log_level="warning"))
    structlog.get_logger().info("quiet")
    logging.getLogger("some.library").info("quiet")
    logging.getLogger("httpx2").info("quiet")
    assert capsys.readouterr().err == ""
