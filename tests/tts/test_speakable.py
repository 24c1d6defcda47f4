"""Words that are said for what is written."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stentor_tts.speakable import read, speakable


def said(text: str, language: str = "en-US") -> str:
    return speakable(text, language)


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("7", "seven"),
        ("21", "twenty-one"),
        ("101", "one hundred one"),
        ("1,234,567", "one million two hundred thirty-four thousand five hundred sixty-seven"),
        ("3.14", "three point one four"),
        ("0.05", "zero point zero five"),
        (".5", "point five"),
        ("-3", "minus three"),
        ("\N{MINUS SIGN}7.25", "minus seven point two five"),
        ("±3", "plus or minus three"),
        ("-5 to +5", "minus five to plus five"),
        ("007", "zero zero seven"),
        (
            "12345678901234567890",
            " ".join(["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "zero"] * 2),
        ),
        ("10k followers", "ten thousand followers"),
        ("4K video", "four K video"),
        ("\N{ARABIC-INDIC DIGIT FOUR}\N{ARABIC-INDIC DIGIT TWO}", "forty-two"),
        ("1.", "one."),
    ],
)
def test_a_number_is_said_in_words(written: str, words: str) -> None:
    assert said(written) == words


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("the 1st, 2nd and 3rd", "the first, second and third"),
        ("the 101st", "the one hundred first"),
        ("the 1,000th", "the one thousandth"),
        ("the 21st century", "the twenty-first century"),
    ],
)
def test_an_ordinal_is_said_as_one(written: str, words: str) -> None:
    assert said(written) == words


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("1/2", "one half"),
        ("3/4 cup", "three quarters cup"),
        ("2 1/2 cups", "two and a half cups"),
        ("2½", "two and a half"),
        ("⅔", "two thirds"),
        ("5/8", "five eighths"),
        ("7/3", "seven over three"),
        ("24/7", "twenty-four seven"),
        ("50/50", "fifty fifty"),
    ],
)
def test_a_fraction_is_said_by_its_parts(written: str, words: str) -> None:
    assert said(written) == words


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("in 1999", "in nineteen ninety-nine"),
        ("in 1905", "in nineteen oh five"),
        ("in 1900", "in nineteen hundred"),
        ("in 2000", "in two thousand"),
        ("in 2005", "in two thousand five"),
        ("in 2024", "in twenty twenty-four"),
        ("in 1066", "in ten sixty-six"),
        ("We sold 1500 cars.", "We sold one thousand five hundred cars."),
        ("Since 2024 sales rose.", "Since twenty twenty-four sales rose."),
        ("1999 was good", "nineteen ninety-nine was good"),
        ("the 1990s", "the nineteen nineties"),
        ("the '60s", "the sixties"),
        ("the 1500s", "the fifteen hundreds"),
        ("44 BC", "forty-four B.C"),
        ("1914–1918", "nineteen fourteen to nineteen eighteen"),  # noqa: RUF001
        ("1998-99", "nineteen ninety-eight to ninety-nine"),
        ("Q3 2024", "third quarter twenty twenty-four"),
    ],
)
def test_a_year_is_told_from_a_number(written: str, words: str) -> None:
    assert said(written) == words


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("5-10 people", "five to ten people"),
        ("pages 10–20", "pages ten to twenty"),  # noqa: RUF001
        ("it ended 3-2", "it ended three to two"),
        ("16:9", "sixteen to nine"),
        ("20-30%", "twenty to thirty percent"),
        ("1920x1080", "one thousand nine hundred twenty by one thousand eighty"),
        ("3x faster", "three times faster"),
        ("3 × 4 = 12", "three times four equals twelve"),  # noqa: RUF001
        ("12 / 4", "twelve divided by four"),
        ("10 - 5", "ten minus five"),
        ("x² + y³", "x² plus y³"),
        ("10^-3", "ten to the power of minus three"),
        ("2⁸", "two to the power of eight"),
        ("5²", "five squared"),
        ("6.02e23", "six point zero two times ten to the power of twenty-three"),
        ("3×10^8", "three times ten to the power of eight"),  # noqa: RUF001
        ("a 5-year-old", "a five-year-old"),
    ],
)
def test_what_stands_between_numbers_is_said(written: str, words: str) -> None:
    assert said(written) == words


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("$4.5 million", "four point five million dollars"),
        ("$3bn", "three billion dollars"),
        ("$2K", "two thousand dollars"),
        ("$1", "one dollar"),
        ("$1,200.50", "one thousand two hundred dollars and fifty cents"),
        ("$0.99", "ninety-nine cents"),
        ("$0.01", "one cent"),
        ("€5.00", "five euros"),
        ("£1.50", "one pound and fifty pence"),
        ("¥500", "five hundred yen"),
        ("-$5", "minus five dollars"),
        ("$5–$10", "five to ten dollars"),  # noqa: RUF001
        ("5 €", "five euros"),
        ("5 USD", "five U.S dollars"),
        ("CHF 20", "twenty Swiss francs"),
        ("50¢", "fifty cents"),
        ("$9.99/month", "nine dollars and ninety-nine cents per month"),
    ],
)
def test_money_is_said_with_its_currency(written: str, words: str) -> None:
    assert said(written) == words


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("5%", "five percent"),
        ("0.1 %", "zero point one percent"),
        ("1 km", "one kilometer"),
        ("5km", "five kilometers"),
        ("120 km/h", "one hundred twenty kilometers per hour"),
        ("60 mph", "sixty miles per hour"),
        ("9.8 m/s²", "nine point eight meters per second squared"),
        ("-5°C", "minus five degrees Celsius"),
        ("1 °F", "one degree Fahrenheit"),
        ("90°", "ninety degrees"),
        ("100 m²", "one hundred square meters"),
        ("5–10 kg", "five to ten kilograms"),  # noqa: RUF001
        ("2 ft", "two feet"),
        ("""5'10" tall""", "five feet ten tall"),
        ("180 lbs", "one hundred eighty pounds"),
        ("500 GB", "five hundred gigabytes"),
        ("3 GHz", "three gigahertz"),
        ("5 mg/dL", "five milligrams per deciliter"),
        ("20 min", "twenty minutes"),
        ("6 in.", "six inches."),
    ],
)
def test_a_unit_is_said_after_its_number(written: str, words: str) -> None:
    assert said(written) == words


