"""Which bytes of a file a player gets that asks for a part of it."""

import pytest

from stentor_tts.delivery import RangeNotThere, span

SIZE = 1000


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("", None),
        ("bytes=0-99", (0, 100)),
        ("bytes=0-0", (0, 1)),
        ("bytes=500-", (500, 1000)),
        ("bytes=900-5000", (900, 1000)),
        ("bytes=-100", (900, 1000)),
        ("bytes=-5000", (0, 1000)),
        ("bytes= 1 - 2 ", (1, 3)),
        # What means nothing, or several parts at once, is answered with all of it.
        ("bytes=-", None),
        ("bytes=5-2", None),
        ("bytes=0-9,20-29", None),
        ("seconds=0-9", None),
        ("bytes=a-b", None),
        ("bytes=0-" + "9" * 5000, None),
    ],
)
def test_a_range_is_the_bytes_it_names(header: str, found: tuple[int, int] | None) -> None:
    assert span(header, SIZE) == found


@pytest.mark.parametrize("header", ["bytes=1000-", "bytes=1000-1001", "bytes=-0"])
def test_a_range_beyond_the_end_is_refused_with_the_length(header: str) -> None:
    with pytest.raises(RangeNotThere, match="1000 bytes") as refused:
        span(header, SIZE)
    assert refused.value.headers == {"Content-Range": "bytes */1000"}
