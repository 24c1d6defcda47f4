"""The speech summarizer of the SlashML documents, with the published client (`pip install slashml==0.1.6`):
`python examples/slashml_speech_summarizer.py talk.mp3`.

The client has no setting for its address; the class attributes are the one thing that is changed.
"""

import os
import sys

from slashml import SpeechToText, TextSummarization

URL = os.environ.get("STENTOR_URL", "http://127.0.0.1:8000")
TOKEN = os.environ.get("STENTOR_TOKEN")

SpeechToText._base_url = f"{URL}/speech-to-text/v1"
TextSummarization._base_url = f"{URL}/summarization/v1"


def main(recording: str) -> None:
    transcribe = SpeechToText(api_key=TOKEN)
    summarize = TextSummarization(api_key=TOKEN)

    uploaded = transcribe.upload_audio(recording)
    response = transcribe.execute(uploaded.upload_url, SpeechToText.ServiceProvider.WHISPER)
    transcript = response.transcription_data.transcription
    print(f"Transcribed Text = {transcript}")

    response = summarize.execute(transcript, TextSummarization.ServiceProvider.HUGGING_FACE)
    summary = response.summarization_data
    print(f"Summarized Text = {summary}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
