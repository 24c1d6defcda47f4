"""A text as it is going to be spoken, from each way of writing it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stentor_tts.errors import NestedTooDeep, Unspeakable
from stentor_tts.script import Markup, Pause, Script, Sentence, script_of


def spoken(script: Script) -> list[str]:
    return [part.spoken for part in script if isinstance(part, Sentence)]


def test_a_text_is_its_sentences_with_pauses_between() -> None:
    script = script_of("Dr. Smith paid $5. He left!\n\nThe end")
    assert script == (
        Sentence("Dr. Smith paid $5.", "Doctor Smith paid five dollars."),
        Pause(400),
        Sentence("He left!", "He left!"),
        Pause(700),
        Sentence("The end", "The end"),
    )


def test_lines_of_one_paragraph_are_one_text_and_items_are_not() -> None:
    assert spoken(script_of("A text\nof two lines.\n- first\n- second")) == [
        "A text of two lines.",
        "first",
        "second",
    ]


def test_names_of_characters_are_read_as_these() -> None:
    assert spoken(script_of("Fish &amp; chips&nbsp;&lt;3")) == ["Fish and chips less than three"]


def test_a_long_sentence_is_said_in_breaths_with_short_rests() -> None:
    script = script_of("and this is one more clause, " * 30)
    sentences = [part for part in script if isinstance(part, Sentence)]
    pauses = [part for part in script if isinstance(part, Pause)]
    assert len(sentences) > 2
    assert pauses == [Pause(150)] * (len(sentences) - 1)
    assert all(len(each.spoken) <= 300 for each in sentences)


def test_the_text_of_a_sentence_stays_as_it_is_written() -> None:
    (sentence,) = script_of("“It’s 5 °C”, he said – really…")  # noqa: RUF001
    assert isinstance(sentence, Sentence)
    assert sentence.text == "“It’s 5 °C”, he said – really…"  # noqa: RUF001
    assert sentence.spoken == "It's five degrees Celsius, he said, really..."


@pytest.mark.parametrize("text", ["", "  \n ", "...", "?!", "🎉😀", "---", "<br/>", "&nbsp;"])
@pytest.mark.parametrize("markup", [Markup.text, Markup.markdown, Markup.auto])
def test_a_text_without_words_cannot_be_said(text: str, markup: Markup) -> None:
    with pytest.raises(Unspeakable, match="nothing to say"):
        script_of(text, markup=markup)


def test_a_sentence_without_words_is_left_out() -> None:
    assert spoken(script_of("Well done! 🎉 !!!")) == ["Well done!"]


@pytest.mark.parametrize(("text", "language"), [("你好", "en"), ("Привет. Hello.", "de"), ("שלום", "ru")])
def test_letters_that_no_voice_of_the_language_knows_are_refused(text: str, language: str) -> None:
    with pytest.raises(Unspeakable, match="choose a voice of the language"):
        script_of(text, language=language)


@pytest.mark.parametrize(
    ("text", "language"), [("你好", "zh"), ("Привет", "ru-RU"), ("OK, 42", "ru"), ("ქ", "xx")]
)
def test_a_voice_of_the_language_can_say_its_letters(text: str, language: str) -> None:
    assert spoken(script_of(text, language=language))


def test_markdown_is_read_without_its_marks() -> None:
    text = (
        "# A *title*\n\nSome **bold** text with `code`, [a link](https://example.com) and\nan "
        "![image](x.png).\n\n> Quoted & ~~gone~~.\n\n<div>html</div>\n\n- [x] a task\n"
    )
    script = script_of(text, markup="markdown")
    assert spoken(script) == [
        "A title.",
        "Some bold text with code, a link and an image.",
        "Quoted and gone.",
        "html.",
        "a task.",
    ]
    assert script[1] == Pause(900)


def test_items_of_a_list_in_order_are_numbered() -> None:
    script = script_of("1. Install it.\n2. Run it!\n   - gently\n", markup="markdown")
    assert spoken(script) == ["one, Install it.", "two, Run it!", "gently."]
    assert isinstance(script[0], Sentence)
    assert script[0].text == "1. Install it."


def test_a_program_is_announced_and_not_read() -> None:
    text = "Look:\n\n```python\nx = {'a': 1}\n```\n\nDone."
    assert spoken(script_of(text, markup="markdown")) == ["Look", "Code example, not read aloud.", "Done."]
    assert spoken(script_of(text, markup="markdown", language="de")) == ["Look", "Done."]


def test_a_table_is_read_row_by_row() -> None:
    text = "| Name | Age |\n|---|---|\n| Bob | 5 |\n| Al | |\n\nAfter | it.\n"
    assert spoken(script_of(text, markup="markdown")) == ["Name: Bob; Age: five.", "Name: Al.", "After, it."]


def test_a_line_across_is_a_long_pause() -> None:
    assert script_of("a\n\n---\n\nb", markup="markdown")[1] == Pause(1200)


def test_what_is_nested_too_deep_is_refused_and_not_left_out() -> None:
    assert spoken(script_of("> " * 30 + "deep", markup="markdown")) == ["deep."]
    with pytest.raises(NestedTooDeep, match="flatter"):
        script_of("> " * 50_000 + "deep", markup="markdown")


def test_auto_knows_a_document_of_ssml() -> None:
    document = '\n<?xml version="1.0"?>\n<!-- note --><speak>Hi</speak>'
    assert spoken(script_of(document, markup="auto")) == ["Hi"]
    assert spoken(script_of("<speaker> speaks", markup="auto")) == ["speaks"]


@settings(deadline=None, database=None)
@given(st.text(max_size=200), st.sampled_from(list(Markup)[:2]))
def test_any_text_is_a_script_or_cannot_be_said(text: str, markup: Markup) -> None:
    try:
        script = script_of(text, markup=markup, language="xx")
    except Unspeakable:
        return
    assert isinstance(script[0], Sentence)
    assert isinstance(script[-1], Sentence)
    assert all(part.text and part.spoken for part in script if isinstance(part, Sentence))


@settings(deadline=None, database=None)
@given(st.lists(st.text("abcdefghij,.!?;", min_size=1, max_size=12), min_size=1, max_size=80))
def test_no_word_of_a_text_is_lost(words: list[str]) -> None:
    letters = "".join(each for word in words for each in word if each.isalpha())
    if not letters:
        return
    said = "".join(spoken(script_of(" ".join(words), language="xx")))
    assert "".join(each for each in said if each.isalpha()) == letters
