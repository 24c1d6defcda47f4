"""Runs the published `assemblyai` client, in an environment of its own: URL, token, recording and a webhook's
receiver as arguments."""

import json
import sys

import assemblyai as aai

url, token, recording, receiver = sys.argv[1:]
aai.settings.base_url = url
aai.settings.api_key = token
aai.settings.polling_interval = 0.2
transcriber = aai.Transcriber()

plain = transcriber.transcribe(recording)
config = (
    aai.TranscriptionConfig(
        language_code="en_us",
        speaker_labels=True,
        speakers_expected=1,
        punctuate=True,
        format_text=True,
        keyterms_prompt=["ill-disposed"],
        audio_start_from=0,
        audio_end_at=60_000,
        speech_model=aai.SpeechModel.best,
        summarization=True,
        summary_model=aai.SummarizationModel.informative,
        summary_type=aai.SummarizationType.bullets,
    )
    .set_custom_spelling({"fellow": ["man"]})
    .set_webhook(receiver, "X-Secret", "sesame")
)
uploaded = transcriber.upload_file(recording)
rich = transcriber.submit(uploaded, config=config)
submitted = rich.status
rich.wait_for_completion()
detected = transcriber.transcribe(recording, aai.TranscriptionConfig(language_detection=True))
failed = transcriber.transcribe("http://127.0.0.1/secret.mp3")
listed = transcriber.list_transcripts(aai.ListTranscriptParameters(limit=2))
older = transcriber.list_transcripts(
    aai.ListTranscriptParameters(limit=2, before_id=listed.page_details.before_id_of_prev_url)
)
deleted = aai.Transcript.delete_by_id(detected.id)
try:
    aai.Transcript.get_by_id(detected.id)
    gone = ""
except aai.TranscriptError as error:
    gone = str(error)
try:
    transcriber.transcribe(recording, aai.TranscriptionConfig(filter_profanity=True))
    refused = ""
except aai.TranscriptError as error:
    refused = str(error)

found = {
    "text": plain.text,
    "words": [word.text for word in plain.words],
    "last_end_ms": plain.words[-1].end,
    "confidence": plain.confidence,
    "duration": plain.audio_duration,
    "srt": plain.export_subtitles_srt(),
    "vtt": plain.export_subtitles_vtt(chars_per_caption=20),
    "sentences": [sentence.text for sentence in plain.get_sentences()],
    "paragraphs": [paragraph.text for paragraph in plain.get_paragraphs()],
    "searched": [[match.text, match.count] for match in plain.word_search(["young", "nobody"])],
    "submitted": submitted,
    "rich": rich.text,
    "rich_id": rich.id,
    "speakers": sorted({utterance.speaker for utterance in rich.utterances}),
    "warnings": [warning["message"] for warning in rich.json_response["metadata"]["warnings"]],
    "detected": [detected.json_response["language_code"], detected.json_response["language_confidence"]],
    "failed": [failed.status, failed.error],
    "listed": [item.id for item in listed.transcripts],
    "older": [item.id for item in older.transcripts],
    "deleted": [deleted.id == detected.id, deleted.text],
    "gone": gone,
    "refused": refused,
}
sys.stdout.write(json.dumps(found) + "\n")
