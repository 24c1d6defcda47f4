"""A subset of W3C SSML 1.1 (https://www.w3.org/TR/speech-synthesis11/), read as hostile input.

Offered: speak, p, s, break, prosody (rate, pitch, volume), emphasis, say-as, sub. Everything else, such as
phoneme, audio, voice, mark or lexicon, is refused with the place where it stands: what cannot be done is not
left out in silence. A document with a DTD is refused before anything of it is expanded, and so is one that
nests too deep; nothing outside the document is ever read.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from xml.parsers import expat

from stentor_tts.errors import SsmlError
from stentor_tts.passages import Passage, Pause, Prosody, Run
from stentor_tts.prosody import emphasis, pause_of, prosody_of
from stentor_tts.speakable import speakable
from stentor_tts.speakable.said_as import said_as

DEEPEST = 32
"""Elements within each other."""
_PARAGRAPH_REST = Passage(()).rest
_SENTENCE_REST = Pause(400)
_ATTRIBUTES = {
    "speak": {"version", "xmlns", "xml:lang", "xml:base", "xmlns:xsi", "xsi:schemaLocation", "xml:space"},
    "p": {"xml:lang", "xml:space"},
    "s": {"xml:lang", "xml:space"},
    "break": {"time", "strength"},
    "prosody": {"rate", "pitch", "volume"},
    "emphasis": {"level"},
    "say-as": {"interpret-as", "format", "detail"},
    "sub": {"alias"},
}
_NAMES = {"paragraph": "p", "sentence": "s"}
"""As SSML 1.0 drafts called them, and authors still do."""
_WITHOUT = {
    "audio": "sound from elsewhere is not played; leave it out",
    "phoneme": "voices take words, not phonemes; use <sub alias=...> with a spelling that sounds right",
    "voice": "one speech has one voice; ask for it in the request",
    "lang": "one speech has one language; ask for a voice of it in the request",
    "mark": "marks are not reported; times of words come with the speech",
    "lexicon": "word lists are not read; use <sub alias=...>",
}


_SPACE = re.compile(r"\s+")


def passages(document: str, language: str) -> list[Passage | Pause]:
    """The document's text with its manner, in order. Raises SsmlError with the place that is wrong."""
    return _Document(language).read(document)


