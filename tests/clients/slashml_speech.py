"""Runs the published `slashml` client, in an environment of its own: URL and recording as arguments.

The client has no setting for its address; the class attribute is the one thing that is changed.
"""

import json
import sys

from slashml import SpeechToText

url, recording = sys.argv[1:]
SpeechToText._base_url = f"{url}/speech-to-text/v1"
client = SpeechToText(api_key=None)
provider = SpeechToText.ServiceProvider.ASSEMBLY

uploaded = client.upload_audio(recording)
submitted = client.submit_job(uploaded.upload_url, provider)
polled = client.status(submitted.id, provider)
executed = client.execute(uploaded["uploaded_url"], provider)
refused = client.submit_job("http://127.0.0.1/secret.mp3", provider)
failed = client.status(refused.id, provider)

sys.stdout.write(
    json.dumps(
        {
            "submitted": submitted.status,
            "polled": polled.status,
            "text": executed.text,
            "transcription": executed.transcription_data.transcription,
            "words": [word.text for word in executed.words],
            "last_end_ms": executed.words[-1].end,
            "failed": failed.status,
            "choices": SpeechToText.ServiceProvider.choices(),
        }
    )
)
