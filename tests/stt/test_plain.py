"""Text as recognisers without punctuation write it."""

import pytest

from stentor_stt.plain import plain


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("Experience proves this.", "experience proves this"),
        ("Your power is sufficient, I said.", "your power is sufficient i said"),
        ("He doesn't — 'really' — care!", "he doesn't really care"),
        ("It\u2019s the dogs\u2019 own", "it's the dogs own"),
        ("Forty-two well-known and/or others", "forty two well known and or others"),
        ("At 10:30 it was 3.5 or 1,000, no. 7.", "at 10:30 it was 3.5 or 1,000 no 7"),
        ("50% of $5 & more", "50% of $5 & more"),
        ("Était-ce l'été ?", "était ce l'été"),
        ("नमस्ते, दुनिया।", "नमस्ते दुनिया"),
        ("你好。世界。", "你好 世界"),
        (" … ", ""),
        ("", ""),
    ],
)
def test_punctuation_goes_and_what_is_spoken_stays(written: str, said: str) -> None:
    assert plain(written) == said