@pytest.mark.parametrize(
    ("written", "american", "british"),
    [
        ("5/3/2024", "May third, twenty twenty-four", "the fifth of March, twenty twenty-four"),
        ("13/3/24", "March thirteenth, twenty twenty-four", "the thirteenth of March, twenty twenty-four"),
        ("2024-05-03", "May third, twenty twenty-four", "the third of May, twenty twenty-four"),
        ("2024/05/03", "May third, twenty twenty-four", "the third of May, twenty twenty-four"),
        ("03.05.2024", "May third, twenty twenty-four", "the third of May, twenty twenty-four"),
        ("May 3, 2024", "May third, twenty twenty-four", "the third of May, twenty twenty-four"),
        ("May 3rd", "May third", "the third of May"),
        ("3 May 2024", "the third of May, twenty twenty-four", "the third of May, twenty twenty-four"),
        ("on the 3rd of May", "on the third of May", "on the third of May"),
        ("May 2024", "May twenty twenty-four", "May twenty twenty-four"),
        ("Jan. 5", "January fifth", "the fifth of January"),
        ("Mon, May 6", "Monday, May sixth", "Monday, the sixth of May"),
        ("May 3-5, 2024", "May third to fifth, twenty twenty-four", "May third to fifth, twenty twenty-four"),
        ("Tues. and Thurs.", "Tuesday and Thursday", "Tuesday and Thursday"),
        (
            "2024-05-03T15:45:00Z",
            "May third, twenty twenty-four, fifteen forty-five U.T.C",
            "the third of May, twenty twenty-four, fifteen forty-five U.T.C",
        ),
    ],
)
def test_a_date_is_said_as_the_region_says_it(written: str, american: str, british: str) -> None:
    assert said(written, "en-US") == american
    assert said(written, "en-GB") == british


