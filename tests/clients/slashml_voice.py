"""Runs the published `slashml` client for text to speech, in an environment of its own: URL as argument.

The client has no setting for its address; the class attribute is the one thing that is changed.
"""

import json
import sys

import requests
from slashml import TextToSpeech

(url,) = sys.argv[1:]
TextToSpeech._base_url = f"{url}/text-to-speech/v1"
client = TextToSpeech(api_key=None)
Provider = TextToSpeech.ServiceProvider
TEXT = "this is my text that I want to convert to an audio file"

submitted = client.submit_job(TEXT, Provider.GOOGLE)
polled = client.status(submitted.id, Provider.GOOGLE)
executed = client.execute(TEXT, Provider.GOOGLE)
sound = requests.get(executed.audio_url, timeout=30)
refused = client.submit_job(TEXT, Provider.AWS)

sys.stdout.write(
    json.dumps(
        {
            "submitted": [submitted.status, submitted.service_provider],
            "polled": polled.status,
            "audio_url": executed.audio_url,
            "sound": [sound.status_code, sound.headers["content-type"], len(sound.content)],
            "refused": [refused.status, refused.reason.ERROR],
            "choices": Provider.choices(),
        }
    )
)
