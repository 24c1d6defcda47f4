"""What of SSML is offered, and what is refused with the place where it stands."""

import pytest

from stentor_tts.errors import SsmlError
from stentor_tts.script import Pause, Prosody, Script, Sentence, script_of


def script(inner: str, language: str = "en-US") -> Script:
    return script_of(f"<speak>{inner}</speak>", markup="ssml", language=language)


def spoken(inner: str, language: str = "en-US") -> list[str]:
    return [part.spoken for part in script(inner, language) if isinstance(part, Sentence)]


def manner(attributes: str) -> Prosody:
    (sentence,) = script(f"<prosody {attributes}>so</prosody>")
    assert isinstance(sentence, Sentence)
    return sentence.prosody


def refusal(document: str) -> SsmlError:
    with pytest.raises(SsmlError) as caught:
        script_of(document, markup="ssml", language="en")
    return caught.value


def test_text_is_read_as_elsewhere() -> None:
    document = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<speak version="1.1" '
        'xmlns="http://www.w3.org/2001/10/synthesis" xml:lang="en-GB">\n Dr. Smith paid\n &#163;5 &amp; '
        "left. <!-- a note --> It was <![CDATA[3 < 4]]>. </speak>"
    )
    assert script_of(document, markup="ssml", language="en") == (
        Sentence("Dr. Smith paid £5 & left.", "Doctor Smith paid five pounds and left."),
        Pause(400),
        Sentence("It was 3 < 4.", "It was three less than four."),
    )


def test_paragraphs_and_sentences_are_as_they_are_marked() -> None:
    assert script("<p>One. Two.</p><p><s>Not. Cut</s><s>Second</s></p>after") == (
        Sentence("One.", "One."),
        Pause(400),
        Sentence("Two.", "Two."),
        Pause(700),
        Sentence("Not. Cut", "Not. Cut"),
        Pause(400),
        Sentence("Second", "Second"),
        Pause(400),
        Sentence("after", "after"),
    )


@pytest.mark.parametrize(
    ("attributes", "pause"),
    [
        ('time="500ms"', Pause(500, fixed=True)),
        ('time="1.5s"', Pause(1500, fixed=True)),
        ('time="0s"', Pause(0, fixed=True)),
        ('strength="none"', Pause(0)),
        ('strength="weak"', Pause(200)),
        ('strength="x-strong"', Pause(1200)),
        ("", Pause(400)),
        ('strength="weak" time="2s"', Pause(2000, fixed=True)),
    ],
)
def test_a_break_takes_the_place_of_the_pause(attributes: str, pause: Pause) -> None:
    assert script(f"One.<break {attributes}/>Two.") == (
        Sentence("One.", "One."),
        pause,
        Sentence("Two.", "Two."),
    )


def test_breaks_stand_within_a_sentence_and_at_the_ends_of_the_text() -> None:
    parts = script('<break time="1s"/>One <break time="2s"/><break time="3s"/> two.<break time="4s"/>')
    assert [part.ms if isinstance(part, Pause) else part.spoken for part in parts] == [
        1000,
        "One",
        2000,
        3000,
        "two.",
        4000,
    ]


@pytest.mark.parametrize(
    ("attributes", "prosody"),
    [
        ('rate="slow"', Prosody(rate=0.75)),
        ('rate="x-fast"', Prosody(rate=1.6)),
        ('rate="120%"', Prosody(rate=1.2)),
        ('rate="+50%"', Prosody(rate=1.5)),
        ('rate="-50%"', Prosody(rate=0.5)),
        ('rate="1.5"', Prosody(rate=1.5)),
        ('pitch="low"', Prosody(pitch_semitones=-3)),
        ('pitch="+2st"', Prosody(pitch_semitones=2)),
        ('pitch="-1.5st"', Prosody(pitch_semitones=-1.5)),
        ('pitch="+100%"', Prosody(pitch_semitones=12)),
        ('volume="soft"', Prosody(volume_db=-6)),
        ('volume="+6dB"', Prosody(volume_db=6)),
        ('volume="silent"', Prosody(volume_db=-60)),
        ('rate="fast" pitch="high" volume="loud"', Prosody(1.25, 3, 4)),
        ("", Prosody()),
    ],
)
def test_prosody_is_taken_in_words_and_numbers(attributes: str, prosody: Prosody) -> None:
    assert manner(attributes) == prosody


def test_a_manner_is_relative_to_the_one_around_it() -> None:
    inner = '<prosody rate="200%" volume="-6dB">slow<prosody rate="50%" pitch="+1st">er</prosody></prosody>'
    assert script(inner) == (
        Sentence("slow", "slow", Prosody(rate=2, volume_db=-6)),
        Sentence("er", "er", Prosody(rate=1, pitch_semitones=1, volume_db=-6)),
    )


