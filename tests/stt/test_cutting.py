"""Where recordings are cut: in pauses, so that all speech is heard once and long silence not at all."""

import numpy as np
import pytest

from stentor_stt.decoder.cutting import Cutter, Piece
from stentor_stt.decoder.voice import FRAME, everything_judge, sound_judge
from stentor_stt.sound import SAMPLE_RATE, Sound

LONGEST = 28 * SAMPLE_RATE


def spoken(seconds: float) -> Sound:
    """No two samples of it are alike, and none is silent."""
    return np.linspace(0.1, 0.9, round(seconds * SAMPLE_RATE), dtype=np.float32)


def silence(seconds: float) -> Sound:
    return np.zeros(round(seconds * SAMPLE_RATE), np.float32)


def cut(sound: Sound, *, block: int = 10 * SAMPLE_RATE, start: int = 0) -> list[Piece]:
    cutter = Cutter(sound_judge, longest=LONGEST, start=start)
    found = [piece for at in range(0, len(sound), block) for piece in cutter.take(sound[at : at + block])]
    return found + list(cutter.rest())


def seconds(samples: int) -> float:
    return round(samples / SAMPLE_RATE, 1)


def test_short_speech_is_one_piece_with_a_margin() -> None:
    (piece,) = cut(np.concatenate([silence(5), spoken(3), silence(5)]))

    assert seconds(piece.start) == 4.7
    assert seconds(len(piece.sound)) == 3.6
    ((begin, end),) = piece.speech
    assert (seconds(begin), seconds(end)) == (5.0, 8.0)


def test_silence_is_no_piece() -> None:
    assert cut(silence(90)) == []
    assert cut(silence(0)) == []


def test_a_short_pause_is_kept_and_a_long_one_left_out() -> None:
    sound = np.concatenate([spoken(3), silence(1.5), spoken(3), silence(4), spoken(3)])

    first, second = cut(sound)

    assert (seconds(first.start), seconds(len(first.sound))) == (0.0, 7.8)
    assert [seconds(begin) for begin, _ in first.speech] == [0.0, 4.5]
    assert (seconds(second.start), seconds(len(second.sound))) == (11.2, 3.3)


def test_a_piece_that_would_be_too_long_ends_in_the_middle_of_a_pause() -> None:
    first, second = cut(np.concatenate([spoken(20), silence(0.4), spoken(20)]))

    assert first.start + len(first.sound) == second.start
    assert second.start == pytest.approx(20.2 * SAMPLE_RATE, abs=FRAME)


def test_a_longer_pause_is_taken_before_a_later_one_unless_both_are_good() -> None:
    good = np.concatenate([spoken(16), silence(1.5), spoken(5), silence(0.7), spoken(20)])
    poor = np.concatenate([spoken(16), silence(0.5), spoken(5), silence(0.3), spoken(20)])

    assert seconds(len(cut(good)[0].sound)) == 22.8
    assert seconds(len(cut(poor)[0].sound)) == 16.2


def test_an_early_pause_is_better_than_none() -> None:
    first, _, *_ = cut(np.concatenate([spoken(6), silence(0.5), spoken(40)]))

    assert len(first.sound) == pytest.approx(6.25 * SAMPLE_RATE, abs=FRAME)


def test_where_nobody_pauses_the_quietest_moment_is_taken() -> None:
    sound = np.full(40 * SAMPLE_RATE, 0.5, np.float32)
    sound[round(19.9 * SAMPLE_RATE) : round(20.1 * SAMPLE_RATE)] = 0.1

    first, second = cut(sound)

    assert second.start == len(first.sound) == pytest.approx(20 * SAMPLE_RATE, abs=0.1 * SAMPLE_RATE)


@pytest.mark.parametrize("block", [1_000, 16_000, 160_000])
@pytest.mark.parametrize("seed", range(6))
def test_all_speech_is_in_exactly_one_piece(seed: int, block: int) -> None:
    random = np.random.default_rng(seed)
    lengths = random.exponential((6, 1), (40, 2))
    sound = np.concatenate([part for on, off in lengths for part in (spoken(on), silence(off))])

    pieces = cut(sound, block=block)

    times_heard = np.zeros(len(sound), np.int64)
    for piece in pieces:
        end = piece.start + len(piece.sound)
        assert np.array_equal(piece.sound, sound[piece.start : end])
        assert 0 < len(piece.sound) <= LONGEST
        assert all(piece.start <= first < last <= end for first, last in piece.speech)
        times_heard[piece.start : end] += 1
    assert times_heard.max() == 1
    assert (times_heard[sound > 0] == 1).all()
    assert [piece.start for piece in pieces] == sorted(piece.start for piece in pieces)


@pytest.mark.parametrize("length", [0.5, 27.9, 28, 28.1, 200.3])
def test_everything_is_heard_where_speech_is_not_looked_for(length: float) -> None:
    sound = np.random.default_rng(3).normal(size=round(length * SAMPLE_RATE)).astype(np.float32)
    sound[: len(sound) // 3] = 0
    cutter = Cutter(everything_judge, longest=LONGEST)

    pieces = [*cutter.take(sound), *cutter.rest()]

    assert np.array_equal(np.concatenate([piece.sound for piece in pieces]), sound)
    assert all(len(piece.sound) <= LONGEST for piece in pieces)


def test_the_blocks_in_which_sound_comes_make_no_difference() -> None:
    random = np.random.default_rng(5)
    lengths = random.exponential((5, 1), (20, 2))
    sound = np.concatenate([part for on, off in lengths for part in (spoken(on), silence(off))])

    found = [[(piece.start, piece.speech) for piece in cut(sound, block=block)] for block in (777, 160_000)]

    assert found[0] == found[1]


def test_a_recording_that_begins_in_the_middle_counts_from_its_own_start() -> None:
    (piece,) = cut(spoken(2), start=100 * SAMPLE_RATE)

    assert piece.start == 100 * SAMPLE_RATE
    assert [seconds(edge) for edge in piece.speech[0]] == [100.0, 102.0]


def test_what_is_settled_rises_and_no_later_piece_begins_before_it() -> None:
    sound = np.concatenate([silence(50), spoken(40), silence(30), spoken(5)])
    cutter = Cutter(sound_judge, longest=LONGEST)
    settled = 0

    for at in range(0, len(sound), SAMPLE_RATE):
        for piece in cutter.take(sound[at : at + SAMPLE_RATE]):
            assert piece.start >= settled
        assert settled <= cutter.settled <= at + SAMPLE_RATE
        settled = cutter.settled
    list(cutter.rest())

    assert settled > 119 * SAMPLE_RATE
    assert cutter.settled == len(sound)
