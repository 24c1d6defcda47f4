"""What can be wrong with a text, a voice or a wish for sound; the message says what to do about it.

BadInput
├── TextTooLong             more characters than are taken here
├── TextGone                the upload was deleted before its job ran
├── TextUnreadable          a file that is not UTF-8 text
├── Unspeakable             nothing in the text that can be said
├── NestedTooDeep           Markdown with lists or quotations within each other, too many
├── SsmlError               a document that does not parse, or asks for what is not offered
├── UnknownFormat           no such kind of file
└── UnknownSampleRate       the format cannot have this rate
"""

from collections.abc import Iterable

from stentor_common.errors import BadInput


class TextTooLong(BadInput):
    code = "text_too_long"

    def __init__(self, most: int, length: int | None = None) -> None:
        long = f"has {length} characters" if length else "is too long"
        super().__init__(
            f"the text {long}, and at most {most} characters are taken here; send it in parts", param="text"
        )


class TextGone(BadInput):
    code = "text_gone"

    def __init__(self) -> None:
        super().__init__("the text is no longer here; uploads are deleted after a while, send it again")


class TextUnreadable(BadInput):
    code = "text_unreadable"

    def __init__(self) -> None:
        super().__init__(
            "the file is no text in UTF-8; save it as one, or send the text itself", param="file"
        )


class Unspeakable(BadInput):
    code = "unspeakable"


class NestedTooDeep(BadInput):
    code = "nested_too_deep"

    def __init__(self, most: int) -> None:
        super().__init__(
            f"the Markdown has lists or quotations nested deeper than {most}; write it flatter", param="text"
        )


LONGEST = 300
"""Characters of what a message says about a document."""


class SsmlError(BadInput):
    """`line` counts from 1, `column` from 1, in characters."""

    code = "invalid_ssml"

    def __init__(self, message: str, *, line: int, column: int) -> None:
        # Messages quote what is wrong, which may be anything, of any length.
        shown = message if len(message) <= LONGEST else f"{message[:LONGEST]}..."
        super().__init__(f"SSML, line {line}, column {column}: {shown}")
        self.line = line
        self.column = column


class UnknownFormat(BadInput):
    code = "unknown_format"

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(
            f"format {name[:40]!r} is not offered; use one of {', '.join(known)}", param="format"
        )


class UnknownSampleRate(BadInput):
    code = "unknown_sample_rate"

    def __init__(self, rate: int, *, format_name: str, known: Iterable[int]) -> None:
        rates = ", ".join(map(str, known))
        super().__init__(
            f"{format_name} sound cannot have {rate} samples a second; use one of {rates}",
            param="sample_rate",
        )