def test_emphasis_is_another_manner_within_the_sentence() -> None:
    before, strong, after = script('This is <emphasis level="strong">very</emphasis> good.')
    assert isinstance(strong, Sentence)
    assert (before, after) == (Sentence("This is", "This is"), Sentence("good.", "good."))
    assert strong.prosody.volume_db > 0
    assert strong.prosody.rate < 1


@pytest.mark.parametrize(
    ("attributes", "text", "words"),
    [
        ('interpret-as="cardinal"', "1999", "one thousand nine hundred ninety-nine"),
        ('interpret-as="number"', "-3.5", "minus three point five"),
        ('interpret-as="ordinal"', "21", "twenty-first"),
        ('interpret-as="digits"', "2024", "two zero two four"),
        ('interpret-as="characters"', "Ab1.", "A, B, one, dot"),
        ('interpret-as="spell-out"', "hello", "H, E, L, L, O"),
        ('interpret-as="date" format="dmy"', "5/3/2024", "March fifth, twenty twenty-four"),
        ('interpret-as="date" format="mdy"', "5/3/24", "May third, twenty twenty-four"),
        ('interpret-as="date" format="ymd"', "20240503", "May third, twenty twenty-four"),
        ('interpret-as="date" format="md"', "5-3", "May third"),
        ('interpret-as="date" format="my"', "5/2024", "May twenty twenty-four"),
        ('interpret-as="date" format="y"', "1999", "nineteen ninety-nine"),
        ('interpret-as="date"', "2024-05-03", "May third, twenty twenty-four"),
        ('interpret-as="time" format="hms12"', "2:30pm", "two thirty P.M"),
        ('interpret-as="time" format="hms24"', "14.05.10", "fourteen oh five and ten seconds"),
        ('interpret-as="telephone"', "555 1234", "five five five, one two three four"),
        ('interpret-as="currency"', "$42.01", "forty-two dollars and one cent"),
        ('interpret-as="fraction"', "3/20", "three twentieths"),
        ('interpret-as="fraction"', "1 1/2", "one and one half"),
        ('interpret-as="unit"', "10 ft", "ten feet"),
        ('interpret-as="expletive"', "darn", "beep"),
    ],
)
def test_say_as_tells_how_a_text_is_read(attributes: str, text: str, words: str) -> None:
    assert spoken(f"<say-as {attributes}>{text}</say-as>") == [words]


def test_say_as_and_sub_stand_within_a_sentence_that_goes_on() -> None:
    date = '<say-as interpret-as="date" format="dmy">5. 3. 2024</say-as>'
    (sentence,) = script(f'On {date} the <sub alias="World Wide Web">WWW. </sub>began.')
    assert sentence == Sentence(
        "On 5. 3. 2024 the WWW. began.", "On March fifth, twenty twenty-four the World Wide Web began."
    )


def test_numbers_and_letters_are_said_in_other_languages() -> None:
    assert spoken('<say-as interpret-as="cardinal">1999</say-as>', "de") == [
        "eintausendneunhundertneunundneunzig"
    ]
    assert spoken('<say-as interpret-as="digits">12</say-as>', "fr") == ["un deux"]
    assert spoken('<say-as interpret-as="characters">ab1</say-as>', "es") == ["A B uno"]
    with pytest.raises(SsmlError, match="English only"):
        script('<say-as interpret-as="date">2024-05-03</say-as>', "de")


