"""Each model has a queue of its own."""

from stentor_common.queue.naming import LONGEST, queue_of_model

FOLDER = "/srv/models/of/many/people/who/like/long/names/for/their/folders/"


def test_a_queue_is_named_after_the_service_and_the_model() -> None:
    assert queue_of_model("stt", "Systran/faster-whisper-tiny") == "stt.Systran-faster-whisper-tiny"


def test_long_names_that_begin_alike_are_not_one_queue() -> None:
    names = {queue_of_model("stt", FOLDER + each) for each in ("english", "german")}
    assert len(names) == 2
    assert {len(name) for name in names} == {LONGEST}