def test_what_is_no_date_is_none() -> None:
    assert said("45/45/2024 may be wrong") == "forty-five forty-five twenty twenty-four may be wrong"
    assert said("The sun may 5 times rise") == "The sun may five times rise"


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("3:30pm", "three thirty P.M"),
        ("3:05 p.m.", "three oh five P.M."),
        ("at 5 p.m. sharp", "at five P.M sharp"),
        ("15:45", "fifteen forty-five"),
        ("12:00", "twelve o'clock"),
        ("17:00", "seventeen hundred"),
        ("0:30", "zero thirty"),
        ("10:05:30", "ten oh five and thirty seconds"),
        ("9am-5pm", "nine A.M to five P.M"),
        ("9-5 pm", "nine to five P.M"),
        ("9:00–17:00", "nine o'clock to seventeen hundred"),  # noqa: RUF001
        ("12:30 UTC", "twelve thirty U.T.C"),
        ("5 PM EST", "five P.M E.S.T"),
    ],
)
def test_a_time_is_said_as_one(written: str, words: str) -> None:
    assert said(written) == words


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("(555) 123-4567", "five five five, one two three, four five six seven"),
        ("555-123-4567 x12", "five five five, one two three, four five six seven, extension one two"),
        ("+44 20 7946 0958", "plus four four, two zero, seven nine four six, zero nine five eight"),
        ("1-800-555-0199", "one, eight zero zero, five five five, zero one nine nine"),
        ("123-45-6789", "one two three, four five, six seven eight nine"),
        ("978-3-16-148410-0", "nine seven eight, three, one six, one four eight four one zero, zero"),
        ("4111 1111 1111 1111", "four one one one, one one one one, one one one one, one one one one"),
        ("v2.0.1", "version two point zero point one"),
        ("3.11.7", "three point eleven point seven"),
        ("192.168.1.1", "one hundred ninety-two dot one hundred sixty-eight dot one dot one"),
    ],
)
def test_a_code_is_said_part_by_part(written: str, words: str) -> None:
    assert said(written) == words


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("Dr. Smith", "Doctor Smith"),
        ("12 Elm Dr.", "twelve Elm Drive."),
        ("St. Mary", "Saint Mary"),
        ("Baker St. is long", "Baker Street is long"),
        ("5th Ave. and Sunset Blvd.", "fifth Avenue and Sunset Boulevard."),
        ("Mr. and Mrs. White", "Mister and Missus White"),
        ("Lt. Col. Green", "Lieutenant Colonel Green"),
        ("Martin Luther King Jr.", "Martin Luther King Junior."),
        ("Acme Inc. vs. Foo Ltd.", "Acme Incorporated versus Foo Limited."),
        ("cats, dogs, etc.", "cats, dogs, et cetera."),
        ("e.g. this, i.e. that", "for example this, that is that"),
        ("Smith et al. say", "Smith and others say"),
        ("No. 5", "number five"),
        ("no. I said no.", "no. I said no."),
        ("Fig. 3, p. 7, pp. 10-12, vol. 2", "figure three, page seven, pages ten to twelve, volume two"),
        ("w/o sugar", "without sugar"),
        ("a Ph.D. in C++", "a P.H.D in C plus plus"),
    ],
)
def test_an_abbreviation_is_said_in_full(written: str, words: str) -> None:
    assert said(written) == words


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("Henry VIII", "Henry the eighth"),
        ("Louis XIV ruled", "Louis the fourteenth ruled"),
        ("Pope John Paul II", "Pope John Paul the second"),
        ("Queen Elizabeth I, of England", "Queen Elizabeth the first, of England"),
        ("World War II", "World War two"),
        ("Chapter IV", "Chapter four"),
        ("Super Bowl LVIII", "Super Bowl fifty-eight"),
        ("John and I went", "John and I went"),
        ("I think V is a letter", "I think V is a letter"),
    ],
)
def test_roman_numerals_are_read_after_names(written: str, words: str) -> None:
    assert said(written) == words


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("the FBI", "the F.B.I"),
        ("the U.S. and the UK's", "the U.S and the U-K's"),
        ("CEOs", "C-E-O's"),
        ("HTML and IEEE", "H.T.M.L and I.E.E.E"),
        ("NASA and UNESCO", "NASA and UNESCO"),
        ("I do NOT agree", "I do NOT agree"),
        ("BREAKING NEWS FROM LONDON", "breaking news from london"),
        ("J. K. Rowling and J.R.R. Tolkien", "J.K Rowling and J.R.R Tolkien"),
        ("John F. Kennedy", "John F Kennedy"),
        ("Plan B.", "Plan B."),
        ("MP3 and H2O", "M.P three and H two O"),
        ("COVID-19 and GPT-4", "COVID nineteen and G.P.T four"),
        ("USB-C", "U.S.B C"),
        ("the A380", "the A-three eighty"),
        ("a 5G phone", "a five G phone"),
    ],
)
def test_initials_are_spelled_and_words_are_not(written: str, words: str) -> None:
    assert said(written) == words


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("john.doe@example.com", "john dot doe at example dot com"),
        (
            "https://www.example.com/docs/page-1?x=1#top",
            "example dot com slash docs slash page dash one",
        ),
        ("(see https://example.org/a_b).", "see example dot org slash a underscore b."),
        ("http://localhost:8000", "localhost port eight zero zero zero"),
        ("example.co.uk", "example dot co dot U.K"),
        ("It ended.It began", "It ended.It began"),
        ("report.pdf", "report dot P.D.F"),
        ("data.tar.gz", "data dot tar dot G.Z"),
        ("@stentor", "at stentor"),
        ("#OpenSource", "hashtag Open Source"),
        ("#5", "number five"),
    ],
)
def test_an_address_is_said_as_people_say_it(written: str, words: str) -> None:
    assert said(written) == words


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("Fish & chips", "Fish and chips"),
        ("AT&T and R&D", "AT and T and R and D"),
        ("a < b", "a less than b"),
        ("a != b", "a is not equal to b"),
        ("either/or", "either or"),
        ("snake_case", "snake case"),
        ("α particles", "alpha particles"),  # noqa: RUF001
        ("He said “Hello… there” — and left.", "He said Hello... there, and left."),
        ("the cat (a black one) sat", "the cat, a black one, sat"),
        ("don't ‘quote’ rock 'n' roll", "don't quote rock n roll"),  # noqa: RUF001
        ("<b>bold</b> text", "bold text"),
        ("Nice 🎉😀 day ✓", "Nice day"),
        ("zero\N{ZERO WIDTH SPACE}width and soft\N{SOFT HYPHEN}hyphen", "zerowidth and softhyphen"),
        ("a\N{NO-BREAK SPACE}b", "a b"),
        ("Wow!!! What?? Yes.....", "Wow! What? Yes..."),
        ("well-known", "well-known"),
    ],
)
def test_signs_are_named_or_silent(written: str, words: str) -> None:
    assert said(written) == words


