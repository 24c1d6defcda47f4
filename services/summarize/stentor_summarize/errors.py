"""What can be wrong with a text or a model; the message says what to do about it.

BadInput
├── NothingToSummarize      there are no words in the text
├── TextTooLong             more text than this installation takes
├── InputGone               the text was deleted before its job ran
├── InstructionsTooLong     they leave no room for the text itself
└── DocumentUnreadable      a file from which no text comes
    ├── UnknownDocument     of a type that is not read here
    ├── DocumentDamaged
    ├── DocumentEncrypted
    ├── DocumentEmpty
    ├── DocumentWithoutText pages, but no letter on them
    └── DocumentTooLong     more than is taken, or than reading may cost
Conflict
└── TranscriptNotReady      a transcription that is to be summarized has no text, or none yet
Unavailable
├── ReaderMissing           the library that reads such documents is not installed
└── ReaderLost              reading a document was ended from outside, through no fault of it
"""

from stentor_common.errors import BadInput, Conflict, Unavailable

READ_HERE = "txt, md, html, pdf or docx"


class NothingToSummarize(BadInput):
    code = "nothing_to_summarize"

    def __init__(self) -> None:
        super().__init__("there are no words in the text; send some", param="text")


class InstructionsTooLong(BadInput):
    code = "instructions_too_long"

    def __init__(self, tokens: int, limit: int) -> None:
        super().__init__(
            f"the instructions take {tokens} tokens and this model has room for {limit}; shorten them",
            param="instructions",
        )


class TextTooLong(BadInput):
    code = "text_too_long"

    def __init__(self, limit: int) -> None:
        super().__init__(f"the text has more than {limit} characters, the limit here; send it in parts")


class InputGone(BadInput):
    code = "input_gone"

    def __init__(self) -> None:
        super().__init__("the text is no longer here; uploads are deleted after a while, send it again")


class DocumentUnreadable(BadInput):
    code = "document_unreadable"


class UnknownDocument(DocumentUnreadable):
    code = "document_type_unknown"

    def __init__(self, found: str = "") -> None:
        is_found = f"it is {found}" if found else "its content is none of these"
        super().__init__(f"a document must be {READ_HERE}; {is_found}", param="file")


class DocumentDamaged(DocumentUnreadable):
    code = "document_damaged"

    def __init__(self) -> None:
        super().__init__("the document is damaged and its text cannot be read; save it anew or send the text")


class DocumentEncrypted(DocumentUnreadable):
    code = "document_encrypted"

    def __init__(self) -> None:
        super().__init__("the document can only be read with its password: send a copy without one")


class DocumentEmpty(DocumentUnreadable):
    code = "document_empty"

    def __init__(self) -> None:
        super().__init__("there is no text in the document", param="file")


class DocumentWithoutText(DocumentUnreadable):
    code = "document_without_text"

    def __init__(self) -> None:
        super().__init__(
            "there is no text on the document's pages, perhaps only pictures of it: text in pictures is not "
            "recognized here, send a document with text in it"
        )


class DocumentTooLong(DocumentUnreadable):
    code = "document_too_long"

    def __init__(self, limit: str) -> None:
        super().__init__(f"the document is longer than {limit}, the limit here; send it in parts")


class TranscriptNotReady(Conflict):
    code = "transcript_not_ready"


class ReaderLost(Unavailable):
    code = "reader_lost"

    def __init__(self) -> None:
        super().__init__("reading the document was interrupted from outside; try again")


class ReaderMissing(Unavailable):
    code = "reader_missing"
    retryable = False

    def __init__(self, library: str) -> None:
        super().__init__(f"reading such a document needs {library}: pip install 'stentor[documents]'")