@pytest.mark.parametrize(
    ("document", "line", "column", "says"),
    [
        ("<speak>a & b</speak>", 1, 11, "&amp;"),
        ("<speak>a < b</speak>", 1, 11, "&lt;"),
        ("<speak>\n <p>a</s>\n</speak>", 2, 8, "mismatched tag"),
        ("<speak>", 1, 8, "it ends within <speak>"),
        ("hello", 1, 1, "one <speak> element"),
        ("", 1, 1, "one <speak> element"),
        ("<p>hello</p>", 1, 1, "one <speak> element"),
        ("<speak>a<speak>b</speak></speak>", 1, 9, "one <speak> element"),
        ("<speak>\n  é <bar/></speak>", 2, 5, "<bar> is not offered: use one of speak, p, s, break"),
        ("\n\n<speak><audio src='http://x/y.wav'/></speak>", 3, 8, "sound from elsewhere"),
        ("<speak><phoneme ph='x'>a</phoneme></speak>", 1, 8, "spelling that sounds right"),
        ("<speak><voice name='x'>a</voice></speak>", 1, 8, "one voice"),
        ("<speak>a<mark name='x'/></speak>", 1, 9, "marks are not reported"),
        ("<speak xml:lang='de'>a</speak>", 1, 1, "choose another voice"),
        ("<speak><prosody contour='x'>a</prosody></speak>", 1, 8, "it may have pitch, rate, volume"),
        ("<speak><prosody rate='quick'>a</prosody></speak>", 1, 8, "120%"),
        ("<speak><prosody rate='900%'>a</prosody></speak>", 1, 8, "between 0.25 and 4"),
        ("<speak><prosody pitch='+2oct'>a</prosody></speak>", 1, 8, "st"),
        ("<speak><prosody pitch='120Hz'>a</prosody></speak>", 1, 8, "st"),
        ("<speak><prosody volume='50'>a</prosody></speak>", 1, 8, "dB"),
        ("<speak><prosody volume='+40dB'>a</prosody></speak>", 1, 8, "below"),
        ("<speak>a<break time='soon'/></speak>", 1, 9, "500ms"),
        ("<speak>a<break time='99s'/></speak>", 1, 9, "use several"),
        ("<speak>a<break>b</break></speak>", 1, 17, "no text in it"),
        ("<speak><emphasis level='big'>a</emphasis></speak>", 1, 8, "strong, moderate"),
        ("<speak><say-as>a</say-as></speak>", 1, 8, "needs interpret-as"),
        ("<speak><say-as interpret-as='poem'>a</say-as></speak>", 1, 37, "use one of cardinal"),
        ("<speak><say-as interpret-as='cardinal'>a</say-as></speak>", 1, 41, "no number"),
        ("<speak><say-as interpret-as='date' format='mdy'>99/99/2024</say-as></speak>", 1, 59, "no date"),
        ("<speak><sub alias='b'>a<break/></sub></speak>", 1, 24, "<sub> has no elements"),
        ("<speak><sub>a</sub></speak>", 1, 8, "needs alias"),
        ("<speak>&nbsp;</speak>", 1, 8, "&#8364;"),
        ("<speak>\ud800</speak>", 1, 1, "lone surrogate"),
        ("<speak>\0</speak>", 1, 8, "not well-formed"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(document: str, line: int, column: int, says: str) -> None:
    error = refusal(document)
    assert (error.line, error.column) == (line, column)
    assert error.message.startswith(f"SSML, line {line}, column {column}: ")
    assert says in error.message


BOMB = '<!ENTITY a "lol">' + "".join(
    f'<!ENTITY {name} "{f"&{before};" * 10}">' for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    "document",
    [
        f"<!DOCTYPE speak [{BOMB}]><speak>&i;</speak>",
        '<!DOCTYPE speak [<!ENTITY x SYSTEM "file:///etc/passwd">]><speak>&x;</speak>',
        '<!DOCTYPE speak SYSTEM "http://127.0.0.1/x.dtd"><speak>a</speak>',
        '<!DOCTYPE speak [<!ENTITY % x SYSTEM "http://127.0.0.1/x"> %x;]><speak>a</speak>',
        "<!DOCTYPE speak><speak>a</speak>",
    ],
)
def test_a_document_type_is_refused_before_anything_of_it_is_read(document: str) -> None:
    assert "a document type is not read" in refusal(document).message


@pytest.mark.parametrize("element", ["p", "prosody", "emphasis"])
def test_deep_nesting_is_refused(element: str) -> None:
    assert "nested deeper" in refusal("<speak>" + f"<{element}>" * 100_000).message


def test_many_attributes_and_long_text_are_read_in_time() -> None:
    attributes = " ".join(f'a{index}="x"' for index in range(10_000))
    assert "not offered" in refusal(f"<speak {attributes}>a</speak>").message
    assert len(script("<emphasis>so</emphasis> " * 5_000)) == 5_000


@pytest.mark.parametrize("kind", ["cardinal", "digits", "date", "time", "telephone"])
def test_endless_numbers_are_said_digit_by_digit(kind: str) -> None:
    said = spoken(f"<say-as interpret-as='{kind}'>{'9' * 20_000}</say-as>")
    assert " ".join(said).split() == ["nine"] * 20_000


@pytest.mark.parametrize("kind", ["ordinal", "fraction"])
def test_a_message_quotes_as_much_as_one_can_read(kind: str) -> None:
    document = f"<speak><say-as interpret-as='{kind}'>{'9' * 20_000}</say-as></speak>"
    assert len(refusal(document).message) < 400