@pytest.mark.parametrize("text", ["", "   ", "...", "?!", "🎉😀", "***", "\N{ZERO WIDTH SPACE}", "( )"])
def test_what_has_no_sound_has_no_words(text: str) -> None:
    assert said(text) == ""


@pytest.mark.parametrize(
    ("language", "written", "words"),
    [
        ("de", "1.234,56 €", "eintausendzweihundertvierunddreißig Komma fünf sechs Euro"),
        ("de", "5 % von 21", "fünf Prozent von einundzwanzig"),
        ("de", "bei -3 °C", "bei minus drei Grad Celsius"),
        ("de", "um 15:30 Uhr", "um fünfzehn dreißig Uhr"),
        ("fr", "3,5 km à 80", "trois virgule cinq km à quatre-vingts"),
        ("fr", "Tom & Jo", "Tom et Jo"),
        ("es", "3-5 días", "tres a cinco días"),
        ("it", "a@b.it", "a chiocciola b punto it"),
        ("sv", "21 hundar", "tjugoett hundar"),
        ("ja", "12時", "十二時"),
        ("ja", "3.5", "三 ・ 五"),
        # A language whose numbers nobody here knows keeps its digits: its voice reads them.
        ("xx", "12 and 3,5", "12 and 3,5"),
        ("xx", "https://www.example.com/a?b", "example.com a"),
    ],
)
def test_other_languages_have_their_numbers(language: str, written: str, words: str) -> None:
    assert said(written, language) == words


@settings(deadline=None, database=None)
@given(st.text(max_size=200), st.sampled_from(["en", "en-GB", "de", "ja", "xx"]))
def test_any_text_is_read_and_kept(text: str, language: str) -> None:
    pieces = read(text, language)
    assert "".join(piece.written for piece in pieces) == text
    said(text, language)


@settings(deadline=None, database=None)
@given(st.text("0123456789.,-–/:$€%°+ ()kmKMth'\"#@xXvAPp\n", max_size=60))  # noqa: RUF001
def test_no_digit_is_left_without_words(text: str) -> None:
    assert not re.search(r"\d", said(text))


@pytest.mark.parametrize(
    "unit",
    ["1-", "1/", "1:", "1.", "1,", "A.", "AB ", "a@", "+1 ", "$", "<a", "(1) ", "www.a.", "x^", "May "],
)
def test_the_time_to_read_grows_with_the_text_alone(unit: str) -> None:
    """Ten thousand times what makes rules look far ahead is read within the time limit of a test."""
    assert len(read(unit * 10_000, "en")) > 1