class _Document:
    """What is open and what has been found, at a place of the document."""

    def __init__(self, language: str) -> None:
        self._language = language
        self._found: list[Passage | Pause] = []
        self._runs: list[Run] = []
        self._open: list[str] = []
        self._manners = [Prosody()]
        self._replaced: list[str] | None = None
        """Text of an element that says itself how it is spoken."""
        self._how: Mapping[str, str] = {}
        self._first_line = 0
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.StartDoctypeDeclHandler = self._doctype

    def read(self, document: str) -> list[Passage | Pause]:
        text = document.lstrip("\ufeff \t\r\n")
        self._first_line = document[: len(document) - len(text)].count("\n")
        try:
            self._parser.Parse(text, True)
        except expat.ExpatError as error:
            line = error.lineno + self._first_line
            reason = f"it ends within <{self._open[-1]}>" if self._ends_early(error) else _reason(error)
            raise SsmlError(reason, line=line, column=error.offset + 1) from None
        except UnicodeEncodeError:
            raise SsmlError("it has half of a character in it (a lone surrogate)", line=1, column=1) from None
        return self._found

    def _ends_early(self, error: expat.ExpatError) -> bool:
        return bool(self._open) and expat.ErrorString(error.code) == expat.errors.XML_ERROR_NO_ELEMENTS

    def _wrong(self, message: str) -> SsmlError:
        line = self._parser.CurrentLineNumber + self._first_line
        return SsmlError(message, line=line, column=self._parser.CurrentColumnNumber + 1)

    def _doctype(self, *_: object) -> None:
        raise self._wrong("a document type is not read; begin with <speak>")

    def _start(self, written: str, attributes: Mapping[str, str]) -> None:
        name = _NAMES.get(written, written)
        self._check(name, attributes)
        self._open.append(name)
        try:
            self._enter(name, attributes)
        except ValueError as error:
            raise self._wrong(str(error)) from None

    def _check(self, name: str, attributes: Mapping[str, str]) -> None:
        """What may not stand here is refused."""
        if (name == "speak") != (not self._open):
            raise self._wrong("the document is one <speak> element with everything in it")
        if name not in _ATTRIBUTES:
            why = _WITHOUT.get(name, f"use one of {', '.join(_ATTRIBUTES)}")
            raise self._wrong(f"<{name}> is not offered: {why}")
        if len(self._open) >= DEEPEST:
            raise self._wrong(f"elements are nested deeper than {DEEPEST}")
        if self._replaced is not None or self._open[-1:] == ["break"]:
            raise self._wrong(f"<{self._open[-1]}> has no elements in it")
        for attribute, value in attributes.items():
            if attribute not in _ATTRIBUTES[name]:
                offered = ", ".join(sorted(_ATTRIBUTES[name]))
                raise self._wrong(f"{attribute}= of <{name}> is not offered; it may have {offered}")
            if attribute == "xml:lang" and _primary(value) != _primary(self._language):
                raise self._wrong(
                    f"the text is in {value!r} and the voice speaks {self._language!r}: choose another voice"
                )

    def _enter(self, name: str, attributes: Mapping[str, str]) -> None:
        match name:
            case "p" | "s":
                self._flush()
            case "break":
                self._flush()
                self._found.append(pause_of(attributes))
            case "prosody":
                self._manners.append(prosody_of(attributes, self._manners[-1]))
            case "emphasis":
                self._manners.append(emphasis(attributes.get("level", "moderate"), self._manners[-1]))
            case "say-as" | "sub":
                needed = "interpret-as" if name == "say-as" else "alias"
                if not attributes.get(needed, "").strip():
                    raise ValueError(f"<{name}> needs {needed}=")
                self._replaced, self._how = [], attributes

    def _end(self, written: str) -> None:
        name = _NAMES.get(written, written)
        self._open.pop()
        match name:
            case "speak" | "p":
                self._flush()
            case "s":
                self._flush(rest=_SENTENCE_REST, whole=True)
            case "prosody" | "emphasis":
                self._manners.pop()
            case "say-as" | "sub":
                self._replace(name)

    def _replace(self, name: str) -> None:
        text = _SPACE.sub(" ", "".join(self._replaced or ()))
        self._replaced = None
        if name == "sub":
            said = speakable(self._how["alias"], self._language)
        else:
            kind, form = self._how["interpret-as"].strip(), self._how.get("format", "").strip()
            try:
                said = said_as(text, kind, form, self._language)
            except ValueError as error:
                raise self._wrong(str(error)) from None
        self._runs.append(Run(text, said, self._manners[-1]))

    def _text(self, text: str) -> None:
        if self._replaced is not None:
            self._replaced.append(text)
            return
        if self._open[-1] == "break" and text.strip():
            raise self._wrong("<break/> has no text in it")
        text = _SPACE.sub(" ", text)
        manner = self._manners[-1]
        before = self._runs[-1] if self._runs else None
        if before and before.spoken is None and before.prosody == manner:
            self._runs[-1] = replace(before, text=before.text + text)
        else:
            self._runs.append(Run(text, None, manner))

    def _flush(self, *, rest: Pause = _PARAGRAPH_REST, whole: bool = False) -> None:
        """What has come so far is a passage."""
        runs, self._runs = tuple(self._runs), []
        if any(run.spoken or run.text.strip() for run in runs):
            self._found.append(Passage(runs, rest, whole))


def _primary(language: str) -> str:
    return language.replace("_", "-").partition("-")[0].lower()


def _reason(error: expat.ExpatError) -> str:
    message = expat.ErrorString(error.code)
    if message == expat.errors.XML_ERROR_UNDEFINED_ENTITY:
        return "an entity that XML does not know; use &amp; &lt; &gt; &quot; &apos; or a number, as &#8364;"
    if message in (expat.errors.XML_ERROR_SYNTAX, expat.errors.XML_ERROR_NO_ELEMENTS):
        return "the document is one <speak> element with everything in it"
    if message == expat.errors.XML_ERROR_INVALID_TOKEN:
        return "not well-formed; write & as &amp; and < as &lt;"
    return message
