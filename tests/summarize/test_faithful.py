"""Names and numbers that a summary adds are found, and those that it puts otherwise are not."""

import pytest

from stentor_summarize.faithful import Source

NEWS = (
    "The Norwich City Council approved a budget of $4.5 million on Monday to repair five bridges. Anna "
    "Lee, the mayor, said the work would be finished by 3 March 2025. John Smith of Barclays voted "
    'against it. "We cannot afford it," Smith said. He began in nineteen ninety-nine. The European Union '
    "pays half. France and Italy sent twenty-five engineers. The World Health Organization and NATO were "
    "not involved. About 12,480 people cross the bridges each day, 3.2 per cent more than a year ago. The "
    "meeting began at 5 pm. Müller & Sons build the third bridge."
)


def inventions(summary: str, text: str = NEWS, language: str | None = "en") -> tuple[str, ...]:
    return Source(text, language).inventions(summary)


@pytest.mark.parametrize(
    "summary",
    [
        NEWS,
        "Norwich approved a budget of 4,500,000 dollars to repair 5 bridges.",
        "Council approves $4.5m budget.",
        "Mayor Anna Lee expects the work to end by March 3, 2025.",
        "Work ends on 2025-03-03.",
        "Smith's vote was against the mayor's plan.",
        "The French and Italian engineers, 25 in number, came.",
        "The EU pays 50% of it, and the WHO nothing.",
        "The alliance was not asked, and NATO is not involved.",
        "About 12,500 people cross the bridges each day, 3.2% more than before.",
        "The council met at 17:00.",
        "He has been there since 1999.",
        "Muller & Sons build the 3rd bridge.",
        "However, one of them voted against it. Opponents first lost. Residents are relieved.",
        "Council Approves Budget For Five Bridges In Norwich",
        "Both countries sent engineers.",
    ],
)
def test_what_the_text_says_in_other_words_is_no_invention(summary: str) -> None:
    assert inventions(summary) == ()


@pytest.mark.parametrize(
    ("summary", "found"),
    [
        ("The council approved a budget of $5.4 million.", ("5.4 million",)),
        ("The council approved a budget of $4.5.", ("4.5",)),
        ("Six bridges will be repaired.", ("6",)),
        ("Work will be finished by April 2025.", ("April",)),
        ("Work will be finished by March 2026.", ("2026",)),
        ("Anna Smith voted against it.", ("Anna Smith",)),
        ("The plan was opposed by Peter Jones of Barclays.", ("Peter Jones",)),
        ("Engineers came from Germany and Italy.", ("Germany",)),
        ("London approved the budget.", ("London",)),
        ("Obama said no.", ("Obama",)),
        ("UNESCO pays half.", ("UNESCO",)),
        ("The council met on Tuesday at 18:30.", ("Tuesday", "18:30")),
        ("About 14,000 people cross the bridges.", ("14,000",)),
        ("It began in 1989, says the mayor of El Paso.", ("El Paso", "1989")),
    ],
)
def test_what_the_text_does_not_say_is_found(summary: str, found: tuple[str, ...]) -> None:
    assert inventions(summary) == found


def test_each_invention_is_named_once() -> None:
    assert inventions("They met in Paris. Later, in Paris, they met 77 people, all 77.") == ("Paris", "77")


def test_ranges_share_their_unit() -> None:
    assert inventions("It costs 4 million to 5 million.", "It will cost 4 to 5 million.") == ()


def test_a_rounded_number_has_two_digits_that_are_right() -> None:
    text = "Exactly 12,480 people came, 97 of them twice."
    assert inventions("12,000 people came, 97 of them twice.", text) == ()
    assert inventions("13,000 people came.", text) == ("13,000",)
    assert inventions("100 came twice.", text) == ("100",)


def test_years_are_never_rounded() -> None:
    assert inventions("It opened in 2020.", "It opened in 2023.") == ("2020",)


@pytest.mark.parametrize(
    ("language", "text", "same", "other", "found"),
    [
        (
            "de",
            "Der Rat beschloss am Dienstag, fünf Brücken zu bauen. Angela Merkel sprach, für 3,8 Millionen.",
            "Merkel sprach am Dienstag über 5 neue Bauwerke für 3.800.000 Euro.",
            "Angela Schmidt sprach über 6 Brücken.",
            ("Angela Schmidt", "6"),
        ),
        (
            "es",
            "La concejala Lucía Ferrer abrirá doce bibliotecas en Sevilla por 96.000 euros.",
            "Ferrer abrirá 12 bibliotecas en Sevilla por 96 000 euros.",
            "Según Ferrer, en Madrid abrirán 15 bibliotecas.",
            ("Madrid", "15"),
        ),
        ("ja", "会議は5月に東京で開かれ、12人が来た。", "12人が5月に東京に来た。", "14人が来た。", ("14",)),
    ],
)
def test_other_languages(language: str, text: str, same: str, other: str, found: tuple[str, ...]) -> None:
    assert inventions(same, text, language) == ()
    assert inventions(other, text, language) == found


def test_a_transcript_without_capitals_or_digits_knows_its_names_and_numbers() -> None:
    text = "so i met anna lee in paris and she paid twenty five euros for two tickets"
    assert inventions("Anna Lee paid 25 euros for 2 tickets in Paris.", text) == ()
    assert inventions("Anna Lee paid 30 euros in Rome.", text) == ("Rome", "30")
