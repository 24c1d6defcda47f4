"""From words to phonemes, and back from what a model plans for each phoneme to times of words."""

import stat
import sys
from pathlib import Path

import pytest

from stentor_tts.engines import SpokenWord
from stentor_tts.engines.english import EnglishReader, EnglishReaderForEspeak, as_espeak
from stentor_tts.engines.readers import EspeakReader, LettersReader, ReaderNotHere, espeak_reader
from stentor_tts.engines.sounds import Sound, encoded, passages, told, word_times

ESPEAK = """#!{python}
import sys
words = sys.stdin.read().split()
assert sys.argv[1:] == ["-q", "--ipa", "--stdin", "-v", "de"], sys.argv
print(" ".join("(en)" + word.lower() + "(de)" if word == "Bar" else word.lower() for word in words))
"""


@pytest.fixture(scope="session")
def american() -> EnglishReader:
    return EnglishReader()


# English


def test_each_word_has_its_phonemes_and_the_marks_after_it(american: EnglishReader) -> None:
    sounds = american.read("Hello there, world.")

    assert [(sound.text, sound.phonemes) for sound in sounds] == [
        ("Hello", "həlˈO"),
        ("there,", "ðˈɛɹ,"),
        ("world.", "wˈɜɹld."),
    ]


def test_a_word_that_no_dictionary_has_is_read_too(american: EnglishReader) -> None:
    (sound,) = american.read("flimbostration")

    assert sound.audible


@pytest.mark.parametrize("text", ["你好", "…", "", "?!", "🙂"])
def test_what_is_not_english_has_no_sound(american: EnglishReader, text: str) -> None:
    assert not any(sound.audible for sound in american.read(text))


def test_the_readers_own_markup_is_not_for_callers(american: EnglishReader) -> None:
    phonemes = "".join(sound.phonemes for sound in american.read("[cat](/dˈɔɡ/)"))

    assert "kˈæt" in phonemes


@pytest.mark.parametrize(
    ("misaki", "espeak"),
    [
        ("nˈIt", "nˈaɪt"),
        ("həlˈO", "həlˈoʊ"),
        ("ʤˈʌmps", "dʒˈʌmps"),
        ("fˈɑks", "fˈɑːks"),
        ("hˈæpi", "hˈæpi"),
        ("ɹˈid", "ɹˈiːd"),
        ("bi", "biː"),
        ("IdˈiA", "aɪdˈiːeɪ"),
        ("Idˈiə", "aɪdˈiə"),
        ("ˈɛɹiə", "ˈɛɹiə"),
        ("bˈɜɹd", "bˈɜːd"),
        ("hˈɜɹi", "hˈɜːɹi"),
        ("wˈɔTəɹ", "wˈɔːɾɚ"),
        ("hˈɪstəɹi", "hˈɪstɚɹi"),
        ("kˈæsᵊl,", "kˈæsəl,"),
    ],
)
def test_the_same_sounds_are_written_as_espeak_would(misaki: str, espeak: str) -> None:
    assert as_espeak(misaki) == espeak


def test_british_english_has_sounds_of_its_own() -> None:
    sounds = EnglishReaderForEspeak(british=True).read("Hello there")

    assert [sound.phonemes for sound in sounds] == ["həlˈəʊ", "ðˈeə"]


# Other languages


@pytest.fixture
def espeak_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that says what it was given, in small letters."""
    program = tmp_path / "espeak-ng"
    program.write_text(ESPEAK.format(python=sys.executable))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("stentor_tts.engines.readers.find_spec", lambda _: None)


@pytest.mark.usefixtures("espeak_program")
def test_other_languages_are_read_by_the_program_clause_by_clause() -> None:
    sounds = espeak_reader("de").read("Guten Tag, wie geht es? --version")

    assert [(sound.text, sound.phonemes) for sound in sounds] == [
        ("Guten", "guten"),
        ("Tag,", "tag,"),
        ("wie", "wie"),
        ("geht", "geht"),
        ("es?", "es?"),
        ("--version", "--version"),
    ]


@pytest.mark.usefixtures("espeak_program")
def test_notes_about_words_of_other_languages_are_no_phonemes() -> None:
    assert [sound.phonemes for sound in espeak_reader("de").read("Die Bar")] == ["die", "bar"]


def test_without_espeak_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("stentor_tts.engines.readers.find_spec", lambda _: None)

    with pytest.raises(ReaderNotHere, match="apt-get install espeak-ng"):
        espeak_reader("de")


def test_words_that_espeak_says_as_one_are_not_told_apart() -> None:
    reader = EspeakReader("xx", lambda *_: "wʌnəv ðəm")

    sounds = reader.read("one of them.")

    assert [sound.phonemes for sound in sounds] == ["wʌnəv", "ðəm."]
    assert told("one of them.", [SpokenWord(sound.text, 0, 1) for sound in sounds]) == ()


def test_models_that_take_letters_get_letters() -> None:
    assert LettersReader().read("Sveiki, pasaule") == [
        Sound("Sveiki,", "Sveiki,"),
        Sound("pasaule", "pasaule"),
    ]


# Into a model, and back


def words(text: str) -> list[Sound]:
    return [Sound(word, word) for word in text.split()]


def joined(parts: list[list[Sound]]) -> list[str]:
    return [" ".join(sound.phonemes for sound in part) for part in parts]


def test_what_a_model_cannot_say_at_once_is_cut_after_a_mark() -> None:
    text = "one two three, four five six seven eight"

    assert joined(list(passages(words(text), 24))) == ["one two three,", "four five six seven", "eight"]


def test_a_word_that_is_too_long_is_cut_itself() -> None:
    assert joined(list(passages(words("a" * 25), 10))) == ["a" * 10, "a" * 10, "a" * 5]


@pytest.mark.parametrize("limit", [10, 24, 60, 1_000])
def test_nothing_is_lost_by_cutting(limit: int) -> None:
    text = "It was, all in all, a rather extraordinarily uneventful afternoon; nobody complained."

    parts = list(passages(words(text), limit))

    assert "".join(sound.phonemes for part in parts for sound in part) == text.replace(" ", "")
    assert all(len(part) <= limit + 1 for part in joined(parts))


def test_times_come_of_how_long_each_phoneme_lasts() -> None:
    sounds = [Sound("ab", "ab"), Sound("c.", "c.")]
    text = encoded(sounds, lambda letter: [ord(letter), 0], before=1, after=1)

    # The start; a, b, the space, c and the mark, each with its pad; the end.
    found = word_times(sounds, text.owners, [100, 50, 10, 40, 20, 30, 5, 60, 15, 200, 9, 80])

    assert text.ids == (97, 0, 98, 0, 32, 0, 99, 0, 46, 0)
    assert found == (SpokenWord("ab", 100, 220), SpokenWord("c.", 255, 330))


def test_phonemes_that_a_model_does_not_know_are_left_out() -> None:
    known = {"a": [1], "b": [2]}

    text = encoded([Sound("axb", "axb")], lambda letter: known.get(letter, []))

    assert (text.ids, text.owners) == ((1, 2), (0, 0))


def test_times_are_told_with_the_words_as_they_were_written() -> None:
    times = [SpokenWord("dr", 0, 1), SpokenWord("who", 1, 2)]

    assert [word.text for word in told("Dr. — Who?", times)] == ["Dr.", "Who?"]
